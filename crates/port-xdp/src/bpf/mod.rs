//! The program that decides which frames are ours, with its tables, in the kernel: [`Filter`].
//! Invariant: it is attached through a link of this process, so it is gone when the process is,
//! however that ended; and it takes nothing from the kernel but what the tables name.

mod assembler;
mod call;
mod program;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use call::{Kind, Map};
use program::Maps;

use crate::Error;
use crate::socket::once_free;

/// Entries that the tables have room for.
const LISTENERS_MAX: u32 = 16_384;
const CLIENTS_MAX: u32 = 16_384;
/// Queues the table has room for.
const QUEUES_MAX: u32 = 1024;

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE`.
const FLAG_GENERIC: u32 = 2;
const FLAG_DRIVER: u32 = 4;

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// In the driver, before the kernel has made anything of the frame.
    Driver,
    /// In the kernel's generic receive path: with every driver, at a lower rate.
    Generic,
}

/// The program and its tables, loaded.
#[derive(Debug)]
pub(crate) struct Filter {
    listeners: Map,
    clients: Map,
    sockets: Map,
    program: OwnedFd,
}

/// The program attached to an interface, until this is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) mode: Mode,
    _descriptor: OwnedFd,
}

impl Filter {
    /// Loads the program, which takes nothing yet.
    pub fn load() -> Result<Self, Error> {
        Self::load_with(program::XDP_PASS)
    }

    /// As [`Filter::load`]; `otherwise` is what becomes of frames that are ours and find no socket.
    fn load_with(otherwise: i32) -> Result<Self, Error> {
        let map = |kind, key_bytes, value_bytes, entries| {
            Map::new(kind, key_bytes, value_bytes, entries).map_err(not_loaded)
        };
        let listeners = map(Kind::Hash, 20, 1, LISTENERS_MAX)?;
        let clients = map(Kind::Prefixes, 20, 4, CLIENTS_MAX)?;
        let sockets = map(Kind::Sockets, 4, 4, QUEUES_MAX)?;
        let maps = Maps {
            listeners: listeners.as_fd(),
            clients: clients.as_fd(),
            sockets: sockets.as_fd(),
        };
        let program =
            call::load(&program::assemble(maps, otherwise), "crore").map_err(|refused| {
                if refused.log.is_empty() {
                    not_loaded(refused.error)
                } else {
                    Error::Verifier { error: refused.error, log: refused.log }
                }
            })?;
        Ok(Self { listeners, clients, sockets, program })
    }

    /// Takes segments for an address and port from now on.
    pub fn add_listener(&self, at: SocketAddr) -> rustix::io::Result<()> {
        self.listeners.set(&listener(at), &[1])
    }

    /// Takes none for it any more.
    pub fn remove_listener(&self, at: SocketAddr) -> rustix::io::Result<()> {
        self.listeners.remove(&listener(at))
    }

    /// Takes segments for a network's addresses and these ports from now on. Of two networks that
    /// have an address the narrower one counts.
    pub fn add_clients(
        &self,
        network: (IpAddr, u8),
        ports: &RangeInclusive<u16>,
    ) -> rustix::io::Result<()> {
        let [a, b] = ports.start().to_ne_bytes();
        let [c, d] = ports.end().to_ne_bytes();
        self.clients.set(&prefix(network), &[a, b, c, d])
    }

    /// Takes none for this network any more.
    pub fn remove_clients(&self, network: (IpAddr, u8)) -> rustix::io::Result<()> {
        self.clients.remove(&prefix(network))
    }

    /// Gives what arrives at a queue to a socket.
    pub fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.sockets.set(&queue.to_ne_bytes(), &socket.as_raw_fd().to_ne_bytes())
    }

    /// Attaches the program: in the driver if it can, unless `mode` says how.
    pub fn attach(&self, interface: (&str, u32), mode: Option<Mode>) -> Result<Link, Error> {
        let (name, index) = interface;
        let attach = |mode, flags| {
            let descriptor = call::link(self.program.as_fd(), index, flags)?;
            Ok(Link { mode, _descriptor: descriptor })
        };
        let driver = || attach(Mode::Driver, FLAG_DRIVER);
        let generic = || attach(Mode::Generic, FLAG_GENERIC);
        let linked = || match mode {
            Some(Mode::Driver) => driver(),
            Some(Mode::Generic) => generic(),
            None => driver().or_else(|error| {
                // Somebody else's program is no reason to put ours behind its back.
                if is_occupied(error) { Err(error) } else { generic() }
            }),
        };
        once_free(linked).map_err(|error| {
            if is_occupied(error) {
                Error::OtherProgram { interface: name.to_owned() }
            } else {
                Error::Attach { interface: name.to_owned(), error }
            }
        })
    }
}

fn is_occupied(error: Errno) -> bool {
    matches!(error, Errno::BUSY | Errno::EXIST)
}

fn not_loaded(error: Errno) -> Error {
    match error {
        Errno::PERM | Errno::ACCESS => Error::Permission { what: "load an XDP program" },
        Errno::NOSYS => Error::Unsupported { what: "bpf(2)" },
        _ => Error::System { what: "an XDP program could not be loaded", error },
    }
}

/// An address as the tables have it.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A network as the table has it: how many bits count, then the bits.
fn prefix((address, length): (IpAddr, u8)) -> [u8; 20] {
    let before = if address.is_ipv4() { 96 } else { 0 };
    let mut key = [0; 20];
    key[..4].copy_from_slice(&(before + u32::from(length)).to_ne_bytes());
    key[4..].copy_from_slice(&octets(address));
    key
}

/// An address and port as the table has them.
fn listener(at: SocketAddr) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(&octets(at.ip()));
    key[16..18].copy_from_slice(&at.port().to_be_bytes());
    key
}
