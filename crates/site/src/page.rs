//! What a path is answered with, in every coding: [`Page`] and its [`Variant`]s.
//!
//! Invariant: a variant is complete when it is put in (header lines, tag, bytes) and never changes.
//! A page belongs to one state of a file, named by its stamps; another state is another page.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use app::Source;
use http::{HeaderBlock, Representation, Validators, format_date};
use xxhash_rust::xxh3::xxh3_128;

use crate::cache::Cost;
use crate::coded::Original;
use crate::coding::{CODED, Coding};
use crate::compress::{Levels, is_compressible};
use crate::content::{Compression, Policy, Settings};
use crate::disk::Stamp;

/// Largest file kept in memory, in bytes. Larger ones are sent from their descriptor.
pub(crate) const SMALL: u64 = 64 << 10;

/// Age from which a page at hand is checked against the disk while it is still served.
const CHECK_AFTER: Duration = Duration::from_millis(500);

/// Age from which a page at hand is served only after it was checked: a changed file is seen
/// within this time.
const STALE_AFTER: Duration = Duration::from_secs(1);

/// One path's answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// By [`Coding`]. Empty: not made yet. `None`: there is none.
    variants: [OnceLock<Option<Variant>>; 4],
    common: Common,
    /// How hard to try when a variant is made.
    pub(crate) levels: Levels,
    /// What was found on disk; `None` for what is not kept there.
    pub(crate) stamps: Option<Stamps>,
    /// Who may see it: an index into the host's realms.
    pub(crate) realm: Option<u16>,
    /// Who may read it from another site, when that depends on who asks.
    pub(crate) policy: Option<u16>,
}

/// What is the same in every coding.
#[derive(Debug)]
pub(crate) struct Common {
    content_type: String,
    /// Seconds since the epoch, where it is known.
    modified: Option<u64>,
    /// What else the answer depends on, beside the coding and the origin.
    varies: &'static str,
    /// Lines given by rules.
    lines: String,
}

/// Which state of which files a page was made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stamps {
    /// The file's decoded path below the root.
    pub(crate) path: Vec<u8>,
    pub(crate) file: Stamp,
    /// Precompressed files beside it, by place in [`CODED`].
    pub(crate) beside: [Option<Stamp>; 3],
    /// Whether a change after the file was read is sure to show in its stamp.
    pub(crate) settled: bool,
}

/// One path's answer in one coding.
#[derive(Debug)]
pub(crate) struct Variant {
    /// First the lines about the content, then those that a 304 has too, then the rest.
    lines: HeaderBlock,
    content_end: usize,
    common_end: usize,
    /// With its quotes.
    etag: String,
    modified: Option<u64>,
    source: Source,
    length: u64,
    original: Original,
}

/// A variant's bytes and the tag that names them.
#[derive(Debug)]
pub(crate) struct Body {
    source: Source,
    length: u64,
    etag: String,
    original: Original,
}

impl Page {
    /// A page that has, so far, the content as it is. What else can be made of it is left open;
    /// [`Page::put`] what is there already, then [`Page::close`] what is not to be made.
    pub(crate) fn new(common: Common, settings: &Settings<'_>, policies: &[Policy]) -> Self {
        let depends = |policy: &u16| {
            policies.get(usize::from(*policy)).is_some_and(|policy| !policy.is_open())
        };
        Self {
            variants: Default::default(),
            common,
            levels: Levels::default(),
            stamps: None,
            realm: settings.realm,
            policy: settings.policy.filter(depends),
        }
    }

    /// Decides which codings can be made: those in use, when the type and the size are worth it.
    /// Every coding in `there` has been or will be put in; all others are closed.
    pub(crate) fn plan(&mut self, compression: &Compression, size: u64, there: &[Coding]) {
        self.levels = compression.levels;
        let worth = is_compressible(&self.common.content_type)
            && (compression.min_bytes..=compression.max_bytes).contains(&size);
        for coding in CODED {
            let possible = worth && self.levels.has(coding);
            if !possible && !there.contains(&coding) {
                self.put(coding, None);
            }
        }
    }

    /// The variant in this coding: `None` when it has yet to be made, `Some(None)` when there is
    /// none.
    pub(crate) fn variant(&self, coding: Coding) -> Option<Option<&Variant>> {
        self.variants[coding as usize].get().map(Option::as_ref)
    }

    /// Puts in what a coding came to. The first to do so wins; what follows is the same.
    pub(crate) fn put(&self, coding: Coding, body: Option<Body>) {
        let variant = body.map(|body| self.make(coding, body));
        let _ = self.variants[coding as usize].set(variant);
    }

    /// Whether a page that was checked `age` ago is to be checked again.
    pub(crate) fn is_due(&self, age: Duration) -> bool {
        self.stamps.is_some() && age >= CHECK_AFTER
    }

    /// Whether a page that was checked `age` ago may not be served before it is checked again.
    pub(crate) fn is_stale(&self, age: Duration) -> bool {
        self.stamps.is_some() && age >= STALE_AFTER
    }

    /// Whether the answer depends on `Accept-Encoding`.
    pub(crate) fn is_negotiated(&self) -> bool {
        CODED.into_iter().any(|coding| !matches!(self.variant(coding), Some(None)))
    }

    /// What it takes to keep this page.
    pub(crate) fn cost(&self) -> Cost {
        let variants = self.variants.iter().filter_map(|slot| slot.get()?.as_ref());
        variants.fold(Cost::default(), |cost, variant| {
            let lines = variant.lines.bytes().len() as u64;
            match &variant.source {
                Source::Memory(bytes) => {
                    Cost { bytes: cost.bytes + lines + bytes.len() as u64, ..cost }
                }
                Source::Static(_) => Cost { bytes: cost.bytes + lines, ..cost },
                Source::File(_) => Cost { bytes: cost.bytes + lines, files: cost.files + 1 },
            }
        })
    }

    /// Writing to a String cannot fail, so that the results of `write!` tell nothing.
    fn make(&self, coding: Coding, body: Body) -> Variant {
        let mut lines = format!("Content-Type: {}\r\n", self.common.content_type);
        let mut etag = body.etag;
        if coding != Coding::Identity {
            let _ = write!(lines, "Content-Encoding: {}\r\n", coding.name());
            // Each coding is a representation of its own (RFC 9110 section 8.8.3.3).
            etag.insert_str(etag.len() - 1, &format!("-{}", coding.name()));
        }
        let content_end = lines.len();
        let _ = write!(lines, "ETag: {etag}\r\n");
        if let Some(modified) = self.common.modified {
            let date = format_date(modified);
            let _ = write!(lines, "Last-Modified: {}\r\n", String::from_utf8_lossy(&date));
        }
        self.put_vary(&mut lines);
        lines.push_str(&self.common.lines);
        let common_end = lines.len();
        lines.push_str("Accept-Ranges: bytes\r\n");
        Variant {
            lines: HeaderBlock::Shared(lines.into_bytes().into()),
            content_end,
            common_end,
            etag,
            modified: self.common.modified,
            source: body.source,
            length: body.length,
            original: body.original,
        }
    }

    fn put_vary(&self, lines: &mut String) {
        let on = [
            (self.is_negotiated(), "Accept-Encoding"),
            (self.policy.is_some(), "Origin"),
            (!self.common.varies.is_empty(), self.common.varies),
        ];
        put_vary(lines, &on);
    }
}

/// Writes the line that names what an answer depends on, unless that is nothing.
pub(crate) fn put_vary(lines: &mut String, on: &[(bool, &str)]) {
    let names: Vec<_> = on.iter().filter(|(varies, _)| *varies).map(|(_, name)| *name).collect();
    if !names.is_empty() {
        let _ = write!(lines, "Vary: {}\r\n", names.join(", "));
    }
}

impl Variant {
    /// For the protocol to answer from.
    pub(crate) fn representation(&self) -> Representation<'_> {
        let lines = self.lines.bytes();
        Representation {
            validators: Validators { etag: Some(&self.etag), last_modified: self.modified },
            length: self.length,
            common: &lines[self.content_end..self.common_end],
            content: &lines[..self.content_end],
            whole: &self.lines,
            source: Some(self.source.clone()),
        }
    }

    /// Where the bytes are.
    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// How many bytes there are.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The bytes, read where they are in a file; `None` when that has become shorter. Blocks.
    pub(crate) fn read(&self) -> Option<Cow<'_, [u8]>> {
        if let Some(bytes) = self.source.memory() {
            return Some(Cow::Borrowed(bytes));
        }
        let Source::File(file) = &self.source else { return None };
        let mut bytes = vec![0; usize::try_from(self.length).ok()?];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(filled as u64, &mut bytes[filled..]) {
                Ok(count) if count > 0 => filled += count,
                _ => return None,
            }
        }
        Some(Cow::Owned(bytes))
    }

    /// What names the bytes, for what is derived from them.
    pub(crate) const fn original(&self) -> Original {
        self.original
    }

    /// The lines about the content alone.
    pub(crate) fn content_lines(&self) -> &[u8] {
        &self.lines.bytes()[..self.content_end]
    }
}

impl Body {
    /// Bytes in memory, named by what they are.
    pub(crate) fn memory(bytes: Arc<[u8]>) -> Self {
        let (etag, original) = named(&bytes);
        Self { length: bytes.len() as u64, source: Source::Memory(bytes), etag, original }
    }

    /// Bytes that are part of the program.
    pub(crate) fn fixed(bytes: &'static [u8]) -> Self {
        let (etag, original) = named(bytes);
        Self { length: bytes.len() as u64, source: Source::Static(bytes), etag, original }
    }

    /// A file, named by when it was modified and how long it is: the same on every server that it
    /// was copied to with its times.
    pub(crate) fn file(source: Source, stamp: &Stamp) -> Self {
        let etag = format!("\"{:x}-{:x}\"", stamp.modified_ns(), stamp.size());
        Self { length: stamp.size(), source, etag, original: Original::File(*stamp) }
    }
}

/// The tag and the name of bytes in memory.
fn named(bytes: &[u8]) -> (String, Original) {
    let hash = xxh3_128(bytes);
    (format!("\"{hash:032x}\""), Original::Content(hash))
}

impl Common {
    /// What all codings share. `modified` is in seconds since the epoch; `varies` names a request
    /// header on which the answer depends.
    pub(crate) fn new(
        content_type: &str,
        modified: Option<u64>,
        varies: &'static str,
        settings: &Settings<'_>,
        policies: &[Policy],
    ) -> Self {
        let mut lines = String::new();
        if let Some(value) = settings.cache_control {
            let _ = write!(lines, "Cache-Control: {value}\r\n");
        }
        lines.push_str("X-Content-Type-Options: nosniff\r\n");
        settings.put_headers(&mut lines);
        let policy = settings.policy.and_then(|index| policies.get(usize::from(index)));
        if let Some(policy) = policy.filter(|policy| policy.is_open()) {
            lines.push_str("Access-Control-Allow-Origin: *\r\n");
            lines.push_str(&policy.answer);
        }
        Self { content_type: content_type.to_owned(), modified, varies, lines }
    }
}
