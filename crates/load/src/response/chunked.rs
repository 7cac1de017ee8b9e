//! The chunked transfer coding, RFC 9112 7.1: [`Chunked`]. Invariant: no byte of it is held; sizes
//! and lines have bounds.

/// Most bytes of a chunk's extensions, and of all trailer lines.
const LINE_MOST: u16 = 16 * 1024;

/// Where in a chunked body a connection is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    /// In the size of a chunk.
    Size { value: u64, digits: u8 },
    /// In what follows the size, up to the end of the line.
    Extension { value: u64, bytes: u16 },
    /// In a chunk with so many bytes to come.
    Data(u64),
    /// Before the end of line that follows a chunk.
    DataEnd { carriage_return: bool },
    /// In the trailers; `line` counts the bytes of the line, but for a carriage return.
    Trailers { line: u16, bytes: u16 },
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Size { value: 0, digits: 0 }
    }
}

/// What came of reading.
pub(super) enum Progress {
    More,
    Whole,
    Broken,
}

impl Chunked {
    /// Reads from `rx`, giving the content to `take`. Says how many bytes are done with.
    pub fn read(&mut self, rx: &[u8], mut take: impl FnMut(&[u8])) -> (usize, Progress) {
        let mut at = 0;
        while at < rx.len() {
            if let Self::Data(left) = self {
                let rest = &rx[at..];
                let count = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                take(&rest[..count]);
                at += count;
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::DataEnd { carriage_return: false };
                }
                continue;
            }
            let byte = rx[at];
            at += 1;
            match self.line(byte) {
                Some(Line::On(next)) => *self = next,
                Some(Line::Last) => return (at, Progress::Whole),
                None => return (at, Progress::Broken),
            }
        }
        (at, Progress::More)
    }

    /// One byte of what is not content.
    fn line(self, byte: u8) -> Option<Line> {
        let next = match (self, byte) {
            (Self::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                let value = value.checked_mul(16)?.checked_add(u64::from(digit))?;
                Self::Size { value, digits: digits.checked_add(1)? }
            }
            (Self::Size { digits: 0, .. }, _) => return None,
            (Self::Size { value, .. } | Self::Extension { value, .. }, b'\n') => match value {
                0 => Self::Trailers { line: 0, bytes: 0 },
                _ => Self::Data(value),
            },
            (Self::Size { value, .. }, b'\r' | b';' | b' ' | b'\t') => {
                Self::Extension { value, bytes: 0 }
            }
            (Self::Extension { value, bytes }, _) if bytes < LINE_MOST => {
                Self::Extension { value, bytes: bytes + 1 }
            }
            (Self::DataEnd { carriage_return: false }, b'\r') => {
                Self::DataEnd { carriage_return: true }
            }
            (Self::DataEnd { .. }, b'\n') => Self::default(),
            (Self::Trailers { line: 0, .. }, b'\n') => return Some(Line::Last),
            (Self::Trailers { line: 0, bytes }, b'\r') => Self::Trailers { line: 0, bytes },
            (Self::Trailers { bytes, .. }, b'\n') => Self::Trailers { line: 0, bytes },
            (Self::Trailers { line, bytes }, _) if bytes < LINE_MOST => {
                Self::Trailers { line: line + 1, bytes: bytes + 1 }
            }
            _ => return None,
        };
        Some(Line::On(next))
    }
}

enum Line {
    On(Chunked),
    /// The body is over.
    Last,
}
