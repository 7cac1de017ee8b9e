//! What the kernel knows of an interface: [`Interface`].

use std::ffi::CStr;
use std::fs;
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
    /// Its driver, if that says what it is called.
    pub driver: Option<String>,
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
            driver: driver(name),
            queues: channels(name).or_else(|| queues(name)).unwrap_or(1),
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

    /// Whether frames in generic mode may be such as their sender left to be cut by a device: over a
    /// virtual interface, or from the host of a virtual machine, which not every host can be told to
    /// do without.
    #[must_use]
    pub fn may_bring_uncut(&self) -> bool {
        self.is_virtual() || self.driver.as_deref() == Some("virtio_net")
    }

    /// Whether a program in the driver would not do. A bond hands it to the interfaces below, and
    /// their frames are not for its own sockets. vmxnet3 forgets it when it is reset, by a change of
    /// the MTU or down and up, and does not say so (Linux 7.3).
    pub(crate) fn is_better_generic(&self) -> bool {
        self.kind.as_deref() == Some("bond") || self.driver.as_deref() == Some("vmxnet3")
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

/// How many receive queues an interface has, by the folder that the kernel keeps for each.
fn queues(name: &str) -> Option<u32> {
    let folders = fs::read_dir(format!("/sys/class/net/{name}/queues")).ok()?;
    let receiving = folders
        .flatten()
        .filter(|queue| queue.file_name().to_str().is_some_and(|name| name.starts_with("rx-")));
    u32::try_from(receiving.count()).ok().filter(|&count| count > 0)
}

/// The same by ethtool's ioctl, which is of this network namespace whatever is mounted. `None` where
/// the driver does not say (bond, tun, xen-netfront).
fn channels(name: &str) -> Option<u32> {
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
    let mut channels = Channels { command: GET_CHANNELS, ..Channels::default() };
    // SAFETY: a structure of the kind and size that this command fills.
    unsafe { ethtool(name, (&raw mut channels).cast()) }?;
    let queues = channels.receive + channels.combined;
    (queues > 0).then_some(queues)
}

/// What the interface's driver is called, by the same ioctl.
fn driver(name: &str) -> Option<String> {
    /// `ETHTOOL_GDRVINFO`.
    const GET_DRIVER: u32 = 0x3;
    /// `struct ethtool_drvinfo`.
    #[repr(C)]
    struct Driver {
        command: u32,
        name: [u8; 32],
        _others: [u8; 160],
    }
    let mut driver = Driver { command: GET_DRIVER, name: [0; 32], _others: [0; 160] };
    // SAFETY: as above.
    unsafe { ethtool(name, (&raw mut driver).cast()) }?;
    let text = CStr::from_bytes_until_nul(&driver.name).ok()?;
    Some(text.to_string_lossy().into_owned())
}

/// Carries out a command of ethtool's. `None` when the driver does not know it.
///
/// # Safety
/// `what` leads to the structure that its first field, the command, reads and fills.
unsafe fn ethtool(name: &str, what: *mut libc::c_char) -> Option<()> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None).ok()?;
    // SAFETY: a structure of integers and a union of such and pointers; zeros are a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last byte stays zero.
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = what;
    // SAFETY: the caller's promise.
    let done = unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut request)
    };
    (done >= 0).then_some(())
}
