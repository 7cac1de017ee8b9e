//! What a line says, and how: [`Entry`].
//!
//! Invariant: what a client sent can neither end a line nor a field: control characters, quotes
//! and backslashes are escaped, and so is everything that is not ASCII.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use app::{Origin, Peer};
use http::{Request, Version};

use super::LogFormat;
use crate::date::Date;

/// What a line is about: a request, or less where none could be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) origin: Option<Origin>,
    /// Seconds since the epoch.
    pub(crate) unix: u64,
    pub(crate) request: Option<&'a Request<'a>>,
    /// Who it was, where a password was asked for and right.
    pub(crate) user: Option<&'a str>,
}

/// A line with room left for how the exchange ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Entry {
    text: Vec<u8>,
    /// Where the end of the exchange belongs.
    gap: usize,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) complete: bool,
    pub(crate) duration: Duration,
}

/// The status logged where a connection ended before an answer was sent: what other servers log
/// then.
const CLIENT_GONE: u16 = 499;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Entry {
    /// Begins a line, in place of what was here.
    pub(super) fn begin(&mut self, format: LogFormat, time: &mut Time, subject: &Subject<'_>) {
        self.text.clear();
        match format {
            LogFormat::Combined => self.begin_combined(time, subject),
            LogFormat::Json => self.begin_json(time, subject),
        }
    }

    /// Writes the whole line to the end of `into`.
    pub(super) fn finish(&self, format: LogFormat, ending: &Ending, into: &mut Vec<u8>) {
        let status = if ending.status == 0 { CLIENT_GONE } else { ending.status };
        let (head, tail) = self.text.split_at(self.gap);
        into.extend_from_slice(head);
        match format {
            LogFormat::Combined => {
                put_number(into, status.into());
                into.push(b' ');
                put_number(into, ending.bytes);
            }
            LogFormat::Json => {
                into.extend_from_slice(b"\"status\":");
                put_number(into, status.into());
                into.extend_from_slice(b",\"bytes\":");
                put_number(into, ending.bytes);
                into.extend_from_slice(if ending.complete {
                    b",\"complete\":true,\"duration_us\":".as_slice()
                } else {
                    b",\"complete\":false,\"duration_us\":"
                });
                put_number(into, u64::try_from(ending.duration.as_micros()).unwrap_or(u64::MAX));
            }
        }
        into.extend_from_slice(tail);
    }

    /// `peer - user [time] "request" status bytes "referer" "user agent"`
    fn begin_combined(&mut self, time: &mut Time, subject: &Subject<'_>) {
        let text = &mut self.text;
        put_peer(text, subject.origin);
        text.extend_from_slice(b" - ");
        match subject.user {
            // A space would look like the end of the field.
            Some(user) => user.as_bytes().split_inclusive(|&byte| byte == b' ').for_each(|part| {
                let word = part.strip_suffix(b" ");
                escape(word.unwrap_or(part), text);
                text.extend_from_slice(if word.is_some() { b"\\x20" } else { b"" });
            }),
            None => text.push(b'-'),
        }
        text.extend_from_slice(b" [");
        text.extend_from_slice(time.combined(subject.unix));
        text.extend_from_slice(b"] \"");
        match subject.request {
            Some(request) => {
                escape(request.method.name().as_bytes(), text);
                text.push(b' ');
                put_target(request, text, escape);
                text.extend_from_slice(b" HTTP/");
                text.extend_from_slice(version(request.version));
            }
            None => text.push(b'-'),
        }
        text.extend_from_slice(b"\" ");
        self.gap = text.len();
        for value in known(subject, ["referer", "user-agent"]) {
            text.extend_from_slice(b" \"");
            escape(value.unwrap_or(b"-"), text);
            text.push(b'"');
        }
        text.push(b'\n');
    }

    fn begin_json(&mut self, time: &mut Time, subject: &Subject<'_>) {
        let text = &mut self.text;
        text.extend_from_slice(b"{\"time\":\"");
        text.extend_from_slice(time.json(subject.unix));
        text.extend_from_slice(b"\",\"peer\":\"");
        put_peer(text, subject.origin);
        text.push(b'"');
        if let Some(Origin { peer: Peer::Inet(address), .. }) = subject.origin {
            text.extend_from_slice(b",\"port\":");
            put_number(text, address.port().into());
        }
        put_field(text, "user", subject.user.map(str::as_bytes));
        if let Some(request) = subject.request {
            put_field(text, "method", Some(request.method.name().as_bytes()));
            put_field(text, "host", Some(request.host.as_bytes()));
            text.extend_from_slice(b",\"target\":\"");
            put_target(request, text, put_json);
            text.extend_from_slice(b"\",\"version\":\"");
            text.extend_from_slice(version(request.version));
            text.push(b'"');
        }
        text.push(b',');
        self.gap = text.len();
        let [referer, user_agent] = known(subject, ["referer", "user-agent"]);
        put_field(text, "referer", referer);
        put_field(text, "user_agent", user_agent);
        text.extend_from_slice(b"}\n");
    }
}

/// The values of two headers.
fn known<'a>(subject: &Subject<'a>, names: [&str; 2]) -> [Option<&'a [u8]>; 2] {
    names.map(|name| subject.request.and_then(|request| request.headers.get(name)))
}

fn put_peer(text: &mut Vec<u8>, origin: Option<Origin>) {
    match origin.map(|origin| origin.peer) {
        Some(Peer::Inet(address)) => match address.ip().to_canonical() {
            IpAddr::V4(address) => {
                for (index, octet) in address.octets().into_iter().enumerate() {
                    text.extend_from_slice(if index == 0 { b"" } else { b"." });
                    put_number(text, octet.into());
                }
            }
            // Writing to a Vec cannot fail.
            IpAddr::V6(address) => drop(write!(text, "{address}")),
        },
        Some(Peer::Unix) => text.extend_from_slice(b"unix:"),
        None => text.push(b'-'),
    }
}

fn put_target(request: &Request<'_>, text: &mut Vec<u8>, put: fn(&[u8], &mut Vec<u8>)) {
    put(request.path.as_bytes(), text);
    if let Some(query) = request.query {
        text.push(b'?');
        put(query.as_bytes(), text);
    }
}

const fn version(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"1.0",
        Version::Http11 => b"1.1",
    }
}

fn put_number(text: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

/// Whether a byte stands for itself in both forms.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
}

/// How many bytes at the beginning stand for themselves: most often all.
fn plain(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !is_plain(byte)).unwrap_or(bytes.len())
}

/// Writes what a client sent with `\xHH` for everything but printable ASCII, for quotes and for
/// backslashes.
fn escape(bytes: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (clean, rest) = bytes.split_at(plain(bytes));
    text.extend_from_slice(clean);
    for &byte in rest {
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\') {
            text.push(byte);
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            text.extend_from_slice(b"\\x");
            text.extend_from_slice(&digits);
        }
    }
}

/// Writes `,"name":"value"`, or nothing without a value.
fn put_field(text: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        text.extend_from_slice(b",\"");
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b"\":\"");
        put_json(value, text);
        text.push(b'"');
    }
}

/// Header values need not be UTF-8; what is not is replaced.
fn put_json(value: &[u8], text: &mut Vec<u8>) {
    let (clean, rest) = value.split_at(plain(value));
    text.extend_from_slice(clean);
    if !rest.is_empty() {
        let mut escaped = String::new();
        crate::listing::escape_json(&String::from_utf8_lossy(rest), &mut escaped);
        text.extend_from_slice(escaped.as_bytes());
    }
}

/// The time as it stands in lines, made anew once a second.
#[derive(Debug, Default)]
pub(super) struct Time {
    unix: u64,
    text: String,
}

/// Writing to a String cannot fail, so that the results of `write!` tell nothing.
impl Time {
    /// `31/Jan/2026:12:00:00 +0000`
    fn combined(&mut self, unix: u64) -> &[u8] {
        self.renew(unix, |text, date| {
            let Date { year, month, day, hour, minute, second } = date;
            let month = MONTHS[(month - 1) as usize];
            let _ =
                write!(text, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000");
        })
    }

    /// `2026-01-31T12:00:00Z`
    fn json(&mut self, unix: u64) -> &[u8] {
        self.renew(unix, |text, date| {
            let Date { year, month, day, hour, minute, second } = date;
            let _ =
                write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        })
    }

    /// A log has one form, so that the text at hand is of the form asked for.
    fn renew(&mut self, unix: u64, write: impl FnOnce(&mut String, Date)) -> &[u8] {
        if self.unix != unix || self.text.is_empty() {
            self.unix = unix;
            self.text.clear();
            write(&mut self.text, Date::of(unix));
        }
        self.text.as_bytes()
    }
}
