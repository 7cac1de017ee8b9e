//! A thousand downloads stay open across ten reloads, and every byte of them is right.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rig::client::Client;
use rig::crore::{Crore, Settings};
use rig::tree::{Tree, pattern};
use rig::{Outcome, descriptors};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

const DOWNLOADS: usize = 1_000;
const RELOADS: usize = 10;

/// Bytes of each download. Far more than the two sockets of a connection hold between them, so
/// that the server is still sending while it reloads.
const LENGTH: usize = 2 << 20;

/// A client's receive buffer in bytes: small, so that little is under way.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// How long a reload may take to show.
const RELOAD_MAX: Duration = Duration::from_secs(20);

#[test]
#[ignore = "holds thousands of descriptors: cargo xtask heavy"]
fn reloads_touch_no_download() -> Outcome {
    descriptors::raise(2 * DOWNLOADS as u64 + 200)?;
    for engine in ["epoll", "uring"] {
        download_across_reloads(engine).map_err(|error| format!("{engine}: {error}"))?;
    }
    Ok(())
}

fn download_across_reloads(engine: &str) -> Outcome {
    let tree = Tree::new()?;
    let content = pattern(LENGTH);
    tree.file("site/large", &content)?;
    tree.file("site/small", "small")?;
    let configuration = tree.file("crore.toml", generation(tree.root(), 0))?;
    let settings = Settings {
        configuration: Some(&configuration),
        flags: &["--net", engine],
        ..Settings::default()
    };
    let crore = Crore::start(&settings)?;
    let mut clients = Vec::with_capacity(DOWNLOADS);
    for _ in 0..DOWNLOADS {
        clients.push(start_download(crore.address())?);
    }

    let piece = LENGTH / (RELOADS + 1);
    for reload in 0..RELOADS {
        read_and_compare(&mut clients, &content[reload * piece..(reload + 1) * piece])?;
        fs::write(&configuration, generation(tree.root(), reload + 1))?;
        crore.process.signal(Signal::HUP)?;
        wait_for_generation(crore.address(), reload + 1)?;
    }
    read_and_compare(&mut clients, &content[RELOADS * piece..])?;

    for client in &mut clients {
        let answer = client.get("/small")?;
        assert_eq!(answer.body, b"small");
        assert_eq!(answer.header("x-generation"), Some(RELOADS.to_string().as_str()));
    }
    Ok(())
}

/// A configuration that can be told from the others by a header line.
fn generation(root: &Path, number: usize) -> String {
    format!(
        "[site]
root = '{}/site'

[[host]]

[[host.rule]]
path = '/**'
headers = {{ X-Generation = '{number}' }}
",
        root.display()
    )
}

/// Asks for the large file over a connection with a small receive buffer, and reads the header.
fn start_download(address: SocketAddr) -> Outcome<Client> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(&address.into())?;
    let mut client = Client::over(socket.into())?;
    client.send("GET /large HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let answer = client.head()?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some(LENGTH.to_string().as_str()));
    Ok(client)
}

fn read_and_compare(clients: &mut [Client], expected: &[u8]) -> Outcome {
    for (index, client) in clients.iter_mut().enumerate() {
        if client.exactly(expected.len())? != expected {
            return Err(format!("download {index} has a wrong byte").into());
        }
    }
    Ok(())
}

fn wait_for_generation(address: SocketAddr, number: usize) -> Outcome {
    let wanted = number.to_string();
    let start = Instant::now();
    loop {
        let answer = Client::connect(address)?.get("/small")?;
        if answer.header("x-generation") == Some(&wanted) {
            return Ok(());
        }
        if start.elapsed() > RELOAD_MAX {
            return Err(format!("reload {number} does not show: {answer:?}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
