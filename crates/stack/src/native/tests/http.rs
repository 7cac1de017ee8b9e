//! The real HTTP handler on our own stack, unchanged: the one that serves kernel sockets elsewhere.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::{format, thread};

use app::{Clock, Counters, Engine, Handler};
use base::Instant;
use http::{Http, LiveSettings, Response, Service, Settings, service_fn};
use port::{Caps, MemPort};

use super::pair::{CLIENT, Client, Pair, SERVER, SERVER_PORT, config};
use crate::Native;

fn handler() -> Http<impl Service> {
    let service = service_fn(|request: &http::Request<'_>| match request.path {
        "/" => Response::text(200, "Hello over our own TCP.\n"),
        _ => Response::text(404, "Nothing here.\n"),
    });
    let settings = Arc::new(LiveSettings::new(Settings::default()));
    Http::new(service, settings, Arc::new(Clock::default()), Arc::default())
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap()
}

#[test]
fn http_answers_pipelined_requests_and_its_connection_sleeps() {
    let mut pair = Pair::new(handler());
    let client = pair.connect(1);
    let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    pair.client.send(client, requests.to_vec());
    pair.run(Duration::from_secs(3));
    let answer = text(pair.client.received(client));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\n\r\nHello over our own TCP.\nHTTP/1.1 404 Not Found\r\n"));
    assert_eq!((pair.connections(), pair.working()), ((1, 1), (0, 0)));
    // The handler's own time limit for an idle connection, kept while the connection sleeps.
    pair.run(Settings::default().idle_time + Duration::from_secs(10));
    assert_eq!(pair.client.end_of(client), Some(app::End::Closed));
    assert_eq!(pair.connections(), (0, 0));
    pair.check_nothing_leaked();
}

/// The time that a wire of memory waits by.
fn now() -> Instant {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Instant::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Turns an engine until `done`, sleeping when there is nothing to do.
fn drive<H: Handler>(
    engine: &mut Native<MemPort, H::Conn>,
    handler: &mut H,
    mut done: impl FnMut(&mut H) -> bool,
) where
    H::Conn: Copy + Default,
{
    while !done(handler) {
        if engine.turn(now(), handler).unwrap() == 0 {
            let until = Engine::<H>::deadline(engine);
            let soon = now() + Duration::from_millis(50);
            Engine::<H>::park(engine, Some(until.map_or(soon, |until| until.min(soon)))).unwrap();
        }
    }
}

#[test]
fn http_answers_between_two_threads() {
    const CONNECTIONS: u16 = 50;
    let (near, far) = MemPort::pair(1 << 18, Caps::ETHERNET).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let server = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let counters = Arc::new(Counters::default());
            let mut engine = Native::new(far, &config(SERVER, 1), counters, now()).unwrap();
            drive(&mut engine, &mut handler(), |_| stop.load(Ordering::Relaxed));
        })
    };
    let counters = Arc::new(Counters::default());
    let mut engine = Native::new(near, &config(CLIENT, 2), counters, now()).unwrap();
    let mut client = Client::default();
    // One SYN waits for the neighbour's address; the others have to be sent again.
    let ids: Vec<_> = (0..CONNECTIONS)
        .map(|port| {
            let local = SocketAddr::new(CLIENT, 1_000 + port);
            let id = client.open(local, SocketAddr::new(SERVER, SERVER_PORT));
            client.send(id, format!("GET /{port} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes());
            id
        })
        .collect();
    let answered = |client: &mut Client| {
        ids.iter().all(|&id| text(client.received(id)).ends_with("Nothing here.\n"))
    };
    drive(&mut engine, &mut client, answered);
    stop.store(true, Ordering::Relaxed);
    server.join().unwrap();
}
