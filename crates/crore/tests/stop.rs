//! How a server stops, on each engine: by being drained, shut down, dropped, and by a panic.

mod support;

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use crore::{Cx, End, Error, Handler, Source, Step};
use support::{PATIENCE, address, connect, on_each_engine, say, start};

/// Bytes of the answer: more than the kernel's socket buffers hold, so that it stays in flight
/// until its reader takes it.
const LENGTH: usize = 32 << 20;

static ANSWER: [u8; LENGTH] = [b'a'; LENGTH];

/// Answers "go" with [`ANSWER`] and "?" with "!"; tells the test how connections end.
struct Answers(Sender<End>);

impl Handler for Answers {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        if rx == b"go" {
            return match cx.out.attach(Source::Static(&ANSWER), 0, LENGTH as u64) {
                Ok(()) => Step::write(rx.len()),
                Err(_) => Step::abort(),
            };
        }
        let _ = cx.out.put(b"!");
        Step::idle(rx.len())
    }

    fn room(&mut self, _: &mut Cx<'_, ()>) -> Step {
        Step::close()
    }

    fn end(&mut self, _: &mut Cx<'_, ()>, why: End) {
        let _ = self.0.send(why);
    }
}

/// Has an answer in flight: the first byte of it is there.
fn with_an_answer_in_flight(stream: &mut TcpStream) {
    say(stream, b"go", b"a");
}

fn rest(stream: &mut TcpStream) -> usize {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest.len()
}

#[test]
fn a_drain_closes_idle_connections_and_finishes_an_answer_in_flight() {
    on_each_engine(|net| {
        let (sender, ends) = mpsc::channel();
        let running = start(net, 2, move |_| Answers(sender.clone()));
        let (mut idle, mut busy) = (connect(&running), connect(&running));
        say(&mut idle, b"?", b"!");
        with_an_answer_in_flight(&mut busy);
        let to = address(&running);

        running.drain(PATIENCE);
        assert!(running.control().stopping());
        assert_eq!(rest(&mut idle), 0);
        ends.recv_timeout(PATIENCE).unwrap();
        running.drain(PATIENCE); // A second time changes nothing.

        assert_eq!(rest(&mut busy), LENGTH - 1);
        running.wait().unwrap();
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), End::Closed);
        assert!(TcpStream::connect(to).is_err(), "nobody listens any more");
    });
}

#[test]
fn at_the_deadline_of_a_drain_the_rest_is_cut_off() {
    on_each_engine(|net| {
        let (sender, ends) = mpsc::channel();
        let running = start(net, 2, move |_| Answers(sender.clone()));
        let mut busy = connect(&running);
        with_an_answer_in_flight(&mut busy);

        running.drain(PATIENCE * 60);
        running.drain(Duration::from_millis(10)); // The earlier deadline counts.
        running.wait().unwrap();
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), End::Shutdown);
        let mut came = Vec::new();
        let _ = busy.read_to_end(&mut came);
        assert!(came.len() < LENGTH - 1);
    });
}

#[test]
fn a_shutdown_does_not_wait_for_anybody() {
    on_each_engine(|net| {
        let (sender, ends) = mpsc::channel();
        let running = start(net, 2, move |_| Answers(sender.clone()));
        let mut busy = connect(&running);
        with_an_answer_in_flight(&mut busy);
        let control = running.control();
        control.drain(PATIENCE * 60);
        control.shut_down();
        running.wait().unwrap();
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), End::Shutdown);
    });
}

#[test]
fn a_server_that_is_dropped_is_gone() {
    on_each_engine(|net| {
        let (sender, ends) = mpsc::channel();
        let running = start(net, 2, move |_| Answers(sender.clone()));
        let mut stream = connect(&running);
        say(&mut stream, b"?", b"!");
        let to = address(&running);
        drop(running);
        assert!(TcpStream::connect(to).is_err());
        assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), End::Shutdown);
        assert!(ends.recv_timeout(PATIENCE).is_err(), "the handlers are gone too");
    });
}

/// Panics when told to.
struct Brittle;

impl Handler for Brittle {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        assert!(rx != b"break", "this is what a handler's mistake looks like");
        let _ = cx.out.put(rx);
        Step::idle(rx.len())
    }
}

#[test]
fn a_panic_in_a_handler_ends_the_server_with_its_message() {
    on_each_engine(|net| {
        let running = start(net, 3, |_| Brittle);
        let mut streams: Vec<_> = (0..20).map(|_| connect(&running)).collect();
        streams.iter_mut().for_each(|stream| say(stream, b"fine", b"fine"));
        std::io::Write::write_all(&mut streams[0], b"break").unwrap();
        let error = running.wait().unwrap_err();
        assert!(matches!(error, Error::Panicked { .. }), "{error}");
        assert!(error.to_string().contains("a handler's mistake"), "{error}");
        for stream in &mut streams {
            assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
        }
    });
}

#[test]
fn a_panic_while_a_handler_is_made_fails_the_start() {
    let server = crore::Server::new().listen("127.0.0.1:0").shards(3);
    let error = server
        .start(|shard| {
            assert!(shard.index != 1, "no handler for shard {}", shard.index);
            Brittle
        })
        .unwrap_err();
    assert!(error.to_string().contains("no handler for shard 1"), "{error}");
}
