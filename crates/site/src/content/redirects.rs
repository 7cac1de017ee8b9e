//! Redirects from patterns of paths: [`Redirects`].
//!
//! Invariant: what a request contributes to a target is percent-encoded path text; it can neither
//! change the target's host nor break out of the `Location` line.

use crate::config::{self, Complaints, Spanned};
use crate::path::encode_path;

/// A host's redirects, in their order.
#[derive(Debug)]
pub(crate) struct Redirects(Vec<Redirect>);

#[derive(Debug)]
struct Redirect {
    from: Vec<Segment>,
    /// Whether the pattern ends in `/*`.
    rest: bool,
    /// Literal text and captures by turns.
    to: Vec<Piece>,
    status: u16,
}

#[derive(Debug)]
enum Segment {
    /// This text, canonically encoded.
    Literal(String),
    /// Any one segment.
    Name(String),
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    /// What the segment with this index was.
    Segment(usize),
    Rest,
}

impl Redirects {
    pub(super) fn new(redirects: &[config::Redirect], complaints: &mut Complaints) -> Self {
        Self(redirects.iter().filter_map(|redirect| Redirect::new(redirect, complaints)).collect())
    }

    /// The status and the `Location` for a canonical path, where a redirect matches it.
    pub(crate) fn find(&self, path: &str, query: Option<&str>) -> Option<(u16, String)> {
        let inside = path.strip_prefix('/')?;
        self.0.iter().find_map(|redirect| Some((redirect.status, redirect.target(inside, query)?)))
    }
}

impl Redirect {
    fn new(config: &config::Redirect, complaints: &mut Complaints) -> Option<Self> {
        let status = *config.status.get_ref();
        if ![301, 302, 303, 307, 308].contains(&status) {
            let message = format!("{status} is no redirect; use 301, 302, 303, 307 or 308");
            complaints.about(&config.status, message);
        }
        let (from, rest) = pattern(&config.from, complaints)?;
        let to = target(&config.to, &from, rest, complaints)?;
        Some(Self { from, rest, to, status })
    }

    /// Where `path`, canonical and without its first slash, leads; `None` where it does not match.
    fn target(&self, path: &str, query: Option<&str>) -> Option<String> {
        let mut left = Some(path);
        let mut captured = Vec::with_capacity(self.from.len());
        for segment in &self.from {
            let (first, rest) = match left?.split_once('/') {
                Some((first, rest)) => (first, Some(rest)),
                None => (left?, None),
            };
            match segment {
                Segment::Literal(literal) if literal != first => return None,
                Segment::Name(_) if first.is_empty() => return None,
                Segment::Literal(_) | Segment::Name(_) => captured.push(first),
            }
            left = rest;
        }
        if !self.rest && left.is_some_and(|left| !left.is_empty()) {
            return None;
        }
        let mut location = String::new();
        for piece in &self.to {
            match piece {
                Piece::Literal(text) => location.push_str(text),
                Piece::Segment(index) => location.push_str(captured[*index]),
                Piece::Rest => location.push_str(left.unwrap_or_default()),
            }
        }
        // Before a fragment, which would swallow it.
        let end = location.find('#').unwrap_or(location.len());
        if let Some(query) = query.filter(|_| !location[..end].contains('?')) {
            location.insert_str(end, query);
            location.insert(end, '?');
        }
        Some(location)
    }
}

/// Reads a `from`: its segments, and whether it goes on to match anything.
fn pattern(from: &Spanned<String>, complaints: &mut Complaints) -> Option<(Vec<Segment>, bool)> {
    let text = from.get_ref();
    let Some(inside) = text.strip_prefix('/') else {
        complaints.about(from, format!("{text:?} is no path; it has to start with a slash"));
        return None;
    };
    let (inside, rest) = match inside.strip_suffix('*') {
        Some(inside) if inside.is_empty() || inside.ends_with('/') => (inside, true),
        _ => (inside, false),
    };
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let mut segments = Vec::new();
    for segment in inside.split('/').filter(|segment| !segment.is_empty()) {
        if segment.contains('*') {
            let message = "`*` stands for the rest of a path and only at its end, after a slash; \
                           for one segment write `:name`";
            complaints.about(from, message);
            return None;
        }
        segments.push(match segment.strip_prefix(':') {
            Some(name) => Segment::Name(name.to_owned()),
            None => Segment::Literal(canonical(segment)),
        });
    }
    Some((segments, rest))
}

/// A segment as it looks in a canonical path.
fn canonical(segment: &str) -> String {
    let decoded: Vec<u8> = crate::path::Target::parse(&format!("/{segment}"))
        .map_or_else(|_| segment.as_bytes().to_vec(), |target| target.relative().to_vec());
    let mut encoded = String::new();
    encode_path(&decoded, &mut encoded);
    encoded
}

/// Reads a `to`.
fn target(
    to: &Spanned<String>,
    from: &[Segment],
    rest: bool,
    complaints: &mut Complaints,
) -> Option<Vec<Piece>> {
    let text = to.get_ref();
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
    let local = text.starts_with('/') && !text.starts_with("//");
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\".contains(&byte));
    if (scheme.is_none() && !local) || !plain {
        let message = format!(
            "{text:?} is no place to redirect to; write a path or an http(s) URL, percent-encoded"
        );
        complaints.about(to, message);
        return None;
    }
    // Only the path is a pattern: the colon before a port is no name.
    let start = scheme.map_or(0, str::len);
    let path = text[start..].find('/').map_or(text.len(), |slash| start + slash);
    let end = text[path..].find(['?', '#']).map_or(text.len(), |mark| path + mark);
    let mut pieces = vec![Piece::Literal(text[..path].to_owned())];
    for (index, segment) in text[path..end].split('/').enumerate() {
        if index > 0 {
            pieces.push(Piece::Literal("/".to_owned()));
        }
        pieces.push(match (segment, segment.strip_prefix(':')) {
            ("*", _) if rest => Piece::Rest,
            (_, Some(name)) => match from.iter().position(|segment| segment.is_named(name)) {
                Some(index) => Piece::Segment(index),
                None => {
                    complaints.about(to, format!("`:{name}` does not occur in `from`"));
                    return None;
                }
            },
            _ => Piece::Literal(segment.to_owned()),
        });
    }
    pieces.push(Piece::Literal(text[end..].to_owned()));
    Some(pieces)
}

impl Segment {
    fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Name(name) if name == wanted)
    }
}
