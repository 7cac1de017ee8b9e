//! Five thousand clients that send or read as slowly as they can, and one that does not: it gets
//! every answer right, the dribblers are shown the door in time, and the slow readers, who are
//! allowed to be slow, get all they asked for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rig::client::Client;
use rig::crore::{Crore, Settings};
use rig::tree::{Tree, pattern};
use rig::{Outcome, descriptors};
use socket2::{Domain, Socket, Type};

/// Clients that send their header a byte at a time.
const DRIBBLERS: usize = 4_000;

/// Clients that read their answer a little at a time.
const SLOW_READERS: usize = 1_000;

/// Bytes that a slow reader asks for: more than its connection's two sockets hold.
const LENGTH: usize = 1 << 20;

/// A request that never ends: there is always one more byte of it.
const ENDLESS: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nCookie: ";

/// How long the dribblers may stay at most: the header's time limit set below, and ample slack.
const DRIBBLE_MAX: Duration = Duration::from_secs(60);

#[test]
#[ignore = "holds thousands of descriptors: cargo xtask heavy"]
fn slow_clients_harm_nobody() -> Outcome {
    descriptors::raise(2 * (DRIBBLERS + SLOW_READERS) as u64 + 200)?;
    for engine in ["epoll", "uring"] {
        crowd(engine).map_err(|error| format!("{engine}: {error}"))?;
    }
    Ok(())
}

fn crowd(engine: &str) -> Outcome {
    let tree = Tree::new()?;
    let content = pattern(LENGTH);
    tree.file("large", &content)?;
    tree.file("small", "small")?;
    let settings = Settings {
        root: Some(tree.root()),
        // Readers may be as slow as this machine makes them.
        flags: &["--net", engine, "--header-time", "5s", "--send-pace", "1/1m"],
        ..Settings::default()
    };
    let crore = Crore::start(&settings)?;
    let address = crore.address();
    let mut readers = Vec::with_capacity(SLOW_READERS);
    for _ in 0..SLOW_READERS {
        readers.push(SlowReader::connect(address)?);
    }
    let mut dribblers = Vec::with_capacity(DRIBBLERS);
    for _ in 0..DRIBBLERS {
        dribblers.push(Dribbler::connect(address)?);
    }

    let over = AtomicBool::new(false);
    let answers = thread::scope(|scope| -> Outcome<u64> {
        let normal = scope.spawn(|| ask_until(address, &over));
        let outcome = dribble(&mut dribblers, &mut readers, &content);
        over.store(true, Ordering::Relaxed);
        let answers = normal.join().map_err(|_| "the normal client panicked")??;
        outcome.map(|()| answers)
    })?;
    println!("{engine}: the normal client got {answers} answers beside the crowd");
    for reader in &mut readers {
        reader.finish(&content)?;
    }
    Ok(())
}

/// A normal client: one request after the other, each answer looked at.
fn ask_until(address: SocketAddr, over: &AtomicBool) -> Outcome<u64> {
    let mut client = Client::connect(address)?;
    let mut answers = 0;
    while !over.load(Ordering::Relaxed) {
        let answer = client.get("/small")?;
        if (answer.status, answer.body.as_slice()) != (200, b"small") {
            return Err(format!("answer {answers} is wrong: {answer:?}").into());
        }
        answers += 1;
    }
    Ok(answers)
}

/// Goes round among all slow clients until every dribbler has been answered with 408.
fn dribble(dribblers: &mut [Dribbler], readers: &mut [SlowReader], content: &[u8]) -> Outcome {
    let start = Instant::now();
    let mut round = 0;
    while dribblers.iter().any(|dribbler| !dribbler.closed) {
        if start.elapsed() > DRIBBLE_MAX {
            let left = dribblers.iter().filter(|dribbler| !dribbler.closed).count();
            return Err(format!("{left} dribblers are still connected").into());
        }
        for dribbler in dribblers.iter_mut().filter(|dribbler| !dribbler.closed) {
            dribbler.step(round)?;
        }
        for reader in readers.iter_mut() {
            reader.step(content)?;
        }
        round += 1;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

struct Dribbler {
    stream: TcpStream,
    answer: Vec<u8>,
    closed: bool,
}

impl Dribbler {
    fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, answer: Vec::new(), closed: false })
    }

    /// Looks for an answer, then sends one more byte.
    fn step(&mut self, round: usize) -> Outcome {
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return self.close(),
            Ok(count) => self.answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The last byte sent may have met a closed socket; what was answered is here already.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return self.close(),
            Err(error) => return Err(error.into()),
        }
        if self.answer.is_empty() {
            let byte = ENDLESS.get(round).unwrap_or(&b'a');
            // Failing means that the server has closed meanwhile; the next step sees how.
            let _ = self.stream.write(&[*byte]);
        }
        Ok(())
    }

    fn close(&mut self) -> Outcome {
        self.closed = true;
        if self.answer.starts_with(b"HTTP/1.1 408 ") {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&self.answer);
        Err(format!("a dribbler was answered {found:?} instead of 408").into())
    }
}

struct SlowReader {
    client: Client,
    read: usize,
}

impl SlowReader {
    /// Asks for the large file, with a receive buffer of few bytes, and reads the header.
    fn connect(address: SocketAddr) -> Outcome<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_recv_buffer_size(8 * 1024)?;
        socket.connect(&address.into())?;
        let mut client = Client::over(socket.into())?;
        client.send("GET /large HTTP/1.1\r\nHost: test\r\n\r\n")?;
        let answer = client.head()?;
        assert_eq!(answer.status, 200);
        Ok(Self { client, read: 0 })
    }

    /// Reads the next 64 bytes.
    fn step(&mut self, content: &[u8]) -> Outcome {
        let next = (self.read + 64).min(content.len());
        self.compare(content, next)
    }

    /// Reads all that is left.
    fn finish(&mut self, content: &[u8]) -> Outcome {
        self.compare(content, content.len())
    }

    fn compare(&mut self, content: &[u8], to: usize) -> Outcome {
        let expected = &content[self.read..to];
        if self.client.exactly(expected.len())? != expected {
            return Err(format!("a slow reader got a wrong byte after {}", self.read).into());
        }
        self.read = to;
        Ok(())
    }
}
