//! UDP, RFC 768: datagrams go to whoever takes those of their port. Invariant: a datagram for one of our
//! addresses is taken, or answered with "port unreachable" (RFC 1122 section 4.1.3.1, RFC 4443 section
//! 3.1) within a budget, or counted.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

use ::tcp::ChallengeLimit;
use base::Prng;
use port::Port;
use wire::checksum::Sum;
use wire::{icmpv4, icmpv6, protocol, udp};

use super::Link;
use crate::drops::Reason;

/// Takes datagrams: whom one is from, to which of our addresses, and what is in it. Called between a
/// packet that arrived and the next, so it must not take long.
pub type DatagramTaker = Box<dyn FnMut(SocketAddr, SocketAddr, &[u8]) + Send>;

/// Answers "port unreachable" a second: RFC 4443 section 2.4 (f) wants a limit.
const UNREACHABLE_PER_SECOND: u32 = 100;

/// A datagram that arrived: where it and the IP packet around it are in the frame.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(super) remote: IpAddr,
    pub(super) local: IpAddr,
    pub(super) packet: usize,
    pub(super) message: Range<usize>,
}

/// Who takes the datagrams of which port.
pub(super) struct Takers {
    takers: Vec<(u16, DatagramTaker)>,
    answers: ChallengeLimit,
}

impl Takers {
    pub(super) fn new(seed: u64) -> Self {
        let answers = ChallengeLimit::new(UNREACHABLE_PER_SECOND, Prng::new(seed));
        Self { takers: Vec::new(), answers }
    }
}

impl<P: Port> Link<P> {
    /// Has the datagrams for a port given to `take`, instead of whoever took them before.
    pub(crate) fn take_datagrams(&mut self, port: u16, take: DatagramTaker) {
        self.datagrams.takers.retain(|(taken, _)| *taken != port);
        self.datagrams.takers.push((port, take));
    }

    pub(super) fn datagram(&mut self, datagram: &Datagram, frame: &[u8]) -> Result<(), Reason> {
        let Datagram { remote, local, packet, ref message } = *datagram;
        let bytes = &frame[message.clone()];
        let view = udp::View::new(bytes)?;
        let length = udp::HEADER_LENGTH + view.payload().len();
        let pseudo = match (remote, local) {
            // Of a length that fits a frame.
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                Sum::pseudo_v4(from, to, protocol::UDP, length as u16)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                Sum::pseudo_v6(from, to, protocol::UDP, length as u32)
            }
            _ => return Err(Reason::Malformed),
        };
        // RFC 8200 section 8.1: over IPv6 there has to be a checksum.
        let without = view.has_no_checksum();
        let right = if without { local.is_ipv4() } else { view.verifies(pseudo) };
        if !right && !self.caps.checksums_verified {
            return Err(Reason::Checksum);
        }
        let header = view.repr();
        let taker = self.datagrams.takers.iter_mut().find(|(p, _)| *p == header.destination_port);
        if let Some((_, take)) = taker {
            let from = SocketAddr::new(remote, header.source_port);
            take(from, SocketAddr::new(local, header.destination_port), view.payload());
            return Ok(());
        }
        if self.datagrams.answers.allow(self.now) {
            self.refuse_datagram((local, remote), &frame[packet..message.end]);
        }
        Err(Reason::NoListener)
    }

    fn refuse_datagram(&mut self, (local, remote): (IpAddr, IpAddr), packet: &[u8]) {
        match (local, remote) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                let quoted = &packet[..packet.len().min(icmpv4::QUOTE_MAX)];
                let code = icmpv4::PORT_UNREACHABLE;
                let reply = icmpv4::Repr::Unreachable { code, mtu: 0, quoted };
                let length = reply.length();
                self.send_ip((local, remote), protocol::ICMPV4, length, |body| {
                    reply.emit(body).is_ok()
                });
            }
            (IpAddr::V6(own), IpAddr::V6(asker)) => {
                let quoted = &packet[..packet.len().min(icmpv6::QUOTE_MAX)];
                let code = icmpv6::PORT_UNREACHABLE;
                let reply = icmpv6::Repr::Unreachable { code, quoted };
                let length = reply.length();
                self.send_ip((local, remote), protocol::ICMPV6, length, |body| {
                    reply.emit(body, own, asker).is_ok()
                });
            }
            _ => {}
        }
    }
}
