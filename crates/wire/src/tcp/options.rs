//! TCP options: end of list, no-operation and maximum segment size (RFC 9293 section 3.2), window
//! scale and timestamps (RFC 7323), SACK permitted and SACK blocks (RFC 2018).
//!
//! Invariant: any bytes can be read. An option that is not known is skipped by its length; one that
//! is known and has another length than it must is ignored; at a length that is impossible
//! reading stops, with what was read before it kept.

use base::Seq;

/// SACK blocks that one header can carry (RFC 2018 section 3).
pub const SACK_BLOCKS_MAX: usize = 4;
/// Bytes of options that one header can carry.
const LENGTH_MAX: usize = 40;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// How nearly every segment of an established connection starts its options (RFC 7323 appendix A).
const ALIGNED_TIMESTAMPS: [u8; 4] = [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10];

/// The timestamps option, RFC 7323 section 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the receiver's clock, sent back; significant when the ACK bit is set.
    pub echo: u32,
}

/// A run of bytes that arrived, RFC 2018: from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlock {
    /// Left edge.
    pub start: Seq,
    /// Right edge.
    pub end: Seq,
}

/// Up to [`SACK_BLOCKS_MAX`] SACK blocks, in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; SACK_BLOCKS_MAX],
    count: u8,
}

impl SackBlocks {
    /// Appends a block and says whether there was room for it.
    pub fn push(&mut self, block: SackBlock) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.count)) else { return false };
        *slot = block;
        self.count += 1;
        true
    }

    /// The blocks.
    #[must_use]
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.count)]
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Keeps the first `count` blocks.
    pub fn truncate(&mut self, count: usize) {
        for block in self.blocks.iter_mut().skip(count) {
            *block = SackBlock::default();
        }
        self.count = self.count.min(count as u8);
    }
}

/// The options of one header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale, as it came: above 14 it counts as 14 (RFC 7323 section 2.3).
    pub window_scale: Option<u8>,
    /// Whether SACK blocks may be sent.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
}

impl Options {
    /// Bytes that timestamps take by themselves.
    pub const TIMESTAMPS_LENGTH: usize = 12;

    /// Reads the options that are known.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        //= specs/rfc9293.txt#section-3.1
        //# A given TCP implementation can support any currently defined options, but the following
        //# options MUST be supported (MUST-4
        let mut options = Self::default();
        let mut rest = bytes;
        if let Some((start, after)) = bytes.split_first_chunk::<12>()
            && start.starts_with(&ALIGNED_TIMESTAMPS)
        {
            options.timestamps = Some(read_timestamps(&[
                start[4], start[5], start[6], start[7], start[8], start[9], start[10], start[11],
            ]));
            rest = after;
        }
        //= specs/rfc9293.txt#section-3.1
        //# A TCP implementation MUST be able to receive a TCP Option in any segment (MUST-5).
        //= specs/rfc9293.txt#section-3.2
        //# There is no guarantee that senders will use this option, so receivers MUST be prepared
        //# to process options even if they do not begin on a word boundary (MUST-64).
        while let Some((&kind, after)) = rest.split_first() {
            match kind {
                END => break,
                NO_OPERATION => rest = after,
                _ => {
                    //= specs/rfc9293.txt#section-3.1
                    //# All TCP Options except End of Option List Option (EOL) and No-Operation
                    //# (NOP) MUST have length fields, including all future options (MUST-68).
                    let Some((&length, _)) = after.split_first() else { break };
                    let length = usize::from(length);
                    //= specs/rfc9293.txt#section-3.1
                    //# TCP implementations MUST be prepared to handle an illegal option length
                    //# (e.g., zero); a suggested procedure is to reset the connection and log the
                    //# error cause (MUST-7).
                    let Some(body) = rest.get(2..length) else { break };
                    options.read_one(kind, body);
                    rest = &rest[length..];
                }
            }
        }
        options
    }

    fn read_one(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (TIMESTAMPS, body) => {
                if let Ok(body) = body.try_into() {
                    self.timestamps = Some(read_timestamps(body));
                }
            }
            (SACK, body) => {
                let (blocks, rest) = body.as_chunks::<8>();
                if rest.is_empty() {
                    self.sack = SackBlocks::default();
                    for &[a, b, c, d, e, f, g, h] in blocks.iter().take(SACK_BLOCKS_MAX) {
                        let start = Seq(u32::from_be_bytes([a, b, c, d]));
                        let end = Seq(u32::from_be_bytes([e, f, g, h]));
                        self.sack.push(SackBlock { start, end });
                    }
                }
            }
            //= specs/rfc9293.txt#section-3.1
            //# A TCP implementation MUST (MUST-6) ignore without error any TCP Option it does not
            //# implement, assuming that the option has a length field.
            _ => {}
        }
    }

    /// SACK blocks that fit beside the other options.
    #[must_use]
    pub const fn sack_room(&self) -> usize {
        let room = (LENGTH_MAX - self.length_without_sack() - 4) / 8;
        if room < SACK_BLOCKS_MAX { room } else { SACK_BLOCKS_MAX }
    }

    /// Bytes the options take: a multiple of 4, at most 40. SACK blocks beyond
    /// [`Options::sack_room`] are left out.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length_without_sack()
            + match self.sack_count() {
                0 => 0,
                blocks => 4 + 8 * blocks,
            }
    }

    const fn sack_count(&self) -> usize {
        let (count, room) = (self.sack.count as usize, self.sack_room());
        if count < room { count } else { room }
    }

    const fn length_without_sack(&self) -> usize {
        let timestamps = match (self.timestamps.is_some(), self.sack_permitted) {
            // SACK permitted takes the place of the two no-operations before the timestamps.
            (true, _) => 12,
            (false, true) => 4,
            (false, false) => 0,
        };
        timestamps + 4 * (self.mss.is_some() as usize + self.window_scale.is_some() as usize)
    }

    /// Writes the options, in the order and with the padding that Linux uses, into exactly
    /// [`Options::length`] bytes.
    pub(super) fn emit(&self, into: &mut [u8]) {
        //= specs/rfc9293.txt#section-3.1
        //# The content of the header beyond the End of Option List Option MUST be header padding of
        //# zeros (MUST-69).
        let mut writer = Writer { rest: into };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            writer.put(&[MSS, 4, high, low]);
        }
        match (self.sack_permitted, self.timestamps.is_some()) {
            (true, true) => writer.put(&[SACK_PERMITTED, 2]),
            (true, false) => writer.put(&[NO_OPERATION, NO_OPERATION, SACK_PERMITTED, 2]),
            (false, true) => writer.put(&[NO_OPERATION, NO_OPERATION]),
            (false, false) => {}
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            writer.put(&[TIMESTAMPS, 10]);
            writer.put(&value.to_be_bytes());
            writer.put(&echo.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            writer.put(&[NO_OPERATION, WINDOW_SCALE, 3, shift]);
        }
        let count = self.sack_count();
        if count > 0 {
            writer.put(&[NO_OPERATION, NO_OPERATION, SACK, (2 + 8 * count) as u8]);
            for block in &self.sack.as_slice()[..count] {
                writer.put(&block.start.0.to_be_bytes());
                writer.put(&block.end.0.to_be_bytes());
            }
        }
    }
}

fn read_timestamps(&[a, b, c, d, e, f, g, h]: &[u8; 8]) -> Timestamps {
    let value = u32::from_be_bytes([a, b, c, d]);
    Timestamps { value, echo: u32::from_be_bytes([e, f, g, h]) }
}

/// Writes one piece after the other into a buffer that was measured before.
struct Writer<'a> {
    rest: &'a mut [u8],
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let rest = core::mem::take(&mut self.rest);
        let (now, later) = rest.split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        self.rest = later;
    }
}
