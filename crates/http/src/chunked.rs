//! The chunked transfer coding, decoded (RFC 9112 section 7.1): one byte of framing at a time, so
//! that nothing of it is ever read twice or kept.
//!
//! Invariant: only what the grammar allows is accepted. Every line ends with CRLF, an extension or
//! a trailer has no control character in it, and both are bounded.

use crate::Reason;
use crate::head::is_token_byte;

/// Most bytes of extension on one chunk. Signatures of stored objects take about 90.
const EXTENSION_BYTES: u32 = 256;
/// Most bytes in all trailer lines.
const TRAILER_BYTES: u32 = 8 * 1024;
/// Most digits in a chunk's size: what 64 bits can say.
const SIZE_DIGITS: u32 = 16;

/// Where in the coding the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// The first digit of a size.
    FirstDigit,
    /// A further digit, or what follows them.
    Digit,
    /// Whitespace between the size and an extension.
    Space,
    /// An extension.
    Extension,
    /// The LF of the line with the size.
    SizeEnd,
    /// The chunk's data.
    Data,
    /// The CR after the data.
    DataCr,
    /// The LF after the data.
    DataLf,
    /// The beginning of a line after the last chunk.
    TrailerStart,
    /// The name of a trailer field.
    TrailerName,
    /// The value of a trailer field.
    TrailerValue,
    /// The LF of a trailer line.
    TrailerEnd,
    /// The LF of the last, empty line.
    LastLf,
    /// After everything.
    Done,
}

/// The state of decoding one body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chunked {
    at: At,
    /// The size read so far, or what is left of the chunk's data.
    left: u64,
    /// Digits of the size, or bytes of the extension or of all trailers, read so far.
    count: u32,
}

impl Chunked {
    /// Before the first chunk.
    pub const fn new() -> Self {
        Self { at: At::FirstDigit, left: 0, count: 0 }
    }

    /// Whether everything was read, the last empty line included.
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Takes the next piece of data out of `input`, with all framing before it. An empty piece:
    /// the body has ended, or there is no more of it in `input`.
    pub fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<&'b [u8], Reason> {
        while let Some((&byte, rest)) = input.split_first() {
            match self.at {
                At::Data => return Ok(self.data(input)),
                At::Done => break,
                _ => {
                    self.at = self.step(byte)?;
                    *input = rest;
                }
            }
        }
        Ok(&[])
    }

    fn data<'b>(&mut self, input: &mut &'b [u8]) -> &'b [u8] {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (piece, rest) = input.split_at(length);
        *input = rest;
        self.left -= length as u64;
        if self.left == 0 {
            self.at = At::DataCr;
        }
        piece
    }

    /// Takes one byte of framing.
    fn step(&mut self, byte: u8) -> Result<At, Reason> {
        match (self.at, byte) {
            (At::FirstDigit, _) => {
                self.left = 0;
                self.count = 0;
                self.digit(byte)
            }
            (At::Digit, b'\r') => Ok(At::SizeEnd),
            (At::Digit | At::Space, b';') => {
                self.count = 0;
                Ok(At::Extension)
            }
            (At::Digit | At::Space, b' ' | b'\t') => self.counted(EXTENSION_BYTES, At::Space),
            (At::Digit, _) => self.digit(byte),
            (At::Extension, b'\r') => Ok(At::SizeEnd),
            (At::Extension, _) if is_field_byte(byte) => {
                self.counted(EXTENSION_BYTES, At::Extension)
            }
            (At::SizeEnd, b'\n') => {
                self.count = 0;
                Ok(if self.left == 0 { At::TrailerStart } else { At::Data })
            }
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::FirstDigit),
            (At::TrailerStart, b'\r') => Ok(At::LastLf),
            (At::TrailerStart | At::TrailerName, _) if is_token_byte(byte) => {
                self.counted(TRAILER_BYTES, At::TrailerName)
            }
            (At::TrailerName, b':') => self.counted(TRAILER_BYTES, At::TrailerValue),
            (At::TrailerValue, b'\r') => Ok(At::TrailerEnd),
            (At::TrailerValue, _) if is_field_byte(byte) => {
                self.counted(TRAILER_BYTES, At::TrailerValue)
            }
            (At::TrailerEnd, b'\n') => Ok(At::TrailerStart),
            (At::LastLf, b'\n') => Ok(At::Done),
            _ => Err(Reason::Chunk),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<At, Reason> {
        let digit = (byte as char).to_digit(16).ok_or(Reason::Chunk)?;
        self.left = self.left << 4 | u64::from(digit);
        self.counted(SIZE_DIGITS, At::Digit)
    }

    fn counted(&mut self, most: u32, next: At) -> Result<At, Reason> {
        self.count += 1;
        if self.count > most { Err(Reason::Chunk) } else { Ok(next) }
    }
}

/// A byte of a field's value or an extension: visible, obs-text, space or tab.
const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
