//! How connections end, from either side.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

use app::{Cx, End, Step};
use base::Limits;
use sock::Config;

use crate::harness::{
    Conn, On, Setup, TestEngine, ask, descriptors, echo, on_both_engines, serve, serve_with, until,
};

on_both_engines! {
    abort_resets
    a_reset_while_reading_is_noticed
    a_reset_while_waiting_is_noticed
    a_reset_while_output_stalls_is_noticed
    a_peer_that_still_sends_gets_the_answer
    a_peer_that_never_stops_sending_is_cut_off
    a_peer_that_stays_after_the_close_is_let_go
    a_peer_that_is_done_is_not_waited_for
    closing_without_a_word_is_an_end_of_file
    holding_too_much_ends_the_connection
    a_new_connection_each_time
    an_empty_connection_ends
}

fn reset(client: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
}

fn abort_resets<E: TestEngine>() {
    let script = |on: On<'_>, _: &mut Cx<'_, Conn>| match on {
        On::Data(_) => Step::abort(),
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        let error = client.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.next_end(), End::Aborted);
    });
}

fn a_reset_while_reading_is_noticed<E: TestEngine>() {
    serve::<E>(echo, |server| {
        let mut client = server.connect();
        ask(&mut client, b"x", 1);
        reset(client);
        assert_eq!(server.next_end(), End::Reset);
        assert_eq!(server.counters.reset.get(), 1);
    });
}

fn a_reset_while_waiting_is_noticed<E: TestEngine>() {
    let (waits, waits_rx) = channel();
    let script = move |on: On<'_>, _: &mut Cx<'_, Conn>| match on {
        On::Data(_) => {
            waits.send(()).unwrap();
            // Leaves bytes, too: what is held must not hide the end.
            Step::wait(1)
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        client.write_all(b"xyz").unwrap();
        waits_rx.recv().unwrap();
        client.write_all(b"more").unwrap();
        std::thread::sleep(Duration::from_millis(10));
        reset(client);
        assert_eq!(server.next_end(), End::Reset);
    });
}

fn a_reset_while_output_stalls_is_noticed<E: TestEngine>() {
    let endless = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(_) | On::Room => {
            let room = cx.out.room();
            cx.out.advance(room);
            Step::write(1)
        }
        _ => Step::read(0),
    };
    serve::<E>(endless, |server| {
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        reset(client);
        assert_eq!(server.next_end(), End::Reset);
    });
}

/// Answers the first bytes with an error and closes, whatever else is coming.
fn refusing(on: On<'_>, cx: &mut Cx<'_, Conn>) -> Step {
    match on {
        On::Data(_) => {
            cx.out.put(b"413").unwrap();
            Step::close()
        }
        _ => Step::read(0),
    }
}

fn a_peer_that_still_sends_gets_the_answer<E: TestEngine>() {
    serve::<E>(refusing, |server| {
        for _ in 0..20 {
            let mut client = server.connect();
            // In pieces, so that some come after the close.
            for _ in 0..40 {
                client.write_all(&[9; 5_000]).unwrap();
                std::thread::yield_now();
            }
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"413");
            assert_eq!(server.next_end(), End::Closed);
        }
    });
}

fn a_peer_that_never_stops_sending_is_cut_off<E: TestEngine>() {
    serve::<E>(refusing, |server| {
        let mut client = server.connect();
        let mut sent = 0;
        let error = loop {
            match client.write_all(&[9; 100_000]) {
                Ok(()) => sent += 100_000,
                Err(error) => break error,
            }
        };
        assert!(sent < 50_000_000, "it could send {sent} bytes");
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    });
}

fn a_peer_that_stays_after_the_close_is_let_go<E: TestEngine>() {
    serve::<E>(refusing, |server| {
        let mut clients: Vec<TcpStream> = (0..1_100).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(ask(client, b"x", 3), b"413");
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        }
        // Of these, 1,024 linger at once; the oldest was cut off for the next.
        let open = descriptors().len();
        assert!((2_124..2_150).contains(&open), "{open} descriptors");
    });
}

fn a_peer_that_is_done_is_not_waited_for<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(_) => {
            cx.out.put(b"bye").unwrap();
            Step::finish()
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        // By then the server has all that it holds for itself.
        assert_eq!(ask(&mut server.connect(), b"x", 3), b"bye");
        until("let go", || server.counters.connections.get() == 0);
        let before = descriptors().len();
        let mut clients: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(ask(client, b"x", 3), b"bye");
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        }
        // The clients have not closed, and hold a descriptor each; the server holds none.
        until("all let go", || descriptors().len() == before + 100);
    });
}

fn closing_without_a_word_is_an_end_of_file<E: TestEngine>() {
    let script = |on: On<'_>, _: &mut Cx<'_, Conn>| match on {
        On::Open => Step::close(),
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        let mut client = server.connect();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(server.next_end(), End::Closed);
    });
}

fn holding_too_much_ends_the_connection<E: TestEngine>() {
    let setup = || {
        let limits = Limits { held_bytes: 10_000, ..Limits::default() };
        Setup { config: Config { limits, ..Config::default() }, ..Setup::default() }
    };
    let hoard = |on: On<'_>, cx: &mut Cx<'_, Conn>| {
        if let On::Data(rx) = on {
            cx.conn[0] = cx.conn[0].max(rx.len() as u64);
            assert!(cx.conn[0] < 40_000, "held far too much");
        }
        Step::read(0)
    };
    serve_with::<E>(setup, hoard, |server| {
        let mut client = server.connect();
        client.write_all(&[1; 9_999]).unwrap();
        until("all held", || server.counters.bytes_in.get() == 9_999);
        assert!(server.ends.try_recv().is_err());
        until("counted", || server.counters.memory.get() > 9_999);
        client.write_all(&[1; 1]).unwrap();
        assert_eq!(server.next_end(), End::Overflow);
        assert_eq!(server.counters.overflowed.get(), 1);
    });
}

fn a_new_connection_each_time<E: TestEngine>() {
    let script = |on: On<'_>, cx: &mut Cx<'_, Conn>| match on {
        On::Data(rx) => {
            cx.out.put(rx).unwrap();
            Step::close()
        }
        _ => Step::read(0),
    };
    serve::<E>(script, |server| {
        for _ in 0..500 {
            let mut client = server.connect();
            client.write_all(b"once").unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"once");
        }
        until("all ended", || server.counters.connections.get() == 0);
        assert_eq!(server.ends.try_iter().filter(|&end| end == End::Closed).count(), 500);
    });
}

fn an_empty_connection_ends<E: TestEngine>() {
    serve::<E>(echo, |server| {
        let client = server.connect();
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(server.next_end(), End::Closed);
        drop(server.connect());
        assert_eq!(server.next_end(), End::Closed);
    });
}
