//! The header fields that decide where a message ends and what becomes of the connection:
//! RFC 9112 sections 6 and 9.3, RFC 9110 sections 7.6.1, 8.6 and 10.1.1.
//!
//! Invariant: a length that could be read in two ways is never read in either.

use crate::{Header, Reason, Version};

/// How a request's body is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// This many bytes; zero for a request without a body.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
}

/// What `Expect` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    Nothing,
    /// 100 (Continue), before the body is sent.
    Continue,
    /// Something this server does not know.
    Unknown,
}

/// The values of those fields, as they stand in one head.
#[derive(Default)]
pub(crate) struct Fields<'b> {
    pub host: Option<&'b [u8]>,
    content_length: Option<&'b [u8]>,
    coding: Coding,
    expect: Option<&'b [u8]>,
    says_close: bool,
    says_keep_alive: bool,
}

/// The transfer codings, taken together over all lines.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Coding {
    /// There is no `Transfer-Encoding`.
    #[default]
    None,
    /// `chunked` and nothing else.
    Chunked,
    /// `chunked` last, others before it.
    OthersThenChunked,
    /// The last is not `chunked`.
    Other,
}

impl<'b> Fields<'b> {
    /// Finds the fields among the header lines.
    pub fn collect(lines: &[Header<'b>]) -> Result<Self, Reason> {
        let mut fields = Self::default();
        for line in lines {
            // By length first: most lines are told apart by it alone.
            match line.name.len() {
                4 if line.name.eq_ignore_ascii_case("host") => {
                    only(&mut fields.host, line.value, Reason::Host)?;
                }
                6 if line.name.eq_ignore_ascii_case("expect") => {
                    only(&mut fields.expect, line.value, Reason::Expectation)?;
                }
                10 if line.name.eq_ignore_ascii_case("connection") => {
                    fields.add_connection(line.value);
                }
                14 if line.name.eq_ignore_ascii_case("content-length") => {
                    only(&mut fields.content_length, line.value, Reason::Framing)?;
                }
                17 if line.name.eq_ignore_ascii_case("transfer-encoding") => {
                    fields.add_codings(line.value)?;
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    fn add_connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.says_close |= token.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn add_codings(&mut self, value: &[u8]) -> Result<(), Reason> {
        for coding in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.coding = match (self.coding, is_chunked) {
                // Empty elements are legal in a list; here they only serve to confuse.
                _ if coding.is_empty() => return Err(Reason::Framing),
                (Coding::None, true) => Coding::Chunked,
                (Coding::Other, true) => Coding::OthersThenChunked,
                (Coding::None | Coding::Other, false) => Coding::Other,
                // Nothing may follow chunked, itself included.
                (Coding::Chunked | Coding::OthersThenChunked, _) => return Err(Reason::Framing),
            };
        }
        Ok(())
    }

    /// How the body is framed (RFC 9112 section 6.3).
    pub fn framing(&self, version: Version) -> Result<Framing, Reason> {
        match (self.coding, self.content_length) {
            (Coding::None, None) => Ok(Framing::Length(0)),
            (Coding::None, Some(digits)) => length(digits).map(Framing::Length),
            // Both: one of the two senders meant something else (section 6.1).
            (_, Some(_)) => Err(Reason::Framing),
            // HTTP/1.0 has no transfer codings; who sends one anyway is not to be trusted with it.
            _ if version == Version::Http10 => Err(Reason::Framing),
            (Coding::Chunked, None) => Ok(Framing::Chunked),
            (Coding::OthersThenChunked, None) => Err(Reason::TransferCoding),
            // The length cannot be known (section 6.3, item 4).
            (Coding::Other, None) => Err(Reason::Framing),
        }
    }

    /// Whether the client wants the connection kept (RFC 9112 section 9.3).
    pub const fn keep_alive(&self, version: Version) -> bool {
        match version {
            _ if self.says_close => false,
            Version::Http11 => true,
            Version::Http10 => self.says_keep_alive,
        }
    }

    /// What is expected. An HTTP/1.0 client cannot expect anything (RFC 9110 section 10.1.1).
    pub fn expect(&self, version: Version) -> Expect {
        match self.expect {
            Some(_) if version == Version::Http10 => Expect::Nothing,
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Expect::Continue,
            Some(_) => Expect::Unknown,
            None => Expect::Nothing,
        }
    }
}

/// Keeps the value of a field that may stand in a head only once.
fn only<'b>(slot: &mut Option<&'b [u8]>, value: &'b [u8], reason: Reason) -> Result<(), Reason> {
    if slot.replace(value).is_some() { Err(reason) } else { Ok(()) }
}

/// `Content-Length = 1*DIGIT`. A list of equal numbers is refused like any other list.
fn length(digits: &[u8]) -> Result<u64, Reason> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::Framing);
    }
    digits
        .iter()
        .try_fold(0_u64, |number, byte| number.checked_mul(10)?.checked_add(u64::from(byte - b'0')))
        .ok_or(Reason::Framing)
}
