//! Heads that were seen before: [`Shapes`]. A server answers the same question with the same head
//! over and over, only its date moves on; comparing is several times faster than parsing.
//! Invariant: a head is taken as known only when a parse of it could not come out otherwise.

use super::Head;
use std::ops::Range;

/// The head seen last.
#[derive(Debug, Default)]
pub struct Shapes {
    bytes: Vec<u8>,
    /// Where in it the value of `Date` is. That may differ, as long as it is one line.
    date: Range<usize>,
    head: Head,
}

impl Shapes {
    /// What the head at the start of `rx` says, if it is the one seen last.
    #[inline]
    pub(super) fn known(&self, rx: &[u8]) -> Option<Head> {
        let length = self.bytes.len();
        if length == 0 || rx.len() < length {
            return None;
        }
        let Range { start, end } = self.date;
        let is_known = rx[..start] == self.bytes[..start]
            && rx[end..length] == self.bytes[end..]
            && (rx[start..end] == self.bytes[start..end] || is_text(&rx[start..end]));
        is_known.then_some(self.head)
    }

    /// Remembers a head and what it says.
    pub(super) fn learn(&mut self, bytes: &[u8], head: Head) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.date = date(bytes).unwrap_or(0..0);
        self.head = head;
    }
}

/// Whether all of `value` can be part of a header's value, and so ends no line.
fn is_text(value: &[u8]) -> bool {
    value.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// Where the value of `Date` is, without the blanks around it.
fn date(head: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        if line.len() > 5 && line[..5].eq_ignore_ascii_case(b"date:") {
            let value = line[5..].trim_ascii();
            let blanks = line[5..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let from = start + 5 + blanks;
            return Some(from..from + value.len());
        }
        start += line.len();
    }
    None
}
