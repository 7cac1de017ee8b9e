//! The kernel's client in every state of a connection: closed windows, keep-alive, halves that are
//! closed, resets, ports used again, holes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::netns::{CLIENT, INTERFACE};
use rig::tree::pattern;
use socket2::{SockRef, TcpKeepalive};

use super::services::{FAREWELL, Service};
use super::transfer::{arrives, down};
use super::{Link, PATIENCE, Stage};

const LINKS: [Link; 2] = [Link::Xdp, Link::Tap];

/// More than both ends buffer.
const MUCH: usize = 6 << 20;

/// What `ss` on the client's host says of connections to a service.
fn ss(stage: &Stage, service: Service) -> Outcome<String> {
    stage.network.client(&format!("ss -tinoH dport = :{}", service.port()))
}

/// Waits until `ss` says something.
fn shows(stage: &Stage, service: Service, what: &str) -> Outcome {
    let start = Instant::now();
    while !ss(stage, service)?.contains(what) {
        if start.elapsed() > PATIENCE {
            return Err(format!("no {what}: {}", ss(stage, service)?).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
#[ignore = "needs root, nft: cargo xtask heavy"]
fn a_window_that_opened_unheard_is_found_by_probing() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        let small = |socket: &socket2::Socket| Ok(socket.set_recv_buffer_size(16 << 10)?);
        let mut reader = stage.connect_with(stage.v4(), Service::Source, small)?;
        reader.write_all(&(1_u64 << 20).to_le_bytes())?;
        let start = Instant::now();
        while stage.counted("TcpExtTCPToZeroWindowAdv")? == 0 {
            assert!(start.elapsed() < PATIENCE, "{link:?}: the window never closed");
            thread::sleep(Duration::from_millis(20));
        }
        // Nothing that the client says of its window gets through while it reads what there is.
        stage.filter(&[("out", "tcp dport 7002 counter drop")])?;
        let mut got = vec![0; 4096];
        reader.set_read_timeout(Some(Duration::from_millis(300)))?;
        let mut read = 0;
        while let Ok(count @ 1..) = reader.read(&mut got[..]) {
            assert!(got[..count] == pattern(read + count)[read..], "{link:?}");
            read += count;
        }
        stage.unfilter()?;
        reader.set_read_timeout(Some(PATIENCE))?;
        let mut rest = vec![0; (1 << 20) - read];
        reader.read_exact(&mut rest)?;
        assert!(rest == pattern(1 << 20)[read..], "{link:?}");
        drop(reader);
        stage.comes_to_rest()?;
    }
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_client_probes_our_closed_window_and_goes_on() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        // One end that reads nothing for a while by itself, one because nothing is read of its echo.
        for service in [Service::Pause, Service::Echo] {
            let stream = stage.connect(stage.v4(), service)?;
            let mut sending = stream.try_clone()?;
            let sender = thread::spawn(move || sending.write_all(&pattern(MUCH)));
            shows(&stage, service, "timer:(persist").map_err(|e| format!("{link:?} {e}"))?;
            arrives(&mut { stream }, MUCH).map_err(|e| format!("{link:?} {service:?} {e}"))?;
            sender.join().map_err(|_| "it panicked")??;
        }
        stage.comes_to_rest()?;
    }
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn keep_alive_probes_are_answered() -> Outcome {
    let second = Duration::from_secs(1);
    let often = TcpKeepalive::new().with_time(second).with_interval(second);
    let mut stages = Vec::new();
    for link in LINKS {
        let stage = Stage::new(link)?;
        stage.network.client("sysctl -qw net.ipv4.tcp_keepalive_probes=1")?;
        let mut quiet = Vec::new();
        for host in link.addresses() {
            quiet.push(stage.connect_with(host, Service::Echo, |socket| {
                Ok(socket.set_tcp_keepalive(&often)?)
            })?);
        }
        stages.push((stage, quiet));
    }
    // An unanswered one would end its connection a second later.
    thread::sleep(Duration::from_millis(2300));
    for (stage, quiet) in &mut stages {
        assert!(stage.counted("TcpExtTCPKeepAlive")? >= 4, "{:?}", stage.link);
        for stream in quiet {
            stream.write_all(b"still there")?;
            stream.read_exact(&mut [0; 11])?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn either_end_may_close_its_half_first() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        for host in link.addresses() {
            // The client's half is closed before the answer has begun.
            let mut asking = stage.connect(host, Service::Source)?;
            asking.write_all(&(MUCH as u64).to_le_bytes())?;
            asking.shutdown(Shutdown::Write)?;
            arrives(&mut asking, MUCH)?;
            assert_eq!(asking.read(&mut [0; 1])?, 0, "{link:?}: more than was asked for");

            // Ours is closed, and the client goes on for a while.
            let mut told = stage.connect(host, Service::Farewell)?;
            told.write_all(b"x")?;
            let mut said = Vec::new();
            told.read_to_end(&mut said)?;
            assert_eq!(said, FAREWELL);
            shows(&stage, Service::Farewell, "CLOSE-WAIT")?;
            told.write_all(&pattern(100_000))?;
            told.shutdown(Shutdown::Write)?;
            assert_eq!(told.read(&mut [0; 1])?, 0);
        }
        stage.comes_to_rest()?;
        assert_eq!(stage.counted("TcpEstabResets")?, 0, "{link:?}");
    }
    Ok(())
}

/// Closes with a reset.
fn reset(stream: TcpStream) -> Outcome {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    Ok(())
}

#[test]
#[ignore = "needs root, nft: cargo xtask heavy"]
fn resets_in_every_state_leave_nothing_behind() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        for host in link.addresses() {
            // At rest; in the middle of what we send; after its own end; after ours.
            let mut rests = stage.connect(host, Service::Echo)?;
            rests.write_all(b"x")?;
            rests.read_exact(&mut [0; 1])?;
            reset(rests)?;
            let mut sent = stage.connect(host, Service::Source)?;
            sent.write_all(&(1_u64 << 30).to_le_bytes())?;
            sent.read_exact(&mut vec![0; 100_000])?;
            reset(sent)?;
            let mut half = stage.connect(host, Service::Source)?;
            half.write_all(&(1_u64 << 30).to_le_bytes())?;
            half.shutdown(Shutdown::Write)?;
            half.read_exact(&mut vec![0; 100_000])?;
            reset(half)?;
            let mut told = stage.connect(host, Service::Farewell)?;
            told.write_all(b"x")?;
            told.read_to_end(&mut Vec::new())?;
            reset(told)?;
            // Ours.
            let mut refused = stage.connect(host, Service::Reset)?;
            refused.write_all(b"x")?;
            let error = refused.read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{link:?}");
            // Before it is open: the last step of the handshake does not arrive, the reset does.
            stage.filter(&[("out", "tcp flags & (rst | syn) == 0 drop")])?;
            reset(stage.connect(host, Service::Echo)?)?;
            stage.unfilter()?;
        }
        stage.comes_to_rest()?;
    }
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_port_is_used_again_while_we_wait_in_time_wait() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        let own: SocketAddr = format!("{CLIENT}:40000").parse()?;
        for timestamps in ["1", "0"] {
            stage.network.client(&format!("sysctl -qw net.ipv4.tcp_timestamps={timestamps}"))?;
            for turn in 0..20 {
                let start = Instant::now();
                // The client's own end of the last connection may need a moment to go.
                let mut again = loop {
                    let bound = stage.connect_with(stage.v4(), Service::Farewell, |socket| {
                        socket.set_reuse_address(true)?;
                        Ok(socket.bind(&own.into())?)
                    });
                    match bound {
                        Ok(stream) => break stream,
                        Err(error) if start.elapsed() > PATIENCE => return Err(error),
                        Err(_) => thread::sleep(Duration::from_millis(2)),
                    }
                };
                again.write_all(b"x")?;
                let mut said = Vec::new();
                again.read_to_end(&mut said)?;
                assert_eq!(said, FAREWELL, "{link:?}, {timestamps}, {turn}");
            }
        }
        // Every SYN was answered at once.
        assert_eq!(stage.counted("TcpRetransSegs")?, 0, "{link:?}");
        stage.comes_to_rest()?;
        assert!(stage.vitals()?.time_wait.get() > 0, "{link:?}: we never waited");
    }
    Ok(())
}

#[test]
#[ignore = "needs root, nft, ethtool: cargo xtask heavy"]
fn holes_are_told_by_sack_and_filled() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        // Segment by segment, so that each can be lost alone.
        stage.network.client(&format!("ethtool -K {INTERFACE} tso off gso off gro off"))?;
        let some = "meta l4proto tcp meta length > 500 numgen inc mod 60 { 7, 9, 10, 31 } counter";
        // What is dropped on its way out the sender is told of; what goes to a port that nobody
        // listens on is lost.
        stage.filter(&[
            ("in", &format!("{some} drop")),
            ("out", &format!("{some} tcp dport set 9")),
        ])?;
        for host in link.addresses() {
            stage.up_and_down(host, 2 << 20)?;
        }
        let dropped = stage.network.client("nft list table inet test")?;
        assert!(!dropped.contains("packets 0 "), "nothing was lost:\n{dropped}");
        // What was lost on the way up the client found by our SACKs, and took none back.
        assert!(stage.counted("TcpExtTCPSackRecovery")? > 0, "{link:?}");
        for bad in ["TcpExtTCPSACKReneging", "TcpExtTCPRenoRecovery", "TcpExtTCPSACKDiscard"] {
            assert_eq!(stage.counted(bad)?, 0, "{link:?} {bad}");
        }
        // What was lost on the way down we found by the client's.
        assert!(stage.vitals()?.retransmitted.get() > 0, "{link:?}");
        stage.unfilter()?;
        down(&mut stage.connect(stage.v4(), Service::Source)?, 1 << 20)?;
    }
    Ok(())
}
