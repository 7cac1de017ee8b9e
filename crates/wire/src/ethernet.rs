//! Ethernet II frames, with one IEEE 802.1Q tag and the service tag of 802.1ad before it read.
//! Invariant of a view: both addresses, the tags and the type of what follows are there.

use core::fmt;

use crate::field::{bytes_at, put};
use crate::{Malformed, NoRoom};

/// Bytes of a header without tags.
pub const HEADER_LENGTH: usize = 14;
/// Bytes a VLAN tag adds.
pub const TAG_LENGTH: usize = 4;

const TAG_8021Q: u16 = 0x8100;
const TAG_8021AD: u16 = 0x88a8;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everyone on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the address names more than one station (the broadcast address included).
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4, RFC 894.
    pub const IPV4: Self = Self(0x0800);
    /// ARP, RFC 826.
    pub const ARP: Self = Self(0x0806);
    /// IPv6, RFC 2464.
    pub const IPV6: Self = Self(0x86dd);
}

/// A VLAN tag's control information: 3 bits priority, 1 bit drop eligibility, 12 bits VLAN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub u16);

impl Tag {
    /// The VLAN, 0 to 4095.
    #[must_use]
    pub const fn vlan(self) -> u16 {
        self.0 & 0x0fff
    }
}

/// A frame that arrived.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    repr: Repr,
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads a frame, without the frame check sequence.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] when the header and its tags are not all there.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = bytes.split_first_chunk::<12>().ok_or(Malformed::Truncated)?;
        let (kind, rest) = take_u16(rest)?;
        let (service, kind, rest) = take_tag(TAG_8021AD, kind, rest)?;
        let (tag, kind, payload) = take_tag(TAG_8021Q, kind, rest)?;
        let (destination, source) = (Mac(bytes_at(header, 0)), Mac(bytes_at(header, 6)));
        let repr = Repr { destination, source, service, tag, kind: EtherType(kind) };
        Ok(Self { repr, payload })
    }

    /// The header as a value.
    #[must_use]
    pub const fn repr(&self) -> Repr {
        self.repr
    }

    /// What follows the header. Short frames are padded, so it may be longer than the packet in it.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

fn take_u16(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (value, rest) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
    Ok((u16::from_be_bytes(*value), rest))
}

/// The tag of kind `wanted`, if it is what comes next; then the type that follows it.
fn take_tag(wanted: u16, kind: u16, rest: &[u8]) -> Result<(Option<Tag>, u16, &[u8]), Malformed> {
    if kind != wanted {
        return Ok((None, kind, rest));
    }
    let (tag, rest) = take_u16(rest)?;
    let (kind, rest) = take_u16(rest)?;
    Ok((Some(Tag(tag)), kind, rest))
}

/// An Ethernet header as a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repr {
    /// The station it goes to.
    pub destination: Mac,
    /// The station it comes from.
    pub source: Mac,
    /// The service provider's tag, IEEE 802.1ad.
    pub service: Option<Tag>,
    /// The VLAN tag, IEEE 802.1Q.
    pub tag: Option<Tag>,
    /// What follows.
    pub kind: EtherType,
}

impl Repr {
    /// Bytes the header takes.
    #[must_use]
    pub const fn length(&self) -> usize {
        HEADER_LENGTH
            + self.service.is_some() as usize * TAG_LENGTH
            + self.tag.is_some() as usize * TAG_LENGTH
    }

    /// Writes the header and says how many bytes it took.
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than [`Repr::length`].
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let mut header = [0; HEADER_LENGTH + 2 * TAG_LENGTH];
        put(&mut header, 0, &self.destination.0);
        put(&mut header, 6, &self.source.0);
        let mut at = 12;
        for (ether_type, tag) in [(TAG_8021AD, self.service), (TAG_8021Q, self.tag)] {
            if let Some(tag) = tag {
                put(&mut header, at, &ether_type.to_be_bytes());
                put(&mut header, at + 2, &tag.0.to_be_bytes());
                at += TAG_LENGTH;
            }
        }
        put(&mut header, at, &self.kind.0.to_be_bytes());
        let length = at + 2;
        into.get_mut(..length).ok_or(NoRoom)?.copy_from_slice(&header[..length]);
        Ok(length)
    }
}
