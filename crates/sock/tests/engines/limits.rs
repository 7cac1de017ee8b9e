//! What is refused, who makes way, and that nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;

use app::{Cx, End, Step};
use base::Limits;
use sock::{Config, ListenOptions, Listener};

use crate::harness::{
    Conn, On, PATIENCE, Setup, TestEngine, ask, client, echo, on_both_engines, serve_with, until,
};

on_both_engines! {
    the_one_too_many_is_told_and_closed
    the_longest_idle_makes_way
    one_client_has_only_so_many
    listeners_of_two_shards_share_a_port
    a_listener_that_was_shut_down_is_let_rest
}

fn with(limits: Limits, farewell: &'static [u8]) -> impl FnOnce() -> Setup {
    let config = Config { limits, ..Config::default() };
    move || Setup { config, farewell, ..Setup::default() }
}

fn the_one_too_many_is_told_and_closed<E: TestEngine>() {
    let limits = Limits { connections: 3, ..Limits::default() };
    serve_with::<E>(with(limits, b"503 full"), echo, |server| {
        let mut clients: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
        for client in &mut clients {
            ask(client, b"x", 1);
        }
        for round in 1..50 {
            let mut refused = server.connect();
            // A request that is still coming in must not destroy the answer.
            assert_eq!(ask(&mut refused, b"GET /", 8), b"503 full");
            assert_eq!(refused.read(&mut [0; 1]).unwrap(), 0);
            assert_eq!(server.counters.refused_full.get(), round);
        }
        for client in &mut clients {
            ask(client, b"y", 1);
        }
        drop(clients.pop());
        assert_eq!(server.next_end(), End::Closed);
        ask(&mut server.connect(), b"x", 1);
        assert_eq!(server.counters.accepted.get(), 4);
    });
}

fn the_longest_idle_makes_way<E: TestEngine>() {
    let limits = Limits { connections: 3, evict_idle: true, ..Limits::default() };
    serve_with::<E>(with(limits, b"full"), echo, |server| {
        let mut clients: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
        for index in [2, 0, 1, 2] {
            ask(&mut clients[index], b"x", 1);
        }
        // The order of rest is 0, 1, 2 now.
        let mut new = server.connect();
        ask(&mut new, b"x", 1);
        assert_eq!(server.next_end(), End::Evicted);
        assert_eq!(clients[0].read(&mut [0; 1]).unwrap(), 0);
        ask(&mut clients[1], b"x", 1);
        let mut newer = server.connect();
        ask(&mut newer, b"x", 1);
        assert_eq!(clients[2].read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(server.counters.evicted.get(), 2);
        // Of these three, none that has not answered yet is idle.
        for client in [&mut clients[1], &mut new, &mut newer] {
            ask(client, b"x", 1);
        }
        let busy: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
        until("all evicted", || server.counters.evicted.get() == 5);
        assert_eq!(server.connect().read(&mut [0; 4]).unwrap(), 4);
        drop(busy);
    });
}

fn one_client_has_only_so_many<E: TestEngine>() {
    let limits = Limits { connections_per_client: 2, ..Limits::default() };
    serve_with::<E>(with(limits, b"429"), echo, |server| {
        let mut clients: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
        for client in &mut clients {
            ask(client, b"x", 1);
        }
        let mut refused = server.connect();
        assert_eq!(ask(&mut refused, b"x", 3), b"429");
        assert_eq!(server.counters.refused_client.get(), 1);
        // Another address on the same machine is another client.
        let other = rustix_bound("127.0.0.2:0", server.address());
        assert_eq!(ask(&mut { other }, b"x", 1), b"x");
        drop(clients);
        until("gone", || server.counters.connections.get() == 0);
        assert_eq!(ask(&mut client(server.address()), b"x", 1), b"x");
    });
}

/// A client that connects from a given address.
fn rustix_bound(from: &str, to: std::net::SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &from.parse::<std::net::SocketAddr>().unwrap()).unwrap();
    connect(&socket, &to).unwrap();
    socket.into()
}

/// Whoever shares a listening socket can shut it down for all. It was then asked again at once for ever.
fn a_listener_that_was_shut_down_is_let_rest<E: TestEngine>() {
    let (share, shared) = std::sync::mpsc::channel();
    let setup = move || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        share.send(socket.try_clone().unwrap()).unwrap();
        let listeners = vec![Listener::from_fd(socket.into()).unwrap()];
        Setup { listeners, ..Setup::default() }
    };
    serve_with::<E>(setup, echo, move |server| {
        let mut client = server.connect();
        ask(&mut client, b"x", 1);
        let shared = shared.recv().unwrap();
        rustix::net::shutdown(&shared, rustix::net::Shutdown::Both).unwrap();
        until("accepting rests, and is tried again", || server.counters.accept_failures.get() >= 3);
        ask(&mut client, b"y", 1);
    });
}

fn listeners_of_two_shards_share_a_port<E: TestEngine>() {
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let setup = move || {
        let mut first = Listener::tcp("127.0.0.1:0".parse().unwrap(), options).unwrap();
        let second = first.try_clone().unwrap();
        assert_eq!(first.local_addr(), second.local_addr());
        Setup { listeners: vec![first, second], ..Setup::default() }
    };
    serve_with::<E>(setup, echo, |server| {
        for _ in 0..40 {
            ask(&mut server.connect(), b"x", 1);
        }
        let error = Listener::tcp(server.address(), ListenOptions::default()).unwrap_err();
        assert!(error.to_string().contains("another process listens"), "{error}");
    });
}

/// Who sent as fast as was read had all turns: with epoll, reading went on for as long as there was more.
#[test]
fn who_sends_without_end_lets_others_have_their_turn() {
    let limits = Limits { held_bytes: 100, ..Limits::default() };
    let (ids, opened) = std::sync::mpsc::channel();
    let (calls, called) = std::sync::mpsc::channel();
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Open => {
            ids.send(cx.id).unwrap();
            Step::wait(0)
        }
        On::Data(rx) => {
            calls.send((cx.now, rx.len())).unwrap();
            Step::read(rx.len())
        }
        _ => Step::read(0),
    };
    serve_with::<sock::Epoll<Conn>>(with(limits, b""), script, |server| {
        let mut client = server.connect();
        let id = opened.recv_timeout(PATIENCE).unwrap();
        // All of it is there before any of it is read.
        client.write_all(&[b'x'; 50_000]).unwrap();
        server.control().wake(id);
        let mut in_turn = std::collections::BTreeMap::<_, u32>::new();
        let mut left = 50_000;
        while left > 0 {
            let (now, length) = called.recv_timeout(PATIENCE).unwrap();
            *in_turn.entry(now).or_default() += 1;
            left -= length;
        }
        let most = in_turn.values().copied().max().unwrap();
        // Within what is one turn here it may be let go on by the wake, from the queue and by an event.
        assert!(most <= 3 * 16, "{most} calls in one turn");
    });
}
