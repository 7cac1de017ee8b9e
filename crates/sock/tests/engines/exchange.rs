//! Bytes in, bytes out: partial reads and writes, held bytes, half-close, wakes, timers, drain.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use app::{Cx, End, Peer, Role, Step};
use sock::{Config, ListenOptions, Listener};

use crate::harness::{
    Conn, On, Setup, TestEngine, ask, client, echo, finish, on_both_engines, serve, serve_with,
    until,
};

on_both_engines! {
    echoes_every_byte_whatever_the_buffers
    offers_held_bytes_again_only_with_more
    offers_held_bytes_again_at_once_after_other_calls
    reads_nothing_while_waiting
    tells_of_the_end_of_input_once
    input_may_end_with_the_first_bytes
    a_wake_from_another_thread_arrives
    a_stale_wake_is_dropped
    timers_run_out_are_put_off_and_stop
    a_stopped_timer_does_not_run_out
    drain_closes_the_idle_and_asks_the_others
    shutdown_ends_everyone
    many_connections_at_once
    serves_ipv6_and_unix_sockets_side_by_side
}

fn echoes_every_byte_whatever_the_buffers<E: TestEngine>() {
    let small = || Setup {
        config: Config { read_buffer: 1_000, write_buffer: 700, ..Config::default() },
        ..Setup::default()
    };
    serve_with::<E>(small, echo, |server| {
        let mut client = server.connect();
        let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut writer = client.try_clone().unwrap();
        let to_send = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&to_send).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
        assert_eq!(server.next_end(), End::Closed);
        assert_eq!(server.counters.bytes_in.get(), sent.len() as u64);
        assert_eq!(server.counters.bytes_out.get(), sent.len() as u64);
    });
}

fn offers_held_bytes_again_only_with_more<E: TestEngine>() {
    // Answers with what it was offered, and is done with it only once a newline is there.
    let lines = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) => {
            cx.out.put(format!("<{}>", String::from_utf8_lossy(rx)).as_bytes()).unwrap();
            Step::read(if rx.ends_with(b"\n") { rx.len() } else { 0 })
        }
        _ => Step::read(0),
    };
    serve::<E>(lines, |server| {
        let mut client = server.connect();
        assert_eq!(ask(&mut client, b"a", 3), b"<a>");
        assert_eq!(ask(&mut client, b"b", 4), b"<ab>");
        assert_eq!(ask(&mut client, b"\n", 5), b"<ab\n>");
        assert_eq!(ask(&mut client, b"c", 3), b"<c>");
        assert_eq!(finish(&mut client), b"<c>");
    });
}

fn offers_held_bytes_again_at_once_after_other_calls<E: TestEngine>() {
    // Takes one byte at a time, asking for room after each.
    let one_by_one = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data([]) => Step::close(),
        On::Data(rx) => {
            cx.out.put(&[rx[0], b'.']).unwrap();
            Step::write(1)
        }
        _ => Step::idle(0),
    };
    serve::<E>(one_by_one, |server| {
        let mut client = server.connect();
        assert_eq!(ask(&mut client, b"pipelined", 18), b"p.i.p.e.l.i.n.e.d.");
        assert_eq!(ask(&mut client, b"x", 2), b"x.");
        client.write_all(b"yz").unwrap();
        assert_eq!(finish(&mut client), b"y.z.");
        assert_eq!(server.next_end(), End::Closed);
    });
}

fn reads_nothing_while_waiting<E: TestEngine>() {
    let (ids, ids_rx) = channel();
    let wait = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) if rx.starts_with(b"wait") => {
            ids.send(cx.id).unwrap();
            Step::wait(4)
        }
        On::Data(rx) => {
            cx.conn[0] += rx.len() as u64;
            if cx.input_ended {
                cx.out.put(&cx.conn[0].to_be_bytes()).unwrap();
                return Step::close();
            }
            Step::read(rx.len())
        }
        _ => Step::read(0),
    };
    serve::<E>(wait, |server| {
        let mut client = server.connect();
        client.write_all(b"wait").unwrap();
        let id = ids_rx.recv().unwrap();
        until("counted", || server.counters.memory.get() > 0);
        let memory_before = server.counters.memory.get();
        // More than the kernel's buffers take: as long as nobody reads, not all of it leaves.
        let mut writer = client.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(&vec![7; 40_000_000]).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!writing.is_finished(), "the server took everything");
        assert!(server.counters.memory.get() < memory_before + 1_000_000);
        server.control().wake(id);
        let mut count = [0; 8];
        client.read_exact(&mut count).unwrap();
        assert_eq!(u64::from_be_bytes(count), 40_000_000);
        writing.join().unwrap();
    });
}

fn tells_of_the_end_of_input_once<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) if !cx.input_ended => Step::read(rx.len() - 1),
        On::Data(rx) => {
            cx.conn[0] += 1;
            assert_eq!((cx.conn[0], rx), (1, &b"c"[..]));
            cx.out.put(b"end").unwrap();
            // Asking for more after the end closes.
            Step::read(0)
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"abc").unwrap();
        until("received", || server.counters.bytes_in.get() == 3);
        assert_eq!(finish(&mut client), b"end");
        assert_eq!(server.next_end(), End::Closed);
    });
}

fn input_may_end_with_the_first_bytes<E: TestEngine>() {
    serve::<E>(echo, |server| {
        for _ in 0..50 {
            let mut client = server.connect();
            client.write_all(b"short").unwrap();
            assert_eq!(finish(&mut client), b"short");
            assert_eq!(server.next_end(), End::Closed);
        }
    });
}

fn a_wake_from_another_thread_arrives<E: TestEngine>() {
    let (ids, ids_rx) = channel();
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) => {
            ids.send(cx.id).unwrap();
            Step::wait(rx.len())
        }
        On::Wake => {
            cx.out.put(b"awake").unwrap();
            Step::idle(0)
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let control = server.control();
        let waking = std::thread::spawn(move || {
            while let Ok(id) = ids_rx.recv() {
                control.wake(id);
            }
        });
        let mut clients: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
        for _ in 0..20 {
            for client in &mut clients {
                assert_eq!(ask(client, b"?", 5), b"awake");
            }
        }
        drop(clients);
        drop(waking);
    });
}

fn a_stale_wake_is_dropped<E: TestEngine>() {
    let (ids, ids_rx) = channel();
    let script = move |on: On<'_>, cx: &mut Cx<'_, Conn>| {
        match on {
            On::Open => ids.send(cx.id).unwrap(),
            On::Wake => panic!("woken"),
            _ => {}
        }
        echo(on, cx)
    };
    serve::<E>(script, |server| {
        drop(server.connect());
        let id = ids_rx.recv().unwrap();
        server.next_end();
        server.control().wake(id);
        // The next one takes over the slot.
        let mut client = server.connect();
        server.control().wake(id);
        assert_eq!(ask(&mut client, b"x", 1), b"x");
        assert_ne!(ids_rx.recv().unwrap(), id);
    });
}

fn timers_run_out_are_put_off_and_stop<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Open => Step::read(0).within(Duration::from_millis(5)),
        On::Timer => {
            cx.out.put(b"t").unwrap();
            Step::read(0)
        }
        On::Data(b"again") => Step::read(5).within(Duration::from_millis(1)),
        On::Data(b"later") => Step::read(5).within(Duration::from_secs(3_600)),
        On::Data(rx) => {
            cx.out.put(rx).unwrap();
            Step::idle(rx.len()).untimed()
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        assert_eq!(ask(&mut client, b"", 1), b"t");
        assert_eq!(ask(&mut client, b"again", 1), b"t");
        client.write_all(b"later").unwrap();
        assert_eq!(ask(&mut client, b"stop", 4), b"stop");
    });
}

fn a_stopped_timer_does_not_run_out<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Open => Step::read(0).within(Duration::from_millis(500)),
        On::Timer => Step::abort(),
        on => echo(on, cx).untimed(),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        ask(&mut client, b"x", 1);
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(ask(&mut client, b"y", 1), b"y");
    });
}

fn drain_closes_the_idle_and_asks_the_others<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(b"idle") => {
            cx.out.put(b"ok").unwrap();
            Step::idle(4)
        }
        On::Data(b"busy") => {
            cx.out.put(b"ok").unwrap();
            Step::wait(4)
        }
        On::Drain => {
            cx.out.put(b"bye").unwrap();
            Step::close()
        }
        On::Data(rx) => Step::read(rx.len()),
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let (mut idle, mut busy) = (server.connect(), server.connect());
        ask(&mut idle, b"idle", 2);
        ask(&mut busy, b"busy", 2);
        server.control().drain();
        let (mut of_idle, mut of_busy) = (Vec::new(), Vec::new());
        idle.read_to_end(&mut of_idle).unwrap();
        busy.read_to_end(&mut of_busy).unwrap();
        assert_eq!((&of_idle[..], &of_busy[..]), (&b""[..], &b"bye"[..]));
        assert_eq!((server.next_end(), server.next_end()), (End::Closed, End::Closed));
        until("refused", || TcpStream::connect(server.address()).is_err());
    });
}

fn shutdown_ends_everyone<E: TestEngine>() {
    serve::<E>(echo, |server| {
        let mut clients: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
        for client in &mut clients {
            ask(client, b"x", 1);
        }
        server.control().shut_down();
        for mut client in clients {
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            assert_eq!(server.next_end(), End::Shutdown);
        }
    });
}

fn many_connections_at_once<E: TestEngine>() {
    serve::<E>(echo, |server| {
        let mut clients: Vec<TcpStream> = (0..1_500).map(|_| server.connect()).collect();
        for round in 0..3u32 {
            for (index, client) in clients.iter_mut().enumerate() {
                client.write_all(&(index as u32 * 7 + round).to_be_bytes()).unwrap();
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let mut answer = [0; 4];
                client.read_exact(&mut answer).unwrap();
                assert_eq!(u32::from_be_bytes(answer), index as u32 * 7 + round);
            }
        }
        assert_eq!(server.counters.connections.get(), 1_500);
        drop(clients);
        until("all gone", || server.counters.connections.get() == 0);
        assert_eq!(server.counters.accepted.get(), 1_500);
    });
}

fn serves_ipv6_and_unix_sockets_side_by_side<E: TestEngine>() {
    let folder = std::env::temp_dir().join(format!("crore-sock-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("side-{}.socket", std::any::type_name::<E>().len()));
    let listening = path.clone();
    let setup = move || {
        let v4 = Listener::tcp("0.0.0.0:0".parse().unwrap(), ListenOptions::default()).unwrap();
        let sock::LocalAddress::Inet(address) = v4.local_addr() else { panic!() };
        let port = address.port();
        let v6 = format!("[::]:{port}").parse().unwrap();
        let v6 = Listener::tcp(v6, ListenOptions::default()).unwrap();
        let unix = Listener::unix(&listening).unwrap();
        Setup { listeners: vec![v4, v6, unix], ..Setup::default() }
    };
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) => {
            let kind = match cx.origin.peer {
                Peer::Inet(peer) if peer.is_ipv4() => b'4',
                Peer::Inet(_) => b'6',
                Peer::Unix => b'u',
            };
            let Role::Accepted { listener } = cx.origin.role else { panic!() };
            cx.out.put(&[kind, b'0' + listener as u8]).unwrap();
            Step::idle(rx.len())
        }
        _ => Step::read(0),
    };
    serve_with::<E>(setup, script, |server| {
        let port = server.address().port();
        let mut v4 = client(format!("127.0.0.1:{port}").parse().unwrap());
        let mut v6 = client(format!("[::1]:{port}").parse().unwrap());
        let mut unix = UnixStream::connect(&path).unwrap();
        assert_eq!(ask(&mut v4, b"?", 2), b"40");
        assert_eq!(ask(&mut v6, b"?", 2), b"61");
        assert_eq!(ask(&mut unix, b"?", 2), b"u2");
        assert!(Listener::unix(&path).is_err(), "somebody listens there");
    });
    assert!(!path.exists(), "the socket's file is left behind");
    let _ = std::fs::remove_dir(&folder);
}
