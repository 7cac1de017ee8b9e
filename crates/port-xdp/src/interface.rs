//! What the kernel knows of an interface: [`Interface`].

use std::io;
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use netlink::{Netlink, News, Route, Table};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::Error;

/// An interface of this network namespace, as it was when it was looked up.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's number for it.
    pub index: u32,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Bytes of its longest packet.
    pub mtu: u16,
    /// What kind of virtual interface it is, if it is one: "veth", "bridge".
    pub kind: Option<String>,
    /// Its receive queues.
    pub queues: u32,
    /// Its addresses, of either family.
    pub addresses: Vec<IpAddr>,
    /// Routes over it.
    pub routes: Vec<Route>,
    /// Neighbours on it that the kernel knows.
    pub neighbors: Vec<(IpAddr, [u8; 6])>,
}

impl Interface {
    /// Looks an interface up.
    ///
    /// # Errors
    /// [`Error::NoInterface`], [`Error::Down`], or when the kernel cannot be asked.
    pub fn look_up(name: &str) -> Result<Self, Error> {
        let failed = |error| Error::System { what: "the kernel could not be asked", error };
        let mut netlink = Netlink::open().map_err(failed)?;
        let links = netlink.table(Table::Links).map_err(failed)?;
        let link = links.into_iter().find_map(|news| match news {
            News::Link(link) if link.name == name => Some(link),
            _ => None,
        });
        let link = link.ok_or_else(|| Error::NoInterface { interface: name.to_owned() })?;
        if !link.up {
            return Err(Error::Down { interface: name.to_owned() });
        }
        let mut interface = Self {
            name: link.name,
            index: link.index,
            mac: link.mac,
            // The largest that an IP packet has use for.
            mtu: u16::try_from(link.mtu).unwrap_or(u16::MAX),
            kind: link.kind,
            queues: queues(name).unwrap_or(1),
            addresses: Vec::new(),
            routes: Vec::new(),
            neighbors: Vec::new(),
        };
        for table in [Table::Addresses, Table::Routes, Table::Neighbors] {
            for news in netlink.table(table).map_err(failed)? {
                interface.note(news);
            }
        }
        Ok(interface)
    }

    /// Whether frames may come from a peer on this very machine, which leaves checksums to a device
    /// that there is not.
    #[must_use]
    pub const fn is_virtual(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether the kernel itself takes what is sent, at the other end of a pair.
    pub(crate) fn is_pair(&self) -> bool {
        matches!(self.kind.as_deref(), Some("veth" | "netkit"))
    }

    /// Takes in what was said about the interface.
    fn note(&mut self, news: News) {
        match news {
            News::Address { index, address, .. } if index == self.index => {
                self.addresses.push(address);
            }
            News::Route { index, route, .. } if index == self.index => self.routes.push(route),
            News::Neighbor { index, address, mac: Some(mac) } if index == self.index => {
                self.neighbors.push((address, mac));
            }
            _ => {}
        }
    }
}

/// How many receive queues an interface has, by ethtool's ioctl. `None` where the driver does not
/// say: then it has one.
fn queues(name: &str) -> Option<u32> {
    /// `ETHTOOL_GCHANNELS`.
    const GET_CHANNELS: u32 = 0x3c;
    /// `struct ethtool_channels`.
    #[repr(C)]
    #[derive(Default)]
    struct Channels {
        command: u32,
        most: [u32; 4],
        receive: u32,
        transmit: u32,
        other: u32,
        combined: u32,
    }
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None).ok()?;
    let mut channels = Channels { command: GET_CHANNELS, ..Channels::default() };
    // SAFETY: a structure of integers and a union of such and pointers; zeros are a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last byte stays zero.
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut channels).cast();
    // SAFETY: the request leads to a structure of the kind and size that this command fills.
    let done = unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut request)
    };
    if done < 0 {
        let _reason = io::Error::last_os_error();
        return None;
    }
    let queues = channels.receive + channels.combined;
    (queues > 0).then_some(queues)
}
