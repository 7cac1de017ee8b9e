//! The TCP header, RFC 9293 section 3.1. Invariant of a view: the data offset is possible and
//! header, options and payload lie inside the bytes given.

mod flags;
mod options;

pub use flags::Flags;
pub use options::{Options, SACK_BLOCKS_MAX, SackBlock, SackBlocks, Timestamps};

use base::Seq;

use crate::checksum::Sum;
use crate::field::{put, u16_at, u32_at};
use crate::{Malformed, NoRoom};

/// Bytes of a header without options.
pub const HEADER_LENGTH: usize = 20;
/// Bytes of a header with as many options as it can have.
pub const HEADER_LENGTH_MAX: usize = 60;

/// A segment that arrived.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LENGTH],
    bytes: &'a [u8],
    /// Where the payload starts; not past the end of `bytes`.
    offset: usize,
}

impl<'a> View<'a> {
    /// Reads a segment: all of the IP packet's payload.
    ///
    /// # Errors
    /// When the data offset is below 5 words or past the end of the bytes. Checksum and options
    /// are not looked at here.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
        let offset = usize::from(header[12] >> 4) * 4;
        if offset < HEADER_LENGTH {
            return Err(Malformed::Length);
        }
        if offset > bytes.len() {
            return Err(Malformed::Truncated);
        }
        Ok(Self { header, bytes, offset })
    }

    /// Whether the checksum is right, given the sum of the pseudo-header.
    #[must_use]
    pub fn verifies(&self, pseudo: Sum) -> bool {
        //= specs/rfc9293.txt#section-3.1
        //# The sender MUST generate it (MUST-2) and the receiver MUST check it (MUST-3).
        pseudo.bytes(self.bytes).verifies()
    }

    /// Whether the checksum field holds the sum of the pseudo-header and nothing else: what a host
    /// writes there that leaves the checksum to its network device.
    #[must_use]
    pub const fn is_left_to_device(&self, pseudo: Sum) -> bool {
        u16_at(self.header, 16) == !pseudo.finish()
    }

    /// The sender's port.
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        u16_at(self.header, 0)
    }

    /// The receiver's port.
    #[must_use]
    pub const fn destination_port(&self) -> u16 {
        u16_at(self.header, 2)
    }

    /// The control bits.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        Flags(self.header[13])
    }

    /// What follows the header.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// The header as a value, with the options that are known.
    #[must_use]
    pub fn repr(&self) -> Repr {
        Repr {
            source_port: self.source_port(),
            destination_port: self.destination_port(),
            sequence: Seq(u32_at(self.header, 4)),
            acknowledgment: Seq(u32_at(self.header, 8)),
            flags: self.flags(),
            //= specs/rfc9293.txt#section-3.1
            //# The window size MUST be treated as an unsigned number, or else large window sizes
            //# will appear like negative windows and TCP will not work (MUST-1).
            window: u16_at(self.header, 14),
            urgent: u16_at(self.header, 18),
            options: Options::parse(&self.bytes[HEADER_LENGTH..self.offset]),
        }
    }
}

/// A header that only acknowledges, with timestamps or without any option, of a segment with or without
/// text or FIN: most headers. Whether PSH is set means nothing to its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plain {
    /// SEG.SEQ.
    pub sequence: Seq,
    /// SEG.ACK.
    pub acknowledgment: Seq,
    /// Whether the FIN bit is set.
    pub fin: bool,
    /// SEG.WND as it is on the wire.
    pub window: u16,
    /// The timestamps.
    pub timestamps: Option<Timestamps>,
}

/// A header as a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Repr {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// SEG.SEQ: number of the first byte, or of the SYN.
    pub sequence: Seq,
    /// SEG.ACK: the next number expected, when the ACK bit is set.
    pub acknowledgment: Seq,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND as it is on the wire, before any window scale.
    pub window: u16,
    /// SEG.UP, when the URG bit is set.
    pub urgent: u16,
    /// The options.
    pub options: Options,
}

impl From<Plain> for Repr {
    /// The header without ports, and without PSH.
    fn from(plain: Plain) -> Self {
        Self {
            sequence: plain.sequence,
            acknowledgment: plain.acknowledgment,
            flags: Flags::ACK.with_if(plain.fin, Flags::FIN),
            window: plain.window,
            options: Options { timestamps: plain.timestamps, ..Options::default() },
            ..Self::default()
        }
    }
}

impl Repr {
    /// The header as a plain one, if it is one.
    #[must_use]
    pub fn plain(&self) -> Option<Plain> {
        let timestamps = self.options.timestamps;
        let fin = self.flags.any(Flags::FIN);
        let plain = self.flags.without(Flags::PSH | Flags::FIN) == Flags::ACK
            && self.options == Options { timestamps, ..Options::default() };
        plain.then_some(Plain {
            sequence: self.sequence,
            acknowledgment: self.acknowledgment,
            fin,
            window: self.window,
            timestamps,
        })
    }

    /// Bytes the header takes.
    #[must_use]
    pub const fn length(&self) -> usize {
        HEADER_LENGTH + self.options.length()
    }

    /// Writes the header with a checksum of zero and says how many bytes it took. The payload goes
    /// behind it; then [`fill_checksum`] over all of it, unless the port does that.
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than [`Repr::length`].
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let length = self.length();
        let into = into.get_mut(..length).ok_or(NoRoom)?;
        let (header, options) = into.split_first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
        put(header, 0, &self.source_port.to_be_bytes());
        put(header, 2, &self.destination_port.to_be_bytes());
        put(header, 4, &self.sequence.0.to_be_bytes());
        put(header, 8, &self.acknowledgment.0.to_be_bytes());
        // Not above 60, so the quotient fits the four bits.
        put(header, 12, &[(length / 4) as u8 * 16, self.flags.0]);
        put(header, 14, &self.window.to_be_bytes());
        put(header, 16, &[0, 0]);
        put(header, 18, &self.urgent.to_be_bytes());
        self.options.emit(options);
        Ok(length)
    }
}

/// Sets the checksum of a segment whose checksum field is zero, given the sum of the pseudo-header.
/// Shorter than a header, it is left as it is.
pub fn fill_checksum(segment: &mut [u8], pseudo: Sum) {
    let checksum = pseudo.bytes(segment).finish();
    if let Some(header) = segment.first_chunk_mut::<HEADER_LENGTH>() {
        put(header, 16, &checksum.to_be_bytes());
    }
}
