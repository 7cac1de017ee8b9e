//! The other end of connections, in a process of its own, so that either end has all of its process's
//! descriptors. It does one thing for each byte it is told, and answers with zero or an error number.
//!
//! Whoever connects does so with SO_LINGER at zero: the connection is gone at both ends when it is closed,
//! and no port stays behind in TIME_WAIT to be counted by the next probe.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use base::Grouped;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    getsockname, listen, socket_with, sockopt,
};

use super::answers::{Answers, read_exactly, waiting};
use crate::run::{Run, Stop};
use crate::sys::process::{Children, sleep_forever};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) enum Address {
    /// TCP on a loopback address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Which kind of address to listen on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    V4,
    V6,
    Unix,
}

impl Kind {
    const fn family(self) -> AddressFamily {
        match self {
            Self::V4 => AddressFamily::INET,
            Self::V6 => AddressFamily::INET6,
            Self::Unix => AddressFamily::UNIX,
        }
    }
}

/// A stream socket.
pub(super) fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// A listening socket and its address, on a port that was free, or a file in the run's folder.
pub(super) fn listener(run: &Run<'_>, kind: Kind) -> Result<(OwnedFd, Address), Stop> {
    let socket = socket(kind.family()).map_err(Stop::at("socket()"))?;
    let address = match kind {
        Kind::V4 => Address::Tcp((Ipv4Addr::LOCALHOST, 0).into()),
        Kind::V6 => Address::Tcp((Ipv6Addr::LOCALHOST, 0).into()),
        Kind::Unix => Address::Unix(run.folder().join("socket")),
    };
    let address = match address {
        Address::Tcp(address) => {
            bind(&socket, &address).map_err(Stop::at("bind()"))?;
            let bound = getsockname(&socket).map_err(Stop::at("getsockname()"))?;
            Address::Tcp(bound.try_into().map_err(Stop::at("getsockname()"))?)
        }
        Address::Unix(path) => {
            // Left by a curve before this one.
            let _ = std::fs::remove_file(&path);
            let name = SocketAddrUnix::new(&path).map_err(Stop::at("bind()"))?;
            bind(&socket, &name).map_err(Stop::at("bind()"))?;
            Address::Unix(path)
        }
    };
    listen(&socket, BACKLOG).map_err(Stop::at("listen()"))?;
    Ok((socket, address))
}

impl Address {
    /// A socket for it that vanishes at both ends when closed.
    pub fn socket(&self) -> Result<OwnedFd, Errno> {
        let family = match self {
            Self::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
            Self::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
            Self::Unix(_) => AddressFamily::UNIX,
        };
        let socket = socket(family)?;
        if family != AddressFamily::UNIX {
            sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        }
        Ok(socket)
    }

    /// Connects it.
    pub fn connect(&self, socket: &OwnedFd) -> Result<(), Errno> {
        match self {
            Self::Tcp(address) => connect(socket, address),
            Self::Unix(path) => connect(socket, &SocketAddrUnix::new(path)?),
        }
    }
}

/// A process that holds the other ends.
pub(super) struct Peer {
    commands: Answers,
    answers: Answers,
    // Killed after that.
    _children: Children,
}

impl Peer {
    /// One that accepts from `listener`, which is closed here.
    pub fn accepting(listener: OwnedFd) -> Result<Self, Stop> {
        Self::new(move || accept_with(&listener, SocketFlags::CLOEXEC))
    }

    /// One that connects to `address`.
    pub fn connecting(address: Address) -> Result<Self, Stop> {
        Self::new(move || {
            let socket = address.socket()?;
            waiting(|| address.connect(&socket))?;
            Ok(socket)
        })
    }

    fn new(mut make: impl FnMut() -> Result<OwnedFd, Errno>) -> Result<Self, Stop> {
        let (commands, answers) = (Answers::new()?, Answers::new()?);
        let mut children = Children::new();
        let body = || {
            let mut held = Vec::new();
            while read_byte(&commands) {
                let error = match waiting(&mut make) {
                    Ok(socket) => {
                        held.push(socket);
                        0
                    }
                    Err(errno) => errno.raw_os_error() as u8,
                };
                if answers.say(error).is_err() {
                    break;
                }
            }
            sleep_forever();
        };
        children.fork(body).map_err(Stop::at("fork()"))?;
        Ok(Self { commands, answers, _children: children })
    }

    /// Tells it to make one more, without waiting for it.
    pub fn begin(&self) -> Result<(), Stop> {
        self.commands.say(0).map_err(Stop::at("write()"))
    }

    /// Waits until it has.
    pub fn finish(&self, call: &'static str) -> Result<(), Stop> {
        match self.answers.wait_byte() {
            Ok(0) => Ok(()),
            Ok(error) => Err(Stop::at(call)(Errno::from_raw_os_error(i32::from(error)))),
            Err(errno) => Err(Stop::at("read()")(errno)),
        }
    }
}

/// Waits for a command as long as it takes; false when there will be none.
fn read_byte(commands: &Answers) -> bool {
    loop {
        match read_exactly(&commands.read, &mut [0]) {
            Ok(()) => return true,
            Err(Errno::TIMEDOUT | Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Says how many ports the system picks from: a step at half of them is its doing, because it tries
/// ports of one parity first.
pub(super) fn note_ports(run: &mut Run<'_>) {
    let range =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u64>().ok());
    if let (Some(first), Some(last)) = (ends.next(), ends.next()) {
        let ports = last.saturating_sub(first) + 1;
        run.note(format!(
            "net.ipv4.ip_local_port_range is {first}–{last}, {} ports. Linux tries every other port of it \
             first, so a step near {} is where those are all taken.",
            Grouped(ports),
            Grouped(ports / 2),
        ));
    }
}
