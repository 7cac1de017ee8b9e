//! Asks the kernel about interfaces, addresses, routes and neighbours, and hears of changes:
//! rtnetlink(7), [`Netlink`]. Invariant: what is not understood is passed over.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use crate::change::{self, End};
use crate::message;
use crate::route::{self, News};

/// More than the kernel puts into one datagram of a dump.
const DATAGRAM: usize = 64 << 10;

/// Times that a table is asked for which changes while it is told.
const ATTEMPTS: u32 = 8;

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// Interfaces.
    Links,
    /// Their addresses.
    Addresses,
    /// Routes of the main table.
    Routes,
    /// Neighbours.
    Neighbors,
}

/// What changes can be heard of, as the kernel groups them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// Interfaces alone.
    Links,
    /// Interfaces, addresses, routes and neighbours.
    All,
}

impl Watched {
    const fn groups(self) -> u32 {
        match self {
            // `RTMGRP_LINK`.
            Self::Links => 0x1,
            // The same, `_NEIGH`, and `_IFADDR` and `_ROUTE` of both families.
            Self::All => 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400,
        }
    }
}

/// A socket to the kernel's tables.
#[derive(Debug)]
pub struct Netlink {
    descriptor: OwnedFd,
    buffer: Vec<u8>,
}

impl Netlink {
    /// A socket to ask with.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn open() -> Result<Self> {
        Self::with(SocketFlags::CLOEXEC, 0)
    }

    /// A socket that hears of changes, and never makes its owner wait.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn watch(what: Watched) -> Result<Self> {
        Self::with(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, what.groups())
    }

    fn with(flags: SocketFlags, groups: u32) -> Result<Self> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // No protocol, zero, is the routing tables'.
        let descriptor = socket_with(family, kind, flags, None)?;
        bind(&descriptor, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { descriptor, buffer: vec![0; DATAGRAM] })
    }

    /// All of a table. While it keeps changing it is asked for again, a few times.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn table(&mut self, table: Table) -> Result<Vec<News>> {
        let mut told = self.told(table)?;
        for _ in 1..ATTEMPTS {
            if !told.1 {
                break;
            }
            told = self.told(table)?;
        }
        Ok(told.0)
    }

    /// A table, and whether it has changed meanwhile.
    fn told(&mut self, table: Table) -> Result<(Vec<News>, bool)> {
        let kind = match table {
            Table::Links => route::GET_LINK,
            Table::Addresses => route::GET_ADDRESS,
            Table::Routes => route::GET_ROUTE,
            Table::Neighbors => route::GET_NEIGHBOR,
        };
        send(&self.descriptor, &route::dump(kind), SendFlags::empty())?;
        let (mut entries, mut changed) = (Vec::new(), false);
        loop {
            let length = self.receive()?;
            changed |= message::is_interrupted(&self.buffer[..length]);
            for (kind, body) in message::messages(&self.buffer[..length]) {
                match kind {
                    message::DONE => return Ok((entries, changed)),
                    message::ERROR => return said(body).map(|()| (entries, changed)),
                    kind => entries.extend(route::parse(kind, body)),
                }
            }
        }
    }

    /// Makes a pair of interfaces, the far one in another namespace.
    ///
    /// # Errors
    /// When the kernel refuses, as it does the unprivileged.
    pub fn make_pair(
        &mut self,
        near: End<'_>,
        far: End<'_>,
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        self.change(&change::pair(near, far, namespace))
    }

    /// Brings an interface up, by its name.
    ///
    /// # Errors
    /// When there is none of this name, or the kernel refuses.
    pub fn bring_up(&mut self, name: &str) -> Result<()> {
        let links = self.table(Table::Links)?;
        let link = links.into_iter().find_map(|news| match news {
            News::Link(link) if link.name == name => Some(link.index),
            _ => None,
        });
        self.change(&change::up(link.ok_or(Errno::NODEV)?))
    }

    /// Gives an interface an address.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_address(&mut self, index: u32, address: Ipv4Addr, length: u8) -> Result<()> {
        self.change(&change::address(index, address, length))
    }

    /// Sends a request, and waits for what the kernel says to it.
    fn change(&mut self, request: &[u8]) -> Result<()> {
        send(&self.descriptor, request, SendFlags::empty())?;
        loop {
            let length = self.receive()?;
            for (kind, body) in message::messages(&self.buffer[..length]) {
                if kind == message::ERROR {
                    return said(body);
                }
            }
        }
    }

    /// Waits for an answer, which the kernel gives at once, and says how long it is.
    fn receive(&mut self) -> Result<usize> {
        loop {
            match recv(&self.descriptor, &mut self.buffer[..], RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                received => return received.map(|(length, _)| length),
            }
        }
    }

    /// Has the kernel find out where a neighbour is. What it finds comes as [`News`] to those that watch.
    ///
    /// # Errors
    /// When the kernel refuses, as it does the unprivileged.
    pub fn ask_for(&mut self, index: u32, neighbor: IpAddr) -> Result<()> {
        self.change(&route::use_neighbor(index, neighbor))
    }

    /// What has changed, each piece handed to `hear`. Says whether that is all: when there was too much of
    /// it, the kernel has dropped some, and the tables have to be asked for.
    #[must_use = "what was dropped has to be asked for"]
    pub fn changes(&mut self, mut hear: impl FnMut(News)) -> bool {
        let mut is_all = true;
        loop {
            match recv(&self.descriptor, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    for (kind, body) in message::messages(&self.buffer[..length]) {
                        route::parse(kind, body).into_iter().for_each(&mut hear);
                    }
                }
                Err(Errno::NOBUFS) => is_all = false,
                Err(Errno::INTR) => {}
                Err(_) => return is_all,
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What a message says that answers a request: that it was carried out, or why not.
fn said(body: &[u8]) -> Result<()> {
    match body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code)) {
        0 => Ok(()),
        code => Err(Errno::from_raw_os_error(code.saturating_neg())),
    }
}
