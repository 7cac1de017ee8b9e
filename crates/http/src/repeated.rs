//! Heads that come again and again: [`Repeated`]. What one client asks for over and over, or many
//! clients of one program ask for, is the same bytes, and the same bytes mean the same. Invariant: what
//! is remembered was parsed and accepted under the settings that hold now.

use alloc::boxed::Box;
use alloc::string::String;
use core::ops::Range;

use crate::framing::{Expect, Framing};
use crate::head::Head;
use crate::target::Target;
use crate::{Header, Method, Version};

/// Longest head that is remembered, bytes.
const LENGTH_MAX: usize = 1024;
/// Most header lines of one.
pub(crate) const LINES_MAX: usize = 16;
/// Of heads that are not remembered, one in this many comes to be: where no two heads are alike,
/// remembering costs little.
const REMEMBER_EVERY: u32 = 8;
/// Heads that are remembered: a few programs, or pages, at a time. Looking at all of them in vain costs
/// little of what parsing does.
const HEADS: usize = 4;

/// The heads remembered.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    /// The one that came last first.
    known: [Option<Box<Known>>; HEADS],
    /// Other heads since one was remembered.
    others: u32,
}

/// A head and where its parts are in it.
#[derive(Debug)]
pub(crate) struct Known {
    /// Empty when it was forgotten.
    text: String,
    method: Span,
    path: Span,
    query: Option<Span>,
    host: Span,
    version: Version,
    keep_alive: bool,
    /// Name and value of each line.
    lines: [(Span, Span); LINES_MAX],
    count: usize,
}

/// A part of a head.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where `part` is in `whole`; `None` when it is not in it.
    fn of(part: &[u8], whole: &[u8]) -> Option<Self> {
        if part.is_empty() {
            return Some(Self::default());
        }
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        let end = start.checked_add(part.len()).filter(|&end| end <= whole.len())?;
        Some(Self { start: u16::try_from(start).ok()?, end: u16::try_from(end).ok()? })
    }
}

impl Repeated {
    /// The head remembered that `bytes` begin with, if there is one. To be [given
    /// back](Self::put_back).
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) -> Option<Box<Known>> {
        let is_it = |known: &Known| !known.is_empty() && bytes.starts_with(known.text.as_bytes());
        let place = self.known.iter().position(|known| known.as_deref().is_some_and(is_it))?;
        if place > 0 {
            self.known[..=place].rotate_right(1);
        }
        self.known[0].take()
    }

    /// Gives back what was taken.
    pub fn put_back(&mut self, known: Box<Known>) {
        self.known[0] = Some(known);
    }

    /// What was accepted may not be any more.
    pub fn forget(&mut self) {
        for known in self.known.iter_mut().flatten() {
            known.text.clear();
        }
        self.others = 0;
    }

    /// Another head was parsed, from exactly these bytes.
    pub fn see(&mut self, bytes: &[u8], head: &Head<'_, '_>) {
        let turn = self.others.is_multiple_of(REMEMBER_EVERY);
        self.others = self.others.wrapping_add(1);
        let usual = head.framing == Framing::Length(0) && head.expect == Expect::Nothing;
        if turn && usual && bytes.len() <= LENGTH_MAX && head.lines.len() <= LINES_MAX {
            self.remember(bytes, head);
        }
    }

    fn remember(&mut self, bytes: &[u8], head: &Head<'_, '_>) -> Option<()> {
        let text = core::str::from_utf8(bytes).ok()?;
        let span = |part: &str| Span::of(part.as_bytes(), bytes);
        // The method stands at the start. Its name and some targets are constants, not parts of it.
        let end = u16::try_from(head.method.name().len()).ok()?;
        let mut lines = [(Span::default(), Span::default()); LINES_MAX];
        for (place, line) in lines.iter_mut().zip(head.lines) {
            *place = (span(line.name)?, Span::of(line.value, bytes)?);
        }
        let query = match head.target.query {
            Some(query) => Some(span(query)?),
            None => None,
        };
        let (path, host) = (span(head.target.path)?, span(head.host)?);
        // Where there is none, or in place of the one that has not come for longest.
        let is_free = |known: &Option<Box<Known>>| known.as_deref().is_none_or(Known::is_empty);
        let place = self.known.iter().position(is_free).unwrap_or(HEADS - 1);
        let known = self.known[place].get_or_insert_with(|| Box::new(Known::empty()));
        known.text.clear();
        known.text.push_str(text);
        known.method = Span { start: 0, end };
        (known.path, known.query, known.host) = (path, query, host);
        (known.version, known.keep_alive) = (head.version, head.keep_alive);
        (known.lines, known.count) = (lines, head.lines.len());
        Some(())
    }
}

impl Known {
    /// No head; with room for any, so that remembering allocates nothing.
    fn empty() -> Self {
        let none = Span::default();
        Self {
            text: String::with_capacity(LENGTH_MAX),
            method: none,
            path: none,
            query: None,
            host: none,
            version: Version::Http11,
            keep_alive: true,
            lines: [(none, none); LINES_MAX],
            count: 0,
        }
    }

    /// Whether it was forgotten: then it begins no request, and not every one.
    const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Bytes of it.
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    /// Header lines of it.
    pub const fn lines(&self) -> usize {
        self.count
    }

    /// The head as it was parsed. `lines` is where its header lines go: at least that many.
    pub fn head<'h>(&'h self, lines: &'h mut [Header<'h>]) -> Head<'h, 'h> {
        let part = |span: Span| self.text.get(span.range()).unwrap_or_default();
        for (line, &(name, value)) in lines.iter_mut().zip(&self.lines[..self.count]) {
            *line = Header { name: part(name), value: part(value).as_bytes() };
        }
        Head {
            method: Method::new(part(self.method)),
            target: Target { path: part(self.path), query: self.query.map(part), authority: None },
            host: part(self.host),
            version: self.version,
            lines: &lines[..self.count],
            framing: Framing::Length(0),
            keep_alive: self.keep_alive,
            expect: Expect::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::MaybeUninit;
    use std::format;

    use httparse::EMPTY_HEADER;

    use super::{HEADS, LINES_MAX, REMEMBER_EVERY, Repeated};
    use crate::{Settings, head};

    /// Heads that are remembered, and of each another that differs in one byte.
    const EXAMPLES: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n",
        b"GET /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX:\r\n\r\n",
        b"HEAD /?q HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"PURGE /x HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        b"GET http://b.example/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ];

    #[test]
    fn what_is_remembered_is_what_was_parsed() {
        let settings = Settings::default();
        for bytes in EXAMPLES {
            let mut lines = [const { MaybeUninit::uninit() }; 20];
            let parsed = head::parse(bytes, &mut lines, &settings).unwrap();
            let mut repeated = Repeated::default();
            assert!(repeated.take(bytes).is_none());
            repeated.see(bytes, &parsed);
            assert!(repeated.take(&bytes[..bytes.len() - 1]).is_none());
            for place in 0..bytes.len() {
                let mut other = bytes.to_vec();
                other[place] ^= 0x20;
                assert!(repeated.take(&other).is_none(), "{place}");
            }
            let known = repeated.take(&[bytes, b"more"].concat()).unwrap();
            assert_eq!(known.len(), bytes.len());
            let mut lines = [EMPTY_HEADER; LINES_MAX];
            let mut parsed = parsed;
            // Of an absolute target; what it says is in the host.
            parsed.target.authority = None;
            assert_eq!(format!("{:?}", known.head(&mut lines)), format!("{parsed:?}"));
            repeated.put_back(known);
            repeated.forget();
            for start in [&bytes[..1], b"", b"\n", b"\r\n", b"\0", bytes] {
                assert!(repeated.take(start).is_none(), "{start:?}");
            }
        }
    }

    /// Parses a head and has it seen until it is remembered, if it is at all.
    fn see(repeated: &mut Repeated, bytes: &[u8]) {
        let mut lines = [const { MaybeUninit::uninit() }; 20];
        let parsed = head::parse(bytes, &mut lines, &Settings::default()).unwrap();
        (0..REMEMBER_EVERY).for_each(|_| repeated.see(bytes, &parsed));
    }

    fn knows(repeated: &mut Repeated, bytes: &[u8]) -> bool {
        let known = repeated.take(bytes);
        let knows = known.as_ref().is_some_and(|known| known.text.as_bytes() == bytes);
        known.into_iter().for_each(|known| repeated.put_back(known));
        knows
    }

    #[test]
    fn a_few_are_remembered_and_the_one_that_has_not_come_for_longest_makes_way() {
        let mut repeated = Repeated::default();
        let (last, first) = EXAMPLES.split_last().unwrap();
        assert_eq!(first.len(), HEADS);
        for bytes in first {
            see(&mut repeated, bytes);
        }
        for _ in 0..2 {
            assert!(first.iter().all(|bytes| knows(&mut repeated, bytes)));
        }
        see(&mut repeated, last);
        assert!(!knows(&mut repeated, first[0]) && knows(&mut repeated, last));
        assert!(first[1..].iter().all(|bytes| knows(&mut repeated, bytes)));
        repeated.forget();
        assert!(EXAMPLES.iter().all(|bytes| !knows(&mut repeated, bytes)));
        // None makes way for another while there are places of forgotten ones.
        for bytes in first {
            see(&mut repeated, bytes);
        }
        assert!(first.iter().all(|bytes| knows(&mut repeated, bytes)));
    }

    #[test]
    fn bodies_long_heads_and_targets_that_are_rewritten_are_not_remembered() {
        let long = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &[b'x'; 1_000][..], b"\r\n\r\n"].concat();
        let heads: [&[u8]; 5] = [
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
            b"GET http://b.example HTTP/1.1\r\nHost: a\r\n\r\n",
            &long,
        ];
        for bytes in heads {
            let mut lines = [const { MaybeUninit::uninit() }; 20];
            let parsed = head::parse(bytes, &mut lines, &Settings::default()).unwrap();
            let mut repeated = Repeated::default();
            repeated.see(bytes, &parsed);
            assert!(repeated.take(bytes).is_none());
        }
    }
}
