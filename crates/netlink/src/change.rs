//! Requests that change the kernel's tables: a pair of interfaces, an address. Invariant: nothing is
//! asked for that does not go with the network namespace it is made in.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::message::{REQUEST, message, put};
use crate::route::{ACKNOWLEDGE, CREATE, NEW_ADDRESS, NEW_LINK, family};

/// `NLM_F_EXCL`.
const EXCLUSIVE: u16 = 0x200;
/// `IFF_UP`.
const UP: u32 = 1;

/// One end of a pair of virtual interfaces.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Queues each way.
    pub queues: u32,
}

/// A request for a pair of interfaces joined by a wire, the far one in another namespace.
pub(super) fn pair(near: End<'_>, far: End<'_>, namespace: BorrowedFd<'_>) -> Vec<u8> {
    /// `IFLA_LINKINFO`, `IFLA_INFO_KIND`, `IFLA_INFO_DATA`, `VETH_INFO_PEER`, `IFLA_NET_NS_FD`.
    const INFO: u16 = 18;
    const KIND: u16 = 1;
    const DATA: u16 = 2;
    const PEER: u16 = 1;
    const NAMESPACE: u16 = 28;
    let mut peer = interface(far);
    put(&mut peer, NAMESPACE, &namespace.as_raw_fd().to_ne_bytes());
    let (mut data, mut info, mut body) = (Vec::new(), Vec::new(), interface(near));
    put(&mut data, PEER, &peer);
    put(&mut info, KIND, b"veth");
    put(&mut info, DATA, &data);
    put(&mut body, INFO, &info);
    message(NEW_LINK, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE, &body)
}

/// A request to bring an interface up.
pub(super) fn up(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    for field in [index, UP, UP] {
        body.extend(field.to_ne_bytes());
    }
    message(NEW_LINK, REQUEST | ACKNOWLEDGE, &body)
}

/// `struct ifinfomsg` of an interface that is down, with what there is to say of it.
fn interface(end: End<'_>) -> Vec<u8> {
    /// `IFLA_IFNAME`, `IFLA_ADDRESS`, `IFLA_NUM_TX_QUEUES`, `IFLA_NUM_RX_QUEUES`.
    const NAME: u16 = 3;
    const ADDRESS: u16 = 1;
    const TRANSMIT: u16 = 31;
    const RECEIVE: u16 = 32;
    let mut body = vec![0; 16];
    put(&mut body, NAME, end.name.as_bytes());
    put(&mut body, ADDRESS, &end.mac);
    for queues in [TRANSMIT, RECEIVE] {
        put(&mut body, queues, &end.queues.to_ne_bytes());
    }
    body
}

/// A request for an address of an interface.
pub(super) fn address(index: u32, address: Ipv4Addr, length: u8) -> Vec<u8> {
    /// `IFA_ADDRESS`, `IFA_LOCAL`.
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    let mut body = vec![family(IpAddr::V4(address)), length, 0, 0];
    body.extend(index.to_ne_bytes());
    for kind in [LOCAL, ADDRESS] {
        put(&mut body, kind, &address.octets());
    }
    message(NEW_ADDRESS, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE, &body)
}
