//! The head of an answer: where it ends, and what it says about the body (RFC 9112 6.3) and the
//! connection (9.3). Invariant: a head that could be read in two ways is refused.

use crate::ErrorKind;

/// Most header lines of a head.
const HEADERS: usize = 128;

/// What a head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Whether the connection stays open after the answer.
    pub keep_alive: bool,
    /// Where the body ends.
    pub framing: Framing,
    /// Bytes of the head itself.
    pub length: u32,
}

/// Where a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Head {
    /// Whether another head follows for the same request.
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// The length of the head at the start of `rx`, if its end is there. The first `searched` bytes
/// have been searched before.
pub(super) fn find_end(rx: &[u8], searched: usize) -> Option<usize> {
    // The end may have begun three bytes before what is new.
    let mut from = searched.saturating_sub(3);
    while let Some(at) = memchr::memchr(b'\n', rx.get(from..)?) {
        let next = from + at + 1;
        match rx.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            _ => from = next,
        }
    }
    None
}

/// Whether what is there of a head can still become one.
pub(super) fn can_begin(rx: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let length = rx.len().min(START.len());
    rx[..length] == START[..length]
}

/// Reads a whole head.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, ErrorKind> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(ErrorKind::HeadTooLarge),
        _ => return Err(ErrorKind::Garbage),
    }
    let status = response.code.ok_or(ErrorKind::Garbage)?;
    let mut facts = Facts::default();
    for header in response.headers.iter() {
        facts.note(header).ok_or(ErrorKind::Garbage)?;
    }
    // 101 would change the protocol, which nobody asked for.
    if !(100..1_000).contains(&status) || status == 101 {
        return Err(ErrorKind::Garbage);
    }
    Ok(Head {
        status,
        keep_alive: !facts.close && (response.version == Some(1) || facts.keep_alive),
        framing: facts.framing(status).ok_or(ErrorKind::Garbage)?,
        length: bytes.len() as u32,
    })
}

#[derive(Default)]
struct Facts {
    length: Option<u64>,
    coded: bool,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Facts {
    /// Takes in a header line; `None` when it contradicts what was before or cannot be read.
    fn note(&mut self, header: &httparse::Header<'_>) -> Option<()> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            for element in list(header.value) {
                let length = number(element)?;
                if self.length.is_some_and(|before| before != length) {
                    return None;
                }
                self.length = Some(length);
            }
            self.length?;
        } else if is("transfer-encoding") {
            for coding in list(header.value) {
                // Only the last coding may be chunked.
                if self.chunked {
                    return None;
                }
                self.coded = true;
                self.chunked = coding.eq_ignore_ascii_case(b"chunked");
            }
        } else if is("connection") {
            for option in list(header.value) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Some(())
    }

    /// RFC 9112 6.3, but for answers to HEAD; a length beside a coding is refused.
    const fn framing(&self, status: u16) -> Option<Framing> {
        Some(match (self.coded, self.length) {
            _ if status < 200 || status == 204 || status == 304 => Framing::None,
            (true, Some(_)) => return None,
            (true, None) if self.chunked => Framing::Chunked,
            (true, None) | (false, None) => Framing::UntilClose,
            (false, Some(length)) => Framing::Length(length),
        })
    }
}

/// The elements of a comma-separated list that are not empty.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
