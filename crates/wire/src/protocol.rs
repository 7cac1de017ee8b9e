//! Protocol numbers of the IPv4 protocol and IPv6 next-header fields (IANA, "Assigned Internet
//! Protocol Numbers"), as far as they are read here.

/// ICMP for IPv4, RFC 792.
pub const ICMPV4: u8 = 1;
/// TCP, RFC 9293.
pub const TCP: u8 = 6;
/// UDP, RFC 768.
pub const UDP: u8 = 17;
/// ICMP for IPv6, RFC 4443.
pub const ICMPV6: u8 = 58;

/// The two ECN bits of the IP header, RFC 3168 section 5.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ecn {
    /// The transport does not take part.
    #[default]
    NotCapable,
    /// ECN-capable transport, codepoint ECT(1).
    Capable1,
    /// ECN-capable transport, codepoint ECT(0).
    Capable0,
    /// Congestion experienced.
    Congested,
}

impl Ecn {
    /// From the two low bits of the traffic class.
    #[must_use]
    pub const fn from_bits(traffic_class: u8) -> Self {
        match traffic_class & 0b11 {
            0b00 => Self::NotCapable,
            0b01 => Self::Capable1,
            0b10 => Self::Capable0,
            _ => Self::Congested,
        }
    }

    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotCapable => 0b00,
            Self::Capable1 => 0b01,
            Self::Capable0 => 0b10,
            Self::Congested => 0b11,
        }
    }
}
