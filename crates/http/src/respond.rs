//! Writing an answer's head: RFC 9112 section 4, RFC 9110 sections 6.6.1 and 8.6.

use app::{Clock, Out};
use base::Instant;
use core::time::Duration;

use crate::Version;
use crate::date::{DATE_LENGTH, format_date};
use crate::status::reason_phrase;

/// The `Date` line, made anew once a second.
#[derive(Debug)]
pub(crate) struct DateLine {
    line: [u8; DateLine::LENGTH],
    unix: u64,
    /// When the line stops being true.
    until: Instant,
}

impl DateLine {
    const PREFIX: &[u8] = b"Date: ";
    const LENGTH: usize = Self::PREFIX.len() + DATE_LENGTH + b"\r\n".len();

    pub fn new() -> Self {
        let mut line = [0; Self::LENGTH];
        let (prefix, rest) = line.split_at_mut(Self::PREFIX.len());
        prefix.copy_from_slice(Self::PREFIX);
        rest[..DATE_LENGTH].copy_from_slice(&format_date(0));
        rest[DATE_LENGTH..].copy_from_slice(b"\r\n");
        Self { line, unix: 0, until: Instant::ZERO }
    }

    /// Whether the second the line was made for is over.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    pub fn renew(&mut self, clock: &Clock, now: Instant) {
        let time = clock.unix(now);
        self.unix = time.as_secs();
        self.until =
            now + (Duration::from_secs(1) - Duration::from_nanos(time.subsec_nanos().into()));
        let start = Self::PREFIX.len();
        self.line[start..start + DATE_LENGTH].copy_from_slice(&format_date(self.unix));
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(&self) -> u64 {
        self.unix
    }
}

/// An answer's head.
#[derive(Debug)]
pub(crate) struct ResponseHead<'a> {
    pub status: u16,
    pub connection: Connection,
    /// What `Content-Length` says, where there is one.
    pub content_length: Option<u64>,
    /// The service's lines.
    pub headers: &'a [u8],
    pub date: &'a DateLine,
}

/// What `Connection` says in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Connection {
    /// Nothing: kept open, as HTTP/1.1 does by itself.
    Kept,
    /// `keep-alive`, for a client that speaks HTTP/1.0.
    KeepAlive,
    /// `close`.
    Close,
}

impl Connection {
    /// To a client that speaks this version.
    pub const fn of(version: Version, close: bool) -> Self {
        match version {
            _ if close => Self::Close,
            Version::Http10 => Self::KeepAlive,
            Version::Http11 => Self::Kept,
        }
    }
}

impl ResponseHead<'_> {
    /// A status line with the longest reason phrase, `Date`, `Content-Length`, `Connection` and the
    /// empty line.
    const FIXED_BOUND: usize = 48 + DateLine::LENGTH + 40 + 24 + 2;

    /// A bound on the head's length, in bytes.
    pub const fn bound(&self) -> usize {
        Self::FIXED_BOUND + self.headers.len()
    }

    /// Puts the head into `out`, which has room for [`ResponseHead::bound`], and says how long it is.
    pub fn put(&self, out: &mut Out<'_>) -> usize {
        let length = self.write(out.space());
        out.advance(length);
        length
    }

    /// Writes the head to the beginning of `space`, which is at least [`ResponseHead::bound`] long,
    /// and says how long it is.
    pub fn write(&self, space: &mut [u8]) -> usize {
        debug_assert!(self.headers.is_empty() || self.headers.ends_with(b"\r\n"));
        let mut cursor = Cursor { space, at: 0 };
        if self.status == 200 {
            cursor.put(b"HTTP/1.1 200 OK\r\n");
        } else {
            cursor.put(b"HTTP/1.1 ");
            cursor.put_number(u64::from(self.status));
            cursor.put(b" ");
            cursor.put(reason_phrase(self.status).as_bytes());
            cursor.put(b"\r\n");
        }
        cursor.put(&self.date.line);
        cursor.put(self.headers);
        if let Some(length) = self.content_length {
            cursor.put(b"Content-Length: ");
            cursor.put_number(length);
            cursor.put(b"\r\n");
        }
        cursor.put(match self.connection {
            Connection::Kept => b"",
            Connection::KeepAlive => b"Connection: keep-alive\r\n".as_slice(),
            Connection::Close => b"Connection: close\r\n",
        });
        cursor.put(b"\r\n");
        cursor.at
    }
}

/// Writes into a slice that is known to be long enough.
struct Cursor<'a> {
    space: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.space[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    fn put_number(&mut self, number: u64) {
        let mut digits = [0; 20];
        self.put(decimal(number, &mut digits));
    }
}

/// A number's decimal digits.
pub(crate) fn decimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut left = number;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &digits[at..];
        }
    }
}
