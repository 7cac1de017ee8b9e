//! The parser of heads by itself: [`read_head`].

use alloc::string::String;
use core::mem::MaybeUninit;

use crate::framing::Framing;
use crate::head::{Scan, parse, scan};
use crate::settings::MAX_HEADER_LINES;
use crate::{Reason, Settings};

/// What an accepted head says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadFacts {
    /// How long the head is, in bytes.
    pub length: usize,
    /// The target's path.
    pub path: String,
    /// The host.
    pub host: String,
    /// The length of the body; `None` for a chunked one.
    pub content_length: Option<u64>,
}

/// Reads the head that `bytes` begin with. `None` when it is not all there.
///
/// # Errors
/// Why it is refused.
pub fn read_head(bytes: &[u8], settings: &Settings) -> Result<Option<HeadFacts>, Reason> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let length = match scan(bytes, 0, settings) {
        Scan::Complete(length) => length,
        Scan::Partial(_) => return Ok(None),
        Scan::Refused(reason) => return Err(reason),
    };
    let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADER_LINES as usize];
    let head = parse(&bytes[..length], &mut lines, settings)?;
    Ok(Some(HeadFacts {
        length,
        path: String::from(head.target.path),
        host: String::from(head.host),
        content_length: match head.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        },
    }))
}
