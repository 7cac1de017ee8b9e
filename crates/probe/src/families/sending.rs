//! Sending a file over a connection, in each of the ways there are. Another process reads and forgets.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};

use super::answers::{Answers, waiting};
use super::folder::file_of;
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use crate::sys::memory::Map;
use crate::sys::process::{Children, sleep_forever};
use crate::sys::uring::Copier;

pub(super) const PROBES: &[&Probe] = &[&SENDFILE];

const SENDFILE: Probe = Probe {
    name: "sendfile",
    family: Family::Memory,
    question: "Which way of sending a file is the fastest at which size?",
    method: "A file that is in memory is sent over a TCP connection on the loopback address to a process that \
             reads and forgets it; the time until the system has taken the last byte. Buffers are of 64 KiB; \
             io_uring reads and sends, linked, with one call for each buffer.",
    against: "size of the file",
    counted: Counted::Kibibytes,
    count: 4 * 1024,
    most: 1024 * 1024,
    uses: &[(1024, Resource::Disk)],
    curves: &[
        Curve { name: "sendfile", measure: |run| send(run, Way::Sendfile) },
        Curve { name: "mmap + write", measure: |run| send(run, Way::Map) },
        Curve { name: "read + write", measure: |run| send(run, Way::Read) },
        Curve { name: "splice", measure: |run| send(run, Way::Splice) },
        Curve { name: "io_uring", measure: |run| send(run, Way::Uring) },
    ],
    with_root: None,
};

const BUFFER: usize = 64 * 1024;

/// Files sent at each step, fewer of large ones.
const ROUNDS: u64 = 30;
const BYTES_A_STEP: u64 = 64 << 20;

#[derive(Clone, Copy)]
enum Way {
    Sendfile,
    Map,
    Read,
    Splice,
    Uring,
}

/// A connection whose other end reads and forgets, and says so after every so many bytes.
struct Sink {
    connection: TcpStream,
    read: Answers,
    _child: Children,
}

impl Sink {
    fn new() -> Result<Self, Stop> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Stop::io("bind()"))?;
        let address = listener.local_addr().map_err(Stop::io("getsockname()"))?;
        let connection = TcpStream::connect(address).map_err(Stop::io("connect()"))?;
        connection.set_nodelay(true).map_err(Stop::io("setsockopt()"))?;
        let (end, _) = listener.accept().map_err(Stop::io("accept()"))?;
        let read = Answers::new()?;
        let mut child = Children::new();
        let body = || {
            let mut buffer = vec![0; 4 * BUFFER];
            while let Ok(length @ 1..) = forever(|| rustix::io::read(&end, &mut buffer)) {
                let counted = (length as u64).to_ne_bytes();
                if rustix::io::write(&read.write, &counted).is_err() {
                    break;
                }
            }
            sleep_forever();
        };
        child.fork(body).map_err(Stop::at("fork()"))?;
        Ok(Self { connection, read, _child: child })
    }

    /// Waits until the other end has read this many bytes.
    fn settle(&self, bytes: u64) -> Result<(), Stop> {
        let mut left = bytes;
        while left > 0 {
            let mut counted = [0; 8];
            super::answers::read_exactly(&self.read.read, &mut counted)
                .map_err(Stop::at("read()"))?;
            left = left.saturating_sub(u64::from_ne_bytes(counted));
        }
        Ok(())
    }
}

fn forever<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn send(run: &mut Run<'_>, way: Way) -> Result<(), Stop> {
    let folder = run.subfolder()?;
    let sink = Sink::new()?;
    let mut sender = Sender::new(way)?;
    for size in run.ladder() {
        run.trying(size)?;
        let bytes = size * 1024;
        let file = file_of(run, &folder.file(size), bytes)?;
        for _ in 0..(BYTES_A_STEP / bytes).clamp(3, ROUNDS) {
            run.go_on()?;
            let start = Instant::now();
            sender.send(&file, bytes, &sink.connection).map_err(Stop::at(sender.call()))?;
            run.record(size, start.elapsed().as_nanos() as f64);
            sink.settle(bytes)?;
        }
        drop(file);
        std::fs::remove_file(folder.file(size)).map_err(Stop::io("unlink()"))?;
    }
    Ok(())
}

/// A way of sending with what it keeps from one file to the next.
enum Sender {
    Sendfile,
    Map,
    Read(Vec<u8>),
    Splice(Answers),
    Uring(Box<Copier>),
}

impl Sender {
    fn new(way: Way) -> Result<Self, Stop> {
        Ok(match way {
            Way::Sendfile => Self::Sendfile,
            Way::Map => Self::Map,
            Way::Read => Self::Read(vec![0; BUFFER]),
            Way::Splice => Self::Splice(Answers::new()?),
            Way::Uring => {
                let copier = Copier::new(BUFFER).map_err(Stop::at("io_uring_setup()"))?;
                Self::Uring(Box::new(copier))
            }
        })
    }

    const fn call(&self) -> &'static str {
        match self {
            Self::Sendfile => "sendfile()",
            Self::Map => "mmap()",
            Self::Read(_) => "write()",
            Self::Splice(_) => "splice()",
            Self::Uring(_) => "io_uring_enter()",
        }
    }

    /// Sends all of the file.
    fn send(&mut self, file: &File, bytes: u64, mut to: &TcpStream) -> Result<(), Errno> {
        let refused = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        if let Self::Map = self {
            let map = Map::file(file.as_fd(), 0, bytes as usize)?;
            // write_all makes an interrupted call again.
            return to.write_all(map.contents()).map_err(refused);
        }
        let mut offset = 0;
        while offset < bytes {
            let left = (bytes - offset) as usize;
            let sent = match self {
                Self::Sendfile => {
                    let mut from = offset;
                    waiting(|| sendfile(to, file, Some(&mut from), left))?
                }
                Self::Read(buffer) => {
                    let length = left.min(buffer.len());
                    file.read_exact_at(&mut buffer[..length], offset).map_err(refused)?;
                    to.write_all(&buffer[..length]).map_err(refused)?;
                    length
                }
                Self::Splice(pipe) => {
                    let length = left.min(BUFFER);
                    let mut from = offset;
                    let flags = SpliceFlags::MOVE | SpliceFlags::MORE;
                    let held = waiting(|| {
                        splice(file, Some(&mut from), &pipe.write, None, length, flags)
                    })?;
                    let mut out = 0;
                    while out < held {
                        let last =
                            if left > held { SpliceFlags::MORE } else { SpliceFlags::empty() };
                        out += waiting(|| splice(&pipe.read, None, to, None, held - out, last))?;
                    }
                    held
                }
                Self::Uring(copier) => copier.copy(file.as_fd(), to.as_fd(), (offset, left))?,
                Self::Map => return Err(Errno::INVAL),
            };
            if sent == 0 {
                return Err(Errno::PIPE);
            }
            offset += sent as u64;
        }
        Ok(())
    }
}
