//! Random exchanges: a handler that consumes, puts out, attaches, waits and is woken as it pleases
//! has to send back exactly what it was sent, whatever the clients' rhythm. Seeded: a failure
//! prints the seed, and `CRORE_SEED` runs that one alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use app::{Cx, End, FileSource, Prepared, ShortSource, Source, Step};
use base::{ConnId, Limits, Prng};
use sock::Config;

use crate::harness::{Conn, On, Setup, TestEngine, on_both_engines, serve_with};

on_both_engines! {
    what_comes_back_is_what_was_sent
}

const CLIENTS: u64 = 12;

fn what_comes_back_is_what_was_sent<E: TestEngine>() {
    let one = std::env::var("CRORE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = one.map_or(1..9, |seed| seed..seed + 1);
    for seed in seeds {
        println!("CRORE_SEED={seed}");
        exchange::<E>(seed);
    }
}

fn exchange<E: TestEngine>(seed: u64) {
    let mut prng = Prng::new(seed);
    let config = Config {
        read_buffer: 1 << (6 + prng.below(11)),
        write_buffer: 1 << (6 + prng.below(11)),
        limits: Limits { evict_idle: true, ..Limits::default() },
        ..Config::default()
    };
    let (wakes, wakes_rx) = channel();
    let script = moody(prng, wakes);
    serve_with::<E>(
        || Setup { config, ..Setup::default() },
        script,
        |server| {
            let control = server.control();
            let waking = std::thread::spawn(move || {
                while let Ok(id) = wakes_rx.recv() {
                    control.wake(id);
                }
            });
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let client = server.connect();
                    std::thread::spawn(move || talk(client, Prng::new(seed << 8 | number)))
                })
                .collect();
            for client in clients {
                client.join().expect("a client was sent something else");
            }
            for _ in 0..CLIENTS {
                assert_eq!(server.next_end(), End::Closed);
            }
            drop(waking);
        },
    );
}

/// A handler that sends back what it gets in one of many ways.
fn moody(
    mut prng: Prng,
    wakes: Sender<ConnId>,
) -> impl FnMut(On<'_>, &mut Cx<'_, Conn>) -> Step + Send {
    move |on, cx| match on {
        On::Open => Step::read(0),
        On::Data([]) => Step::close(),
        On::Data(rx) => {
            let some = 1 + prng.below(rx.len() as u32) as usize;
            match prng.below(16) {
                0 => {
                    wakes.send(cx.id).unwrap();
                    Step::wait(0)
                }
                1 => Step::wait(0).within(Duration::from_millis(1)),
                2 => {
                    let bytes: Arc<[u8]> = [b"..", &rx[..some]].concat().into();
                    cx.out.attach(Source::Memory(bytes), 2, some as u64).unwrap();
                    Step::write(some)
                }
                3 => {
                    let put = cx.out.put_some(&rx[..some]);
                    let rest = rx[put..some].to_vec();
                    let length = rest.len() as u64;
                    cx.out.attach(Source::File(Arc::new(Bytes(rest))), 0, length).unwrap();
                    Step::write(some)
                }
                4 => {
                    // Puts out, then waits while it leaves.
                    let put = cx.out.put_some(&rx[..some]);
                    wakes.send(cx.id).unwrap();
                    Step::wait(put)
                }
                5..12 if cx.out.room() >= rx.len() && !cx.input_ended => {
                    cx.out.put(rx).unwrap();
                    Step::idle(rx.len())
                }
                _ => Step::write(cx.out.put_some(&rx[..some])),
            }
        }
        On::Room | On::Wake | On::Timer | On::Drain => Step::idle(0).untimed(),
    }
}

/// A file that is not one.
struct Bytes(Vec<u8>);

impl FileSource for Bytes {
    fn prepare(&self, _offset: u64, length: u64, _id: ConnId) -> Prepared {
        Prepared::Ready(length)
    }

    fn descriptor(&self) -> Option<i32> {
        None
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ShortSource> {
        let from = &self.0[offset as usize..];
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

/// Sends random pieces at a random pace, and compares what comes back.
fn talk(mut reader: TcpStream, mut prng: Prng) {
    let sent: Vec<u8> = (0..prng.below(200_000)).map(|_| prng.next_u32() as u8).collect();
    let mut writer = reader.try_clone().unwrap();
    let to_send = sent.clone();
    let mut pace = Prng::new(prng.next_u64());
    let writing = std::thread::spawn(move || {
        let mut left = &to_send[..];
        while !left.is_empty() {
            let len = (1 + pace.below(20_000) as usize).min(left.len());
            writer.write_all(&left[..len]).unwrap();
            left = &left[len..];
            if pace.below(4) == 0 {
                std::thread::sleep(Duration::from_micros(u64::from(pace.below(500))));
            }
        }
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    let mut chunk = vec![0; 30_000];
    loop {
        let len = 1 + prng.below(30_000) as usize;
        let count = reader.read(&mut chunk[..len]).unwrap();
        if count == 0 {
            break;
        }
        received.extend_from_slice(&chunk[..count]);
        assert!(sent.starts_with(&received), "differs before byte {}", received.len());
    }
    assert_eq!(received.len(), sent.len());
    writing.join().unwrap();
}
