//! Output larger than the kernel takes at once, attachments of each kind, sources that fall short.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use app::{Cx, End, FileSource, Prepared, ShortSource, Source, Step};
use base::ConnId;

use crate::harness::{Conn, On, TestEngine, ask, on_both_engines, serve, until};

on_both_engines! {
    a_slow_reader_gets_every_byte
    memory_is_attached_behind_a_head
    a_static_part_is_attached
    a_file_is_sent_by_descriptor
    a_file_is_sent_by_reading
    many_attachments_follow_each_other
    closes_only_after_everything_has_left
    a_file_that_shrank_ends_the_connection
    a_source_shorter_than_promised_ends_the_connection
    a_timer_sees_how_much_is_unsent
    wakes_find_no_room_while_output_leaves
    a_reader_that_never_reads_is_given_up_by_a_timer
}

const LARGE: usize = 9_000_000;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 253) as u8 ^ (i >> 13) as u8).collect()
}

/// A file without a name, with content.
fn file(content: &[u8]) -> File {
    let path = std::env::temp_dir().join(PathBuf::from(format!(
        "crore-sock-{}-{:p}",
        std::process::id(),
        content
    )));
    let mut options = File::options();
    let mut file = options.read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all(content).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

struct TestFile {
    file: File,
    by_descriptor: bool,
}

impl FileSource for TestFile {
    fn prepare(&self, _offset: u64, length: u64, _id: ConnId) -> Prepared {
        Prepared::Ready(length)
    }

    fn descriptor(&self) -> Option<i32> {
        self.by_descriptor.then(|| self.file.as_raw_fd())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ShortSource> {
        assert!(!self.by_descriptor);
        self.file.read_at(into, offset).map_err(|_| ShortSource)
    }
}

/// Answers each byte with a head and a part of a source.
fn attaching(
    source: Source,
    offset: u64,
    length: u64,
) -> impl FnMut(On<'_>, &mut Cx<'_, Conn>) -> Step + Send {
    move |on, cx| match on {
        On::Data([]) => Step::close(),
        On::Data(_) => {
            cx.out.put(b"head").unwrap();
            cx.out.attach(source.clone(), offset, length).unwrap();
            assert_eq!(cx.out.room(), 0);
            Step::write(1)
        }
        On::Room => Step::idle(0),
        _ => Step::read(0),
    }
}

/// Asks twice, reading slowly the first time, and compares.
fn check<E: TestEngine>(source: Source, content: &[u8]) {
    let (offset, length) = (3, content.len() as u64 - 5);
    let expected = [b"head", &content[3..content.len() - 2]].concat();
    serve::<E>(attaching(source, offset, length), |server| {
        let mut client = server.connect();
        client.write_all(b"aa").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        for _ in 0..2 {
            let answer = ask(&mut client, b"", expected.len());
            assert!(answer == expected);
        }
    });
}

fn memory_is_attached_behind_a_head<E: TestEngine>() {
    let content = pattern(LARGE);
    check::<E>(Source::Memory(content.clone().into()), &content);
}

fn a_static_part_is_attached<E: TestEngine>() {
    let content: &'static [u8] = b"some words that stay for ever";
    check::<E>(Source::Static(content), content);
}

fn a_file_is_sent_by_descriptor<E: TestEngine>() {
    let content = pattern(LARGE);
    let source = TestFile { file: file(&content), by_descriptor: true };
    check::<E>(Source::File(Arc::new(source)), &content);
}

fn a_file_is_sent_by_reading<E: TestEngine>() {
    let content = pattern(LARGE);
    let source = TestFile { file: file(&content), by_descriptor: false };
    check::<E>(Source::File(Arc::new(source)), &content);
}

fn a_slow_reader_gets_every_byte<E: TestEngine>() {
    let pull = |on: On<'_>, cx: &mut Cx<'_, Conn>| {
        if let On::Data(_) = on {
            cx.conn[1] = 1;
        }
        if cx.conn[1] == 0 {
            return Step::read(0);
        }
        // One call's worth of the numbers from conn[0] on.
        while cx.out.room() >= 8 && cx.conn[0] < 1_000_000 {
            cx.out.put(&cx.conn[0].to_be_bytes()).unwrap();
            cx.conn[0] += 1;
        }
        if cx.conn[0] < 1_000_000 { Step::write(1) } else { Step::close() }
    };
    serve::<E>(pull, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        let mut expected = 0u64;
        let mut chunk = vec![0; 8 * 3_000];
        for round in 0.. {
            if round % 16 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let len = (8_000_000 - expected as usize * 8).min(chunk.len());
            if len == 0 {
                break;
            }
            client.read_exact(&mut chunk[..len]).unwrap();
            for number in chunk[..len].chunks(8) {
                assert_eq!(number, expected.to_be_bytes());
                expected += 1;
            }
        }
        assert_eq!(client.read(&mut chunk).unwrap(), 0);
        assert_eq!(server.next_end(), End::Closed);
        assert_eq!(server.counters.bytes_out.get(), 8_000_000);
    });
}

fn many_attachments_follow_each_other<E: TestEngine>() {
    let content: Arc<[u8]> = pattern(70_000).into();
    let expected = content.repeat(40);
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(_) | On::Room => {
            cx.conn[0] += 1;
            cx.out.attach(Source::Memory(content.clone()), 0, 70_000).unwrap();
            if cx.conn[0] == 40 { Step::close() } else { Step::write(1) }
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer == expected, "{} bytes", answer.len());
    });
}

fn closes_only_after_everything_has_left<E: TestEngine>() {
    let content: Arc<[u8]> = pattern(LARGE).into();
    let expected = content.clone();
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(_) => {
            cx.out.attach(Source::Memory(content.clone()), 0, LARGE as u64).unwrap();
            Step::close()
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(server.ends.try_recv().is_err(), "ended with output unsent");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer == *expected);
        assert_eq!(server.next_end(), End::Closed);
    });
}

fn a_file_that_shrank_ends_the_connection<E: TestEngine>() {
    for by_descriptor in [true, false] {
        let file = file(&pattern(LARGE));
        let shrinking = file.try_clone().unwrap();
        let source = Source::File(Arc::new(TestFile { file, by_descriptor }));
        serve::<E>(attaching(source, 0, LARGE as u64), |server| {
            let mut client = server.connect();
            client.write_all(b"a").unwrap();
            until("something is on its way", || server.counters.bytes_out.get() > 100_000);
            shrinking.set_len(100_000).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert!(answer.len() < LARGE);
            assert!(answer.starts_with(b"head") && answer[4..100_004] == pattern(100_000));
            assert_eq!(server.next_end(), End::ShortSource);
            assert_eq!(server.counters.short_sources.get(), 1);
        });
    }
}

fn a_source_shorter_than_promised_ends_the_connection<E: TestEngine>() {
    serve::<E>(attaching(Source::Static(b"abc"), 0, 4), |server| {
        let mut client = server.connect();
        client.write_all(b"a").unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(server.next_end(), End::ShortSource);
    });
}

fn a_timer_sees_how_much_is_unsent<E: TestEngine>() {
    let (seen, seen_rx) = channel();
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) => {
            let body: Arc<[u8]> = vec![1; 30_000_000].into();
            cx.out.attach(Source::Memory(body), 0, 30_000_000).unwrap();
            Step::write(rx.len()).within(Duration::from_millis(1))
        }
        On::Timer => {
            assert!(cx.out.room() == 0 && !cx.out.can_attach());
            seen.send(cx.unsent).unwrap();
            Step::stay().within(Duration::from_millis(1))
        }
        On::Room => Step::close(),
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        until("nothing moves", || {
            std::thread::sleep(Duration::from_millis(20));
            let seen: Vec<u64> = seen_rx.try_iter().collect();
            seen.len() > 1 && seen[0] == seen[seen.len() - 1] && seen[0] > 1_000_000
        });
        // What is left after this is more than the kernel's buffers take.
        client.read_exact(&mut vec![0; 10_000_000]).unwrap();
        until("some have left", || seen_rx.try_iter().any(|unsent| unsent <= 20_000_000));
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 20_000_000);
    });
}

fn wakes_find_no_room_while_output_leaves<E: TestEngine>() {
    let (ids, ids_rx) = channel();
    let (woken, woken_rx) = channel();
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(_) => {
            ids.send(cx.id).unwrap();
            let body: Arc<[u8]> = vec![1; LARGE].into();
            cx.out.attach(Source::Memory(body), 0, LARGE as u64).unwrap();
            Step::idle(1)
        }
        On::Wake => {
            woken.send(cx.out.put(b"!").is_ok()).unwrap();
            Step::close()
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        let id = ids_rx.recv().unwrap();
        until("the kernel is full", || {
            let before = server.counters.bytes_out.get();
            std::thread::sleep(Duration::from_millis(20));
            before > 0 && before == server.counters.bytes_out.get()
        });
        server.control().wake(id);
        assert!(!woken_rx.recv().unwrap());
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.len(), LARGE);
    });
}

fn a_reader_that_never_reads_is_given_up_by_a_timer<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(_) => {
            let body: Arc<[u8]> = vec![1; LARGE].into();
            cx.out.attach(Source::Memory(body), 0, LARGE as u64).unwrap();
            Step::close().within(Duration::from_millis(10))
        }
        On::Timer => Step::abort(),
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        assert_eq!(server.next_end(), End::Aborted);
    });
}
