//! What is left to be done of a frame, as it is said to whoever does it: the header before the frame,
//! `struct virtio_net_hdr` (virtio 1.2 section 5.1.6, linux/virtio_net.h), in the byte order of the
//! machine. Invariant: it is as long as the kernel thinks.

mod segment;

pub use segment::{HEADERS_MAX, Segment};

/// Bytes of the header.
pub const LENGTH: usize = 10;

/// The TCP checksum holds the sum of the pseudo-header; the rest is to be added.
const NEEDS_CHECKSUM: u8 = 1;
/// The checksum was looked at and is right.
const CHECKSUM_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
/// The place of the checksum in a TCP header.
const TCP_CHECKSUM_AT: u16 = 16;

/// What is said of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    flags: u8,
    gso: u8,
    /// Bytes of all headers.
    headers: u16,
    /// Bytes of payload of each segment that the frame is to be cut into.
    pub segment: u16,
    checksum_start: u16,
    checksum_offset: u16,
}

impl Header {
    /// A TCP segment whose header starts at `tcp` and whose checksum is to be completed.
    #[must_use]
    pub const fn tcp(tcp: u16) -> Self {
        Self {
            flags: NEEDS_CHECKSUM,
            gso: GSO_NONE,
            headers: 0,
            segment: 0,
            checksum_start: tcp,
            checksum_offset: TCP_CHECKSUM_AT,
        }
    }

    /// One that is to be cut into segments of `segment` bytes besides; all headers together take
    /// `headers` bytes.
    #[must_use]
    pub const fn tcp_to_be_cut(tcp: u16, headers: u16, segment: u16, ipv6: bool) -> Self {
        let gso = if ipv6 { GSO_TCPV6 } else { GSO_TCPV4 };
        Self { gso, headers, segment, ..Self::tcp(tcp) }
    }

    /// Whether the frame stands for several segments.
    #[must_use]
    pub const fn is_to_be_cut(self) -> bool {
        self.gso != GSO_NONE
    }

    /// Whether the kernel vouches for the checksum: it was looked at, or the bytes come from this
    /// machine's own memory and none was made yet.
    #[must_use]
    pub const fn vouches_for_checksum(self) -> bool {
        self.flags & (NEEDS_CHECKSUM | CHECKSUM_VALID) != 0
    }

    /// The header as it is written before the frame.
    #[must_use]
    pub fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [self.flags, self.gso, 0, 0, 0, 0, 0, 0, 0, 0];
        let fields = [self.headers, self.segment, self.checksum_start, self.checksum_offset];
        for (place, field) in bytes[2..].as_chunks_mut::<2>().0.iter_mut().zip(fields) {
            *place = field.to_ne_bytes();
        }
        bytes
    }

    /// What such a header says.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        let [flags, gso, a, b, c, d, e, f, g, h] = bytes;
        Self {
            flags,
            gso,
            headers: u16::from_ne_bytes([a, b]),
            segment: u16::from_ne_bytes([c, d]),
            checksum_start: u16::from_ne_bytes([e, f]),
            checksum_offset: u16::from_ne_bytes([g, h]),
        }
    }
}
