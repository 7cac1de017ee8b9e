//! A server that has run out of file descriptors: open connections work on, new ones are refused
//! or wait, no processor time is burnt, and all is well once there are descriptors again.
//!
//! The limit is lowered while the server runs, because at its start it would adapt to it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::client::Client;
use rig::crore::{Crore, Settings};
use rig::tree::Tree;

/// Descriptors that the server may have open.
const DESCRIPTORS: usize = 256;

/// Connections opened: far more.
const CONNECTIONS: usize = 600;

/// How long to wait until the server has recovered. It may pause between two tries to accept.
const RECOVERY_MAX: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs the crore command: cargo xtask heavy"]
fn no_descriptors_left_harms_nobody() -> Outcome {
    for engine in ["epoll", "uring"] {
        exhaust(engine).map_err(|error| format!("{engine}: {error}"))?;
    }
    Ok(())
}

fn exhaust(engine: &str) -> Outcome {
    let tree = Tree::new()?;
    tree.file("index.html", "front")?;
    let settings = Settings {
        root: Some(tree.root()),
        // Another user's limit could not be lowered.
        flags: &["--net", engine, "--shards", "1", "--user", "root"],
        ..Settings::default()
    };
    let crore = Crore::start(&settings)?;
    expect_front(&mut Client::connect(crore.address())?)?;
    lower_limit(crore.process.id())?;
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::over(TcpStream::connect(crore.address())?)?);
    }
    let mut served: Vec<&mut Client> = clients.iter_mut().filter_map(served_or_refused).collect();
    let count = served.len();
    // Connections on io_uring need no descriptors, so that all of them may have been accepted.
    if count < DESCRIPTORS / 2 || (engine == "epoll" && count >= DESCRIPTORS) {
        return Err(format!("{count} of {CONNECTIONS} connections were served").into());
    }

    // With nothing to do but connections that cannot be accepted, the server has to rest.
    let before = crore.process.processor_time()?;
    thread::sleep(Duration::from_secs(2));
    let used = crore.process.processor_time()? - before;
    if used > Duration::from_secs(1) {
        return Err(format!("used {used:?} of processor time in two idle seconds").into());
    }

    for client in &mut served {
        expect_front(client)?;
    }
    drop(clients);
    wait_for_recovery(crore.address())
}

/// Leaves a running process with [`DESCRIPTORS`] at most.
fn lower_limit(process: u32) -> Outcome {
    let limit = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status()?;
    if status.success() { Ok(()) } else { Err(format!("prlimit: {status}").into()) }
}

fn expect_front(client: &mut Client) -> Outcome {
    let answer = client.get("/")?;
    match (answer.status, answer.body.as_slice()) {
        (200, b"front") => Ok(()),
        (status, body) => {
            Err(format!("{status} {:?} instead of the page", String::from_utf8_lossy(body)).into())
        }
    }
}

/// Asks over one of many connections. `None` when it was refused with 503, closed, or has not been
/// accepted; anything else that is not the page is a failure of the test.
fn served_or_refused(client: &mut Client) -> Option<&mut Client> {
    let limited = client.stream().set_read_timeout(Some(Duration::from_millis(200)));
    limited.expect("any time limit but zero is valid");
    let outcome = client.get("/");
    let unlimited = client.stream().set_read_timeout(Some(Duration::from_secs(30)));
    unlimited.expect("any time limit but zero is valid");
    match outcome {
        Ok(answer) if answer.status == 200 => Some(client),
        Ok(answer) => {
            assert_eq!(answer.status, 503);
            None
        }
        Err(error) => {
            let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let expected = [
                ErrorKind::WouldBlock,
                ErrorKind::TimedOut,
                ErrorKind::ConnectionReset,
                ErrorKind::BrokenPipe,
            ];
            let closed = io.is_none() && error.to_string().starts_with("closed");
            assert!(closed || io.is_some_and(|kind| expected.contains(&kind)), "{error}");
            None
        }
    }
}

fn wait_for_recovery(address: SocketAddr) -> Outcome {
    let start = Instant::now();
    loop {
        let outcome = Client::connect(address).and_then(|mut client| expect_front(&mut client));
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) if start.elapsed() > RECOVERY_MAX => {
                return Err(format!("has not recovered: {error}").into());
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
