//! ICMP and ICMPv6: echo is answered (RFC 1122 section 3.2.2.6, RFC 4443 section 4.2), errors are
//! passed to the connection they speak of. Invariant: no error is answered with an error.

use core::net::{IpAddr, Ipv6Addr};

use port::Port;
use wire::ethernet::{EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::quoted::Quoted;
use wire::{icmpv4, icmpv6, ipv4, ipv6};

use super::Link;
use super::control::{Complaint, Trouble};
use super::output::HOP_LIMIT;
use crate::drops::Reason;

/// What may pass: with unreachable networks and hosts also time exceeded and parameter problems (RFC 9293
/// section 3.9.2.2).
const SOFT: Trouble = Trouble::Unreachable { hard: false };

impl<P: Port> Link<P> {
    pub(super) fn icmpv4(
        &mut self,
        header: &ipv4::Repr,
        message: &icmpv4::Repr<'_>,
    ) -> Result<Option<Complaint>, Reason> {
        match *message {
            icmpv4::Repr::EchoRequest { identifier, sequence, data } => {
                let reply = icmpv4::Repr::EchoReply { identifier, sequence, data };
                let (own, asker) = (header.destination, header.source);
                self.send_ip(
                    (own.into(), asker.into()),
                    protocol::ICMPV4,
                    reply.length(),
                    |body| reply.emit(body).is_ok(),
                );
                Ok(None)
            }
            icmpv4::Repr::Unreachable { code, mtu, quoted } => {
                let about = Quoted::parse_v4(quoted)?;
                let what = match code {
                    icmpv4::FRAGMENTATION_NEEDED => Trouble::TooBig { mtu },
                    // RFC 1122 section 4.2.3.9: hard errors.
                    icmpv4::PROTOCOL_UNREACHABLE | icmpv4::PORT_UNREACHABLE => {
                        Trouble::Unreachable { hard: true }
                    }
                    _ => SOFT,
                };
                Ok(Some(Complaint { about, what }))
            }
            icmpv4::Repr::TimeExceeded { quoted, .. }
            | icmpv4::Repr::ParameterProblem { quoted, .. } => {
                Ok(Some(Complaint { about: Quoted::parse_v4(quoted)?, what: SOFT }))
            }
            icmpv4::Repr::EchoReply { .. } => Ok(None),
        }
    }

    pub(super) fn icmpv6(
        &mut self,
        header: &ipv6::Repr,
        message: &icmpv6::Repr<'_>,
        from: Mac,
    ) -> Result<Option<Complaint>, Reason> {
        match *message {
            icmpv6::Repr::EchoRequest { identifier, sequence, data } => {
                let own = IpAddr::V6(header.destination);
                if !self.addresses.contains(own) {
                    return Err(Reason::NotForUs);
                }
                let reply = icmpv6::Repr::EchoReply { identifier, sequence, data };
                let (own, asker) = (header.destination, header.source);
                let length = reply.length();
                self.send_ip((own.into(), asker.into()), protocol::ICMPV6, length, |body| {
                    reply.emit(body, own, asker).is_ok()
                });
                Ok(None)
            }
            icmpv6::Repr::PacketTooBig { mtu, quoted } => {
                let about = Quoted::parse_v6(quoted)?;
                let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                Ok(Some(Complaint { about, what: Trouble::TooBig { mtu } }))
            }
            icmpv6::Repr::Unreachable { code, quoted } => {
                let about = Quoted::parse_v6(quoted)?;
                let hard = code == icmpv6::PORT_UNREACHABLE || code == icmpv6::PROHIBITED;
                Ok(Some(Complaint { about, what: Trouble::Unreachable { hard } }))
            }
            icmpv6::Repr::Ndisc(ref message) => self.ndisc(header, message, from).map(|()| None),
            icmpv6::Repr::TimeExceeded { quoted, .. }
            | icmpv6::Repr::ParameterProblem { quoted, .. } => {
                Ok(Some(Complaint { about: Quoted::parse_v6(quoted)?, what: SOFT }))
            }
            icmpv6::Repr::EchoReply { .. } => Ok(None),
        }
    }

    /// Sends an ICMPv6 message straight to a station on the link.
    pub(super) fn send_icmpv6(
        &mut self,
        mac: Mac,
        (source, destination): (Ipv6Addr, Ipv6Addr),
        hop_limit: u8,
        message: &icmpv6::Repr<'_>,
    ) {
        let length = message.length();
        let header = ipv6::Repr {
            source,
            destination,
            protocol: protocol::ICMPV6,
            hop_limit,
            dscp: 0,
            ecn: Ecn::NotCapable,
            flow_label: 0,
            payload_length: length as u16,
        };
        let total = ipv6::HEADER_LENGTH + length;
        debug_assert!(hop_limit >= HOP_LIMIT);
        self.send_frame(mac, EtherType::IPV6, total, |_, packet| {
            let Some((head, body)) = packet.split_at_mut_checked(ipv6::HEADER_LENGTH) else {
                return false;
            };
            header.emit(head).is_ok() && message.emit(body, source, destination).is_ok()
        });
    }
}
