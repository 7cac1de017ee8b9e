//! A packet socket beside those of AF_XDP, for frames that stand for several TCP segments, which AF_XDP
//! has no way to say: [`PacketSocket`]. The kernel copies such a frame once and cuts it where a device
//! does not, as it does with those of its own TCP; a device of its own memory (veth) hands it on whole.
//! Invariant: it only sends; nothing is ever received by it.

use std::io::IoSlice;
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, OwnedFd};

use port::vnet::{self, HEADERS_MAX, Segment};
use rustix::io::{Errno, writev};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::Interface;

/// `PACKET_VNET_HDR`: a `virtio_net_hdr` before each frame (packet(7), linux/if_packet.h).
const OPTION_VNET_HEADER: libc::c_int = 15;

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The kernel has it.
    Done,
    /// It is lost, as frames are on a link that is down, or behind a queue that is full.
    Lost,
    /// Too much of what was sent before has not left yet.
    NotNow,
}

#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// A socket that sends by an interface.
    pub(crate) fn open(interface: &Interface) -> Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol nothing is received.
        let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        let on: libc::c_int = 1;
        let value: *const libc::c_int = &raw const on;
        // SAFETY: the option takes an integer, which is read during the call.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                OPTION_VNET_HEADER,
                value.cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as libc::c_ushort,
            sll_protocol: 0,
            sll_ifindex: interface.index as libc::c_int,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let place: *const libc::sockaddr_ll = &raw const address;
        // SAFETY: the address is one of the socket's family, as long as is said, and read during the
        // call.
        check(unsafe {
            libc::bind(
                socket.as_raw_fd(),
                place.cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        })?;
        Ok(Self(socket))
    }

    /// Sends a frame that stands for segments of so many bytes of payload each.
    pub(crate) fn send(&self, frame: &[u8], segment: NonZeroU16) -> Sent {
        let Some(whole) = Segment::of(frame) else { return Sent::Lost };
        let mut head = [0; vnet::LENGTH + HEADERS_MAX];
        let written = whole.write_head(frame, Some(segment), &mut head);
        let parts = [IoSlice::new(&head[..written]), IoSlice::new(&frame[whole.headers..])];
        loop {
            match writev(&self.0, &parts) {
                Ok(_) => return Sent::Done,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Sent::NotNow,
                // Were it for good, the AF_XDP sockets would say so.
                Err(_) => return Sent::Lost,
            }
        }
    }
}

fn check(result: libc::c_int) -> Result<(), Errno> {
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
