//! A request's head: where it ends ([`scan`]) and what it says ([`parse`]), RFC 9112 sections 2 to 5.
//!
//! Invariants: nothing is parsed before the head is whole, each byte is looked at by [`scan`] once
//! however it dribbles, and whether a request is refused does not depend on how its bytes arrived.

use core::mem::MaybeUninit;

use memchr::{memchr, memchr_iter};

use crate::framing::{self, Expect, Framing};
use crate::target::{self, Target};
use crate::{Header, Method, Reason, Settings, Version};

/// What a request line has besides the target, with the longest method that is not absurd.
const REQUEST_LINE_EXTRA: usize = 32 + b"  HTTP/1.1\r\n".len();

/// How much of a head is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scan {
    /// All of it: this many bytes.
    Complete(usize),
    /// The end is still to come; it is not in the first bytes, this many.
    Partial(usize),
    /// It will not be accepted, whatever comes.
    Refused(Reason),
}

/// Looks for the end of the head that begins with `bytes`, of which the first `scanned` are known
/// not to have it. `bytes` is not empty and does not begin with an empty line.
pub(crate) fn scan(bytes: &[u8], scanned: usize, settings: &Settings) -> Scan {
    if !is_token_byte(bytes[0]) && bytes != b"\r" {
        return Scan::Refused(Reason::Syntax);
    }
    let header_limit = settings.header_bytes as usize;
    let line_limit = (settings.target_bytes as usize + REQUEST_LINE_EXTRA).min(header_limit);
    if bytes.len() > line_limit && memchr(b'\n', &bytes[..line_limit]).is_none() {
        return Scan::Refused(Reason::TargetLength);
    }
    let end = bytes.len().min(header_limit);
    for found in memchr_iter(b'\n', &bytes[scanned.min(end)..end]) {
        let line_feed = scanned + found;
        match bytes[..line_feed] {
            // An empty line: the line feed before this one was found to follow a CR.
            [.., b'\n', b'\r'] => return Scan::Complete(line_feed + 1),
            [.., b'\r'] => {}
            // RFC 9112 section 2.2 lets a recipient take a bare LF for a line's end. Whoever does
            // not agree with the next in a chain about it can be made to see another request.
            _ => return Scan::Refused(Reason::Syntax),
        }
    }
    if bytes.len() > header_limit {
        return Scan::Refused(Reason::HeaderSize);
    }
    Scan::Partial(end)
}

/// A head that was accepted.
#[derive(Debug)]
pub(crate) struct Head<'h, 'b> {
    pub method: Method<'b>,
    pub target: Target<'b>,
    pub host: &'b str,
    pub version: Version,
    pub lines: &'h [Header<'b>],
    pub framing: Framing,
    pub keep_alive: bool,
    pub expect: Expect,
}

/// Reads a whole head: exactly the bytes that [`scan`] found. `lines` is where its header lines go.
pub(crate) fn parse<'h, 'b>(
    bytes: &'b [u8],
    lines: &'h mut [MaybeUninit<Header<'b>>],
    settings: &Settings,
) -> Result<Head<'h, 'b>, Reason> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, lines) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Reason::Syntax),
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::HeaderCount),
        Err(httparse::Error::Version) => return Err(version_error(bytes)),
        Err(_) => return Err(Reason::Syntax),
    }
    let (Some(method), Some(path), Some(version)) = (request.method, request.path, request.version)
    else {
        return Err(Reason::Syntax);
    };
    if path.len() > settings.target_bytes as usize {
        return Err(Reason::TargetLength);
    }
    let method = Method::new(method);
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let lines: &'h [Header<'b>] = request.headers;
    let target = target::parse(method, path)?;
    let fields = framing::Fields::collect(lines)?;
    let host = host(&target, fields.host, version)?;
    Ok(Head {
        method,
        target,
        host,
        version,
        lines,
        framing: fields.framing(version)?,
        keep_alive: fields.keep_alive(version),
        expect: fields.expect(version),
    })
}

/// The host asked for. A target's own authority replaces what `Host` says (RFC 9112 section 3.2.2),
/// but a malformed `Host` is refused all the same (section 3.2).
fn host<'b>(
    target: &Target<'b>,
    field: Option<&'b [u8]>,
    version: Version,
) -> Result<&'b str, Reason> {
    let field = match field {
        Some(value) => target::host(value).ok_or(Reason::Host)?,
        None if version == Version::Http10 => "",
        None => return Err(Reason::Host),
    };
    Ok(target.authority.unwrap_or(field))
}

/// A version that could not be read: one of another protocol, or none at all.
fn version_error(head: &[u8]) -> Reason {
    let line = memchr(b'\r', head).map_or(head, |end| &head[..end]);
    match line {
        [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit()
                && minor.is_ascii_digit()
                && line.iter().filter(|&&byte| byte == b' ').count() == 2 =>
        {
            Reason::Version
        }
        _ => Reason::Syntax,
    }
}

/// A byte of a token (RFC 9110 section 5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}
