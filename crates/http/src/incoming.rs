//! The body of a request on its way in: [`Incoming`].

use crate::Reason;
use crate::chunked::Chunked;
use crate::framing::Framing;

/// What is left of a request's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Incoming {
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
}

impl Incoming {
    /// The body of a request with this framing, none of it read.
    pub const fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::new()),
        }
    }

    /// Whether all of it was read.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
        }
    }

    /// How many bytes of content are left at least.
    pub const fn known_length(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(_) => 0,
        }
    }

    /// Takes the next piece of content out of `input`. An empty piece: the body has ended, or there
    /// is no more of it in `input`.
    pub fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<&'b [u8], Reason> {
        match self {
            Self::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let (piece, rest) = input.split_at(length);
                *left -= length as u64;
                *input = rest;
                Ok(piece)
            }
            Self::Chunked(chunked) => chunked.next(input),
        }
    }
}
