//! The system calls that set up a TAP device: linux/if_tun.h, netdevice(7). Invariant: each is given
//! exactly what it reads and writes.

use std::ffi::c_int;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, Updater, ioctl, opcode};

/// Bytes of an interface's name, the zero at its end included (IFNAMSIZ).
const NAME_BYTES: usize = 16;

/// Attaches the descriptor to a device, which is made if there is none.
const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
/// Says what the kernel may leave to us of the frames it hands over.
const TUNSETOFFLOAD: Opcode = opcode::write::<c_int>(b'T', 208);
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCSIFFLAGS: Opcode = 0x8914;
const SIOCGIFMTU: Opcode = 0x8921;

/// Frames with their Ethernet header.
const IFF_TAP: i16 = 0x0002;
/// No four bytes of information before each.
const IFF_NO_PI: i16 = 0x1000;
/// A `virtio_net_hdr` before each.
const IFF_VNET_HDR: i16 = 0x4000;
/// More than one queue.
const IFF_MULTI_QUEUE: i16 = 0x0100;
/// The interface is up.
const IFF_UP: i16 = 0x0001;

/// TCP checksums may be left to us.
const TUN_F_CSUM: usize = 0x01;
/// Segments may be longer than the MTU, over IPv4 and over IPv6.
const TUN_F_TSO4: usize = 0x02;
const TUN_F_TSO6: usize = 0x04;

/// `struct ifreq`: a name, and 24 bytes whose meaning depends on the call.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Request {
    name: [u8; NAME_BYTES],
    value: [u8; 24],
}

const _: () = assert!(size_of::<Request>() == 40);

/// An interface's name that fits the kernel's structures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Name([u8; NAME_BYTES]);

impl Name {
    /// `None` for a name that no interface can have.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let fits = (1..NAME_BYTES).contains(&name.len()) && name != "." && name != "..";
        let fits = fits && !name.bytes().any(|b| b == b'/' || b == b':' || b == b'%' || b <= b' ');
        let mut bytes = [0; NAME_BYTES];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        fits.then_some(Self(bytes))
    }
}

impl Request {
    const fn new(name: Name) -> Self {
        Self { name: name.0, value: [0; 24] }
    }

    /// Sets the 16 bits that hold flags.
    fn with_flags(mut self, flags: i16) -> Self {
        self.value[..2].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    const fn flags(&self) -> i16 {
        i16::from_ne_bytes([self.value[0], self.value[1]])
    }

    const fn number(&self) -> i32 {
        let [a, b, c, d, ..] = self.value;
        i32::from_ne_bytes([a, b, c, d])
    }
}

/// Makes the descriptor a queue of the device.
pub(crate) fn attach(tun: impl AsFd, name: Name, multi_queue: bool) -> Result<(), Errno> {
    let flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    let flags = if multi_queue { flags | IFF_MULTI_QUEUE } else { flags };
    let mut request = Request::new(name).with_flags(flags);
    // SAFETY: the call reads and writes one `ifreq`, which is what it is given.
    unsafe { ioctl(tun, Updater::<TUNSETIFF, _>::new(&mut request)) }
}

/// Has the kernel hand over segments as it makes them, without their checksum and uncut.
pub(crate) fn offload(tun: impl AsFd) -> Result<(), Errno> {
    let features = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    // SAFETY: the call takes a number and touches no memory.
    unsafe { ioctl(tun, IntegerSetter::<TUNSETOFFLOAD>::new_usize(features)) }
}

/// Bytes of the longest packet, Ethernet header not counted.
pub(crate) fn mtu(socket: impl AsFd, name: Name) -> Result<u16, Errno> {
    let mut request = Request::new(name);
    // SAFETY: the call reads and writes one `ifreq`, which is what it is given.
    unsafe { ioctl(socket, Updater::<SIOCGIFMTU, _>::new(&mut request)) }?;
    Ok(u16::try_from(request.number()).unwrap_or(u16::MAX))
}

/// Whether the interface is up; `Errno::NODEV` when there is none.
pub(crate) fn is_up(socket: impl AsFd, name: Name) -> Result<bool, Errno> {
    flags(socket, name).map(|flags| flags & IFF_UP != 0)
}

/// Brings the interface up.
pub(crate) fn bring_up(socket: impl AsFd, name: Name) -> Result<(), Errno> {
    let flags = flags(socket.as_fd(), name)?;
    let mut request = Request::new(name).with_flags(flags | IFF_UP);
    // SAFETY: the call reads one `ifreq`, which is what it is given.
    unsafe { ioctl(socket, Updater::<SIOCSIFFLAGS, _>::new(&mut request)) }
}

fn flags(socket: impl AsFd, name: Name) -> Result<i16, Errno> {
    let mut request = Request::new(name);
    // SAFETY: the call reads and writes one `ifreq`, which is what it is given.
    unsafe { ioctl(socket, Updater::<SIOCGIFFLAGS, _>::new(&mut request)) }?;
    Ok(request.flags())
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_that_no_interface_has_are_refused() {
        for name in ["tap0", "a", "fifteen-letters"] {
            assert!(Name::new(name).is_some(), "{name}");
        }
        for name in ["", "sixteen--letters", "a/b", "a b", ".", "..", "tap%d", "a:1"] {
            assert!(Name::new(name).is_none(), "{name}");
        }
    }
}
