//! The answer to GET and HEAD for something that is there: [`Representation::respond`] puts
//! preconditions and ranges together (RFC 9110 sections 13 to 15) into 200, 206, 304, 412 or 416.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hasher;

use app::Source;
use siphasher::sip::SipHasher24;

use crate::conditional::{Precondition, Validators, allows_range, evaluate};
use crate::range::{ByteRange, Ranges, ranges};
use crate::respond::decimal;
use crate::{Body, HeaderBlock, Method, Request, Response, Segment};

/// Something to be sent, and what is said about it.
#[derive(Clone, Debug)]
pub struct Representation<'a> {
    /// Its entity tag and date, as in `common`.
    pub validators: Validators<'a>,
    /// How long it is, in bytes.
    pub length: u64,
    /// Lines that a 304 has too: `ETag`, `Last-Modified`, `Cache-Control`, `Vary` and the like.
    pub common: &'a [u8],
    /// Lines that say what the content is: `Content-Type`, `Content-Encoding`.
    pub content: &'a [u8],
    /// All lines of the whole answer: `common`, `content` and, for instance, `Accept-Ranges: bytes`.
    pub whole: &'a HeaderBlock,
    /// The bytes. A HEAD request needs none.
    pub source: Option<Source>,
}

impl Representation<'_> {
    /// The answer to a GET or HEAD request. `boundaries` is for answers of several parts.
    #[must_use]
    pub fn respond(&self, request: &Request<'_>, boundaries: &mut Boundaries) -> Response {
        match evaluate(request, self.validators) {
            Precondition::Passed => {}
            Precondition::Failed => return Response::new(412),
            Precondition::NotModified => {
                return Response {
                    headers: HeaderBlock::Owned(self.common.to_vec()),
                    ..Response::new(304)
                };
            }
        }
        match self.ranges(request) {
            Ranges::Whole => self.whole(),
            Ranges::One(range) => self.part(range),
            Ranges::Many(ranges) => self.parts(&ranges, &boundaries.next()),
            Ranges::Unsatisfiable => {
                let mut headers = Vec::new();
                put_content_range(&mut headers, None, self.length);
                Response { headers: HeaderBlock::Owned(headers), ..Response::new(416) }
            }
        }
    }

    /// What of it is asked for. Only GET knows ranges (section 14.2).
    fn ranges(&self, request: &Request<'_>) -> Ranges {
        let mut values = request.headers.all("range");
        let (Method::Get, Some(value), None) = (request.method, values.next(), values.next())
        else {
            return Ranges::Whole;
        };
        if allows_range(request, self.validators) {
            ranges(value, self.length)
        } else {
            Ranges::Whole
        }
    }

    fn whole(&self) -> Response {
        let body = match &self.source {
            Some(source) => {
                Body::One(Segment { source: source.clone(), offset: 0, length: self.length })
            }
            None => Body::Absent(self.length),
        };
        Response { headers: self.whole.clone(), body, ..Response::new(200) }
    }

    fn part(&self, range: ByteRange) -> Response {
        let Some(source) = &self.source else { return self.whole() };
        let mut headers = [self.common, self.content].concat();
        put_content_range(&mut headers, Some(range), self.length);
        Response {
            headers: HeaderBlock::Owned(headers),
            body: Body::One(segment(source, range)),
            ..Response::new(206)
        }
    }

    /// Section 14.6: every part with lines of its own about the content.
    fn parts(&self, ranges: &[ByteRange], boundary: &Boundary) -> Response {
        let Some(source) = &self.source else { return self.whole() };
        let mut headers = self.common.to_vec();
        headers.extend_from_slice(b"Content-Type: multipart/byteranges; boundary=");
        headers.extend_from_slice(boundary);
        headers.extend_from_slice(b"\r\n");

        // What stands between the parts is one piece of memory, of which each gets its own.
        let mut text = Vec::new();
        let mut ends = Vec::with_capacity(ranges.len());
        for (index, range) in ranges.iter().enumerate() {
            text.extend_from_slice(if index == 0 { b"--" } else { b"\r\n--" });
            text.extend_from_slice(boundary);
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(self.content);
            put_content_range(&mut text, Some(*range), self.length);
            text.extend_from_slice(b"\r\n");
            ends.push(text.len() as u64);
        }
        text.extend_from_slice(b"\r\n--");
        text.extend_from_slice(boundary);
        text.extend_from_slice(b"--\r\n");

        let length = text.len() as u64;
        let text = Source::Memory(Arc::from(text));
        let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
        let mut start = 0;
        for (range, &end) in ranges.iter().zip(&ends) {
            segments.push(segment(&text, ByteRange { offset: start, length: end - start }));
            segments.push(segment(source, *range));
            start = end;
        }
        segments.push(segment(&text, ByteRange { offset: start, length: length - start }));
        Response {
            headers: HeaderBlock::Owned(headers),
            body: Body::Many(segments),
            ..Response::new(206)
        }
    }
}

fn segment(source: &Source, range: ByteRange) -> Segment {
    Segment { source: source.clone(), offset: range.offset, length: range.length }
}

/// `Content-Range: bytes 0-9/20`, or `bytes */20` for a range that is not there (section 14.4).
fn put_content_range(lines: &mut Vec<u8>, range: Option<ByteRange>, length: u64) {
    let mut digits = [0; 20];
    lines.extend_from_slice(b"Content-Range: bytes ");
    match range {
        Some(range) => {
            lines.extend_from_slice(decimal(range.offset, &mut digits));
            lines.push(b'-');
            lines.extend_from_slice(decimal(range.end() - 1, &mut digits));
        }
        None => lines.push(b'*'),
    }
    lines.push(b'/');
    lines.extend_from_slice(decimal(length, &mut digits));
    lines.extend_from_slice(b"\r\n");
}

/// What separates the parts of an answer, in hexadecimal digits.
type Boundary = [u8; 32];

/// Makes boundaries for answers of several parts, each a new one, that nobody without the key can
/// foresee: who can put bytes into a file cannot make it contain the boundary of an answer to come.
#[derive(Clone, Debug)]
pub struct Boundaries {
    key: [u64; 2],
    made: u64,
}

impl Boundaries {
    /// With a key of 128 random bits, drawn anew when the program starts.
    #[must_use]
    pub const fn new(key: [u64; 2]) -> Self {
        Self { key, made: 0 }
    }

    fn next(&mut self) -> Boundary {
        self.made += 1;
        let mut boundary = [0; 32];
        for (half, digits) in boundary.chunks_exact_mut(16).enumerate() {
            let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
            hasher.write_u64(self.made);
            hasher.write_u64(half as u64);
            let mut hash = hasher.finish();
            for digit in digits {
                *digit = b"0123456789abcdef"[(hash % 16) as usize];
                hash /= 16;
            }
        }
        boundary
    }
}

#[cfg(test)]
mod tests;
