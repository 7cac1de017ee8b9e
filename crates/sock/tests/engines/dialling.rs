//! Connections that the handler has opened: to other servers and to its own, each way of failing, the
//! limits, and what comes after: wakes, timers, ends, draining.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::{Dial, DialError, End, Peer, Remote, Role, Step};
use base::{ConnId, Limits};
use rustix::net::{AddressFamily, SocketType, sockopt};
use sock::Config;

use crate::harness::{
    Conn, On, PATIENCE, Server, Setup, TestEngine, echo, on_both_engines, serve, serve_with, until,
};

on_both_engines! {
    a_line_goes_out_and_its_answer_comes_back
    an_engine_can_dial_its_own_listener
    it_goes_out_from_the_address_that_was_given
    nobody_listens
    nobody_answers
    the_local_end_is_taken
    the_local_address_is_somebody_elses
    there_is_no_way_there
    the_limit_is_kept_and_a_place_that_is_free_again_is_used
    one_that_resets_at_once_is_told_of_once
    wakes_and_timers_reach_opened_connections
    the_time_to_connect_is_over_once_it_is_open
    a_drain_gives_up_what_is_being_opened
    many_at_once_are_all_opened
    unix_sockets_are_opened_too
}

fn to(address: SocketAddr, number: u64) -> Dial<Conn> {
    Dial::new(address, [number, 0])
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// No listeners: a pure client.
fn client() -> Setup {
    Setup { listeners: Vec::new(), ..Setup::default() }
}

/// Does nothing but rest.
fn rest(_: On<'_>, _: &mut app::Cx<'_, Conn>) -> Step {
    Step::idle(0)
}

fn a_line_goes_out_and_its_answer_comes_back<E: TestEngine>() {
    let (said, answers) = channel();
    let script = move |on: On<'_>, cx: &mut app::Cx<'_, Conn>| {
        assert_eq!(cx.origin.role, Role::Opened);
        let Peer::Inet(peer) = cx.origin.peer else { panic!("{:?}", cx.origin) };
        match on {
            On::Open => {
                cx.out.put(format!("I am {}\n", cx.conn[0]).as_bytes()).unwrap();
                Step::read(0)
            }
            On::Data(rx) if cx.input_ended => {
                said.send((cx.conn[0], peer, rx.to_vec())).unwrap();
                Step::close()
            }
            _ => Step::read(0),
        }
    };
    serve_with::<E>(client, script, |server| {
        let (listener, address) = listen();
        for number in [7, 8] {
            server.dial(to(address, number));
            let mut stream = accept(&listener);
            let mut line = [0; 7];
            stream.read_exact(&mut line).unwrap();
            assert_eq!(&line, format!("I am {number}\n").as_bytes());
            stream.write_all(b"hello").unwrap();
            drop(stream);
            let answer = answers.recv_timeout(PATIENCE).unwrap();
            assert_eq!(answer, (number, address, b"hello".to_vec()));
            assert_eq!(server.next_end(), End::Closed);
        }
        assert_eq!((server.counters.opened.get(), server.counters.accepted.get()), (2, 0));
    });
}

fn an_engine_can_dial_its_own_listener<E: TestEngine>() {
    let (heard, echoes) = channel();
    let script = move |on: On<'_>, cx: &mut app::Cx<'_, Conn>| match (on, cx.origin.role) {
        (On::Open, Role::Opened) => {
            cx.out.put(b"to myself").unwrap();
            Step::read(0)
        }
        (On::Data(b"to myself"), Role::Opened) => {
            heard.send(()).unwrap();
            Step::close()
        }
        (_, Role::Opened) => Step::read(0),
        (on, Role::Accepted { .. }) => echo(on, cx),
    };
    serve::<E>(script, |server| {
        for number in 0..20 {
            server.dial(to(server.address(), number));
        }
        for _ in 0..20 {
            echoes.recv_timeout(PATIENCE).unwrap();
        }
        for _ in 0..40 {
            assert_eq!(server.next_end(), End::Closed);
        }
        assert_eq!((server.counters.opened.get(), server.counters.accepted.get()), (20, 20));
    });
}

fn it_goes_out_from_the_address_that_was_given<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let (listener, address) = listen();
        let (free, from) = listen();
        drop(free);
        // Without a port, with one, and with a port only.
        for from in ["127.0.0.2:0".parse().unwrap(), from, "0.0.0.0:0".parse().unwrap()] {
            server.dial(to(address, 1).from(from));
            let peer = accept(&listener).peer_addr().unwrap();
            assert!(from.ip() == peer.ip() || from.ip() == Ipv4Addr::UNSPECIFIED, "{peer}");
            assert!(from.port() == peer.port() || from.port() == 0, "{peer}");
            assert_eq!(server.next_end(), End::Closed);
        }
    });
}

fn nobody_listens<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let (gone, address) = listen();
        drop(gone);
        server.dial(to(address, 5));
        assert_eq!(server.next_undialled(), (5, DialError::Refused));
        assert_eq!(server.counters.undialled.get(), 1);
        assert_eq!(server.counters.connections.get(), 0);
    });
}

/// A listener whose queue is full drops further SYNs.
fn full_listener() -> (std::os::fd::OwnedFd, SocketAddr, Vec<TcpStream>) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    (socket, address, waiting)
}

fn nobody_answers<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let full = full_listener();
        let start = std::time::Instant::now();
        server.dial(to(full.1, 6).within(Duration::from_millis(150)));
        assert_eq!(server.next_undialled(), (6, DialError::TimedOut));
        assert!(start.elapsed() >= Duration::from_millis(150));
        assert_eq!(server.counters.connections.get(), 0);
    });
}

fn the_local_end_is_taken<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let (listener, address) = listen();
        let (other, taken) = listen();
        let (free, from) = listen();
        drop(free);
        // By a listener.
        server.dial(to(address, 1).from(taken));
        assert_eq!(server.next_undialled(), (1, DialError::InUse));
        // By a connection to the same peer; a connection to another one may share it.
        server.dial(to(address, 2).from(from));
        let first = accept(&listener);
        server.dial(to(address, 3).from(from));
        assert_eq!(server.next_undialled(), (3, DialError::InUse));
        server.dial(to(taken, 4).from(from));
        assert_eq!(accept(&other).peer_addr().unwrap(), first.peer_addr().unwrap());
    });
}

fn the_local_address_is_somebody_elses<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let (_listener, address) = listen();
        for (number, from) in [(1, "192.0.2.1:0"), (2, "192.0.2.1:7"), (3, "[::1]:0")] {
            server.dial(to(address, number).from(from.parse().unwrap()));
            assert_eq!(server.next_undialled(), (number, DialError::LocalAddress), "{from}");
        }
    });
}

fn there_is_no_way_there<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        // Loopback's broadcast address, which no connection leads to.
        server.dial(to("127.255.255.255:9".parse().unwrap(), 1));
        assert_eq!(server.next_undialled(), (1, DialError::Unreachable));
    });
}

fn the_limit_is_kept_and_a_place_that_is_free_again_is_used<E: TestEngine>() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    serve_with::<E>(
        || Setup { config, ..client() },
        rest,
        |server| {
            let (listener, address) = listen();
            server.dial(to(address, 1));
            server.dial(to(address, 2));
            let (first, _second) = (accept(&listener), accept(&listener));
            server.dial(to(address, 3));
            assert_eq!(server.next_undialled(), (3, DialError::Full));
            drop(first);
            assert_eq!(server.next_end(), End::Closed);
            server.dial(to(address, 4));
            accept(&listener);
            assert_eq!(server.next_end(), End::Closed);
        },
    );
}

/// The reset may come before the engine has looked, or after: that is open, then the end.
fn one_that_resets_at_once_is_told_of_once<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let (listener, address) = listen();
        for number in 0..20 {
            server.dial(to(address, number));
            let stream = accept(&listener);
            sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            drop(stream);
        }
        let told = || server.counters.undialled.get() + server.counters.reset.get();
        until("all reset", || told() == 20);
        let undialled = server.undialled.try_iter().map(|(_, why)| why);
        assert!(undialled.into_iter().all(|why| why == DialError::Reset));
        assert!(server.ends.try_iter().all(|why| why == End::Reset));
    });
}

/// Keeps the connection that opened last where the test finds it.
fn note(ids: &Arc<Mutex<Vec<ConnId>>>, id: ConnId) {
    ids.lock().unwrap().push(id);
}

fn wakes_and_timers_reach_opened_connections<E: TestEngine>() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let noted = ids.clone();
    let script = move |on: On<'_>, cx: &mut app::Cx<'_, Conn>| match on {
        On::Open => {
            note(&noted, cx.id);
            Step::idle(0).within(Duration::from_millis(50))
        }
        On::Timer => {
            cx.out.put(b"tick").unwrap();
            Step::idle(0)
        }
        On::Wake => {
            cx.out.put(b"woken").unwrap();
            Step::idle(0)
        }
        _ => Step::close(),
    };
    serve_with::<E>(client, script, |server| {
        let (listener, address) = listen();
        server.dial(to(address, 1));
        let mut stream = accept(&listener);
        let mut heard = [0; 9];
        stream.read_exact(&mut heard[..4]).unwrap();
        server.control().wake(ids.lock().unwrap()[0]);
        stream.read_exact(&mut heard[4..]).unwrap();
        assert_eq!(&heard, b"tickwoken");
    });
}

fn the_time_to_connect_is_over_once_it_is_open<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let (listener, address) = listen();
        server.dial(to(address, 1).within(Duration::from_millis(30)));
        let stream = accept(&listener);
        std::thread::sleep(Duration::from_millis(100));
        until("open", || server.counters.opened.get() == 1);
        assert!(server.undialled.try_recv().is_err() && server.ends.try_recv().is_err());
        drop(stream);
        assert_eq!(server.next_end(), End::Closed);
    });
}

fn a_drain_gives_up_what_is_being_opened<E: TestEngine>() {
    serve_with::<E>(client, rest, |server| {
        let full = full_listener();
        let (listener, address) = listen();
        server.dial(to(address, 1));
        let mut idle = accept(&listener);
        server.dial(to(full.1, 2));
        until("both begun", || server.counters.connections.get() == 2);
        server.control().drain();
        assert_eq!(server.next_undialled(), (2, DialError::Shutdown));
        assert_eq!(server.next_end(), End::Closed);
        assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
        // Nobody is asked any more.
        server.dial(to(address, 3));
        until("gone", || server.counters.connections.get() == 0);
        assert!(server.undialled.try_recv().is_err());
    });
}

/// Sends back what it reads, on a thread of its own for each of `count` connections.
fn answer(listener: TcpListener, count: usize, done: Sender<()>) {
    std::thread::spawn(move || {
        let mut streams: Vec<TcpStream> = (0..count).map(|_| accept(&listener)).collect();
        for stream in &mut streams {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).unwrap();
            stream.write_all(&byte).unwrap();
        }
        done.send(()).unwrap();
    });
}

fn many_at_once_are_all_opened<E: TestEngine>() {
    const COUNT: usize = 500;
    let script = |on: On<'_>, cx: &mut app::Cx<'_, Conn>| match on {
        On::Open => {
            cx.out.put(b"x").unwrap();
            Step::read(0)
        }
        On::Data(b"x") => Step::close(),
        _ => Step::read(0),
    };
    serve_with::<E>(client, script, |server: &Server| {
        let (listener, address) = listen();
        let (done, all) = channel();
        answer(listener, COUNT, done);
        for number in 0..COUNT {
            server.dial(to(address, number as u64));
        }
        all.recv_timeout(PATIENCE).unwrap();
        for _ in 0..COUNT {
            assert_eq!(server.next_end(), End::Closed);
        }
        assert_eq!(server.counters.opened.get(), COUNT as u64);
    });
}

fn unix_sockets_are_opened_too<E: TestEngine>() {
    let path = std::env::temp_dir().join(format!("crore-dial-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let remote = Remote::Unix(path.as_os_str().as_encoded_bytes().into());
    let script = |on: On<'_>, cx: &mut app::Cx<'_, Conn>| match on {
        On::Open => {
            assert_eq!(cx.origin, app::Origin { peer: Peer::Unix, role: Role::Opened });
            cx.out.put(b"hello").unwrap();
            Step::close()
        }
        _ => Step::read(0),
    };
    serve_with::<E>(client, script, |server| {
        server.dial(Dial::new(remote.clone(), [1, 0]));
        assert_eq!(server.next_undialled(), (1, DialError::Refused));
        let listener = UnixListener::bind(&path).unwrap();
        server.dial(Dial::new(remote.clone(), [2, 0]));
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
        drop(stream);
        assert_eq!(server.next_end(), End::Closed);
        server.dial(Dial::new(Remote::Unix([b'x'; 200].into()), [3, 0]));
        assert_eq!(server.next_undialled(), (3, DialError::Unsupported));
    });
    std::fs::remove_file(&path).unwrap();
}
