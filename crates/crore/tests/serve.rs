//! A server while it serves, on each engine.

mod support;

use std::collections::HashSet;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::thread;

use crore::{ConnId, Cx, Error, Handler, LocalAddress, Net, Peer, Role, Running, Server, Step};
use support::{Folder, PATIENCE, address, connect, eventually, on_each_engine, say, start, unix};

#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        let echoed = cx.out.put_some(rx);
        if echoed < rx.len() { Step::write(echoed) } else { Step::idle(echoed) }
    }
}

fn sum(running: &Running, of: impl Fn(&crore::Counters) -> u64) -> u64 {
    running.shards().iter().map(|shard| of(shard.counters())).sum()
}

#[test]
fn echo_works_over_many_connections_and_shards() {
    on_each_engine(|net| {
        let running = start(net, 3, |_| Echo);
        let mut streams: Vec<TcpStream> = (0..300).map(|_| connect(&running)).collect();
        for round in 0..3 {
            for (number, stream) in streams.iter_mut().enumerate() {
                let text = format!("{number} in round {round}");
                say(stream, text.as_bytes(), text.as_bytes());
            }
        }
        eventually(|| sum(&running, |c| c.accepted.get()) == 300);
        eventually(|| sum(&running, |c| c.connections.get()) == 300);
        eventually(|| sum(&running, |c| c.bytes_in.get()) == sum(&running, |c| c.bytes_out.get()));
        // With 300 connections, none for one shard of three would be a bug, not chance.
        assert!(running.shards().iter().all(|shard| shard.counters().accepted.get() > 0));
    });
}

#[test]
fn more_than_fits_the_output_comes_back_whole() {
    on_each_engine(|net| {
        let running = start(net, 1, |_| Echo);
        let stream = connect(&running);
        let sent: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 251) as u8).collect();
        let expected = sent.clone();
        let mut writer = stream.try_clone().unwrap();
        let writing = thread::spawn(move || std::io::Write::write_all(&mut writer, &sent));
        let mut came = vec![0; expected.len()];
        std::io::Read::read_exact(&mut &stream, &mut came).unwrap();
        writing.join().unwrap().unwrap();
        assert!(came == expected);
    });
}

/// Says which listener a client came through, and whether it is of this machine's Unix sockets.
struct Origin;

impl Handler for Origin {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        let Role::Accepted { listener } = cx.origin.role else { return Step::abort() };
        let kind = match cx.origin.peer {
            Peer::Inet(peer) if peer.is_ipv4() => '4',
            Peer::Inet(_) => '6',
            Peer::Unix => 'u',
        };
        match cx.out.put(format!("{listener}{kind}").as_bytes()) {
            Ok(()) => Step::idle(rx.len()),
            Err(_) => Step::abort(),
        }
    }
}

#[test]
fn all_addresses_are_served_and_told_apart() {
    on_each_engine(|net| {
        let folder = Folder::new("addresses");
        let path = folder.path("service.sock");
        let running = Server::new()
            .listen("127.0.0.1:0")
            .listen(&unix(&path))
            .listen("[::1]:0")
            .net(net)
            .shards(2)
            .start(|_| Origin)
            .unwrap();
        let [v4, LocalAddress::Unix(Some(at)), LocalAddress::Inet(v6)] = running.addresses() else {
            panic!("{:?}", running.addresses())
        };
        assert_eq!((at, v4), (&path, &LocalAddress::Inet(address(&running))));
        for _ in 0..8 {
            say(&mut connect(&running), b"?", b"04");
            say(&mut UnixStream::connect(&path).unwrap(), b"?", b"1u");
            say(&mut TcpStream::connect(v6).unwrap(), b"?", b"26");
        }
        drop(running);
        assert!(!path.exists(), "the socket's file goes with the server");
    });
}

/// Tells the test every connection's identifier, and greets whoever is woken.
struct Sleeper(Sender<ConnId>);

impl Handler for Sleeper {
    type Conn = ();

    fn open(&mut self, cx: &mut Cx<'_, ()>) -> Step {
        self.0.send(cx.id).unwrap();
        Step::idle(0)
    }

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        Step::idle(rx.len())
    }

    fn wake(&mut self, cx: &mut Cx<'_, ()>) -> Step {
        match cx.out.put(b"good morning") {
            Ok(()) => Step::idle(0),
            Err(_) => Step::abort(),
        }
    }
}

#[test]
fn a_wake_from_another_thread_reaches_its_connection_and_no_other() {
    on_each_engine(|net| {
        let (sender, ids) = mpsc::channel();
        let running = start(net, 3, move |_| Sleeper(sender.clone()));
        let mut streams = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..30 {
            streams.push(connect(&running));
            let id = ids.recv_timeout(PATIENCE).unwrap();
            assert!(seen.insert(id));
            let wake = running.wake();
            thread::spawn(move || wake.wake(id)).join().unwrap();
            // The one that was opened last is woken, the others stay asleep.
            let last = streams.last_mut().unwrap();
            say(last, b"", b"good morning");
        }
        assert_eq!(sum(&running, |c| c.wakes.get()), 30);
        eventually(|| sum(&running, |c| c.bytes_out.get()) == 30 * 12);
    });
}

#[test]
fn two_servers_in_one_process_name_their_connections_apart() {
    let (sender, ids) = mpsc::channel();
    let other = sender.clone();
    let first = start(Net::Epoll, 2, move |_| Sleeper(sender.clone()));
    let second = start(Net::Epoll, 2, move |_| Sleeper(other.clone()));
    let _streams: Vec<_> = [&first, &second].into_iter().map(connect).collect();
    let a = ids.recv_timeout(PATIENCE).unwrap();
    let b = ids.recv_timeout(PATIENCE).unwrap();
    assert_ne!(a.shard(), b.shard());
}

#[test]
fn a_full_server_refuses_and_goes_on() {
    on_each_engine(|net| {
        let server = Server::new().listen("127.0.0.1:0").net(net).shards(1).max_connections(3);
        let running = server.start(|_| Echo).unwrap();
        let mut held: Vec<_> = (0..3).map(|_| connect(&running)).collect();
        held.iter_mut().for_each(|stream| say(stream, b"held", b"held"));
        let refused = std::io::Read::read(&mut connect(&running), &mut [0]);
        assert!(matches!(refused, Ok(0) | Err(_)), "{refused:?}");
        held.iter_mut().for_each(|stream| say(stream, b"still", b"still"));
        eventually(|| sum(&running, |c| c.refused_full.get()) == 1);
    });
}

#[test]
fn an_address_in_use_is_named_with_what_to_do() {
    let first = start(Net::Epoll, 2, |_| Echo);
    let taken = address(&first).to_string();
    for shards in [1, 2] {
        let error = Server::new().listen(&taken).shards(shards).start(|_| Echo).unwrap_err();
        assert!(matches!(error, Error::Listen(_)));
        let text = format!("{error:?}");
        assert!(text.contains(&taken) && text.contains("another"), "{text}");
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    let error = |server: Server| server.start(|_| Echo).unwrap_err();
    assert!(matches!(error(Server::new()), Error::NoAddress));
    assert!(matches!(error(Server::new().listen("localhost:80")), Error::Address(_)));
    let elsewhere = error(Server::new().listen("192.0.2.1:0")).to_string();
    assert!(elsewhere.contains("no such address"), "{elsewhere}");
}
