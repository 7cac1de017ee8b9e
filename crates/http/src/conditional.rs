//! Conditional requests: RFC 9110 section 13. Whether a request applies to the representation there
//! is, in the order of precedence of section 13.2.2.

use crate::{Headers, Method, Request, parse_date};

/// What tells one state of a resource from another (RFC 9110 section 8.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Validators<'a> {
    /// The entity tag as it stands in `ETag`, quotes and `W/` included.
    pub etag: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub last_modified: Option<u64>,
}

/// What a request's preconditions come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// The request applies.
    Passed,
    /// The client has this representation already: 304.
    NotModified,
    /// The request was meant for another state: 412.
    Failed,
}

/// Evaluates the preconditions of a request whose answer without them would be a success.
#[must_use]
pub fn evaluate(request: &Request<'_>, validators: Validators<'_>) -> Precondition {
    let is_condition = |name: &str| {
        name.as_bytes()
            .first_chunk()
            .is_some_and(|start: &[u8; 3]| start.eq_ignore_ascii_case(b"if-"))
    };
    // Most requests have none; one look at the names spares four at the fields.
    if !request.headers.iter().any(|(name, _)| is_condition(name)) {
        return Precondition::Passed;
    }
    let conditions = Conditions { headers: request.headers, validators, now: request.unix };
    // Steps 1 and 2.
    let is_current = match conditions.matches("if-match", strongly_equal) {
        Some(matches) => matches,
        None => conditions.is_unmodified_since().unwrap_or(true),
    };
    if !is_current {
        return Precondition::Failed;
    }
    // Steps 3 and 4.
    let is_read = matches!(request.method, Method::Get | Method::Head);
    let is_known = match conditions.matches("if-none-match", weakly_equal) {
        Some(matches) => matches,
        None => is_read && conditions.is_not_modified_since(),
    };
    match (is_known, is_read) {
        (false, _) => Precondition::Passed,
        (true, true) => Precondition::NotModified,
        (true, false) => Precondition::Failed,
    }
}

/// Whether `If-Range` lets `Range` apply (step 5). True when there is none.
#[must_use]
pub fn allows_range(request: &Request<'_>, validators: Validators<'_>) -> bool {
    let conditions = Conditions { headers: request.headers, validators, now: request.unix };
    let Some(value) = conditions.only("if-range") else {
        return request.headers.get("if-range").is_none();
    };
    if let Some((tag, rest)) = first_tag(value) {
        let is_current = validators.etag.is_some_and(|etag| strongly_equal(tag, etag.as_bytes()));
        return rest.is_empty() && is_current;
    }
    // Section 13.1.5: a date has to be a strong validator, which it is once its second is over, and
    // to be the same, not merely later.
    let date = parse_date(value, request.unix);
    date.is_some() && date == validators.last_modified && date < Some(request.unix)
}

struct Conditions<'a> {
    headers: Headers<'a>,
    validators: Validators<'a>,
    now: u64,
}

impl<'a> Conditions<'a> {
    /// Whether the current entity tag is in the list that a field gives. `None` without the field.
    fn matches(&self, field: &str, equal: fn(&[u8], &[u8]) -> bool) -> Option<bool> {
        self.headers.get(field)?;
        let current = self.validators.etag.map(str::as_bytes);
        let is_listed = self.headers.all(field).any(|value| {
            // The star stands for any representation, and there is one.
            value == b"*"
                || current.is_some_and(|current| Tags(value).any(|tag| equal(tag, current)))
        });
        Some(is_listed)
    }

    /// Section 13.1.4; `None` where it is to be ignored.
    fn is_unmodified_since(&self) -> Option<bool> {
        let date = self.date("if-unmodified-since")?;
        Some(self.validators.last_modified? <= date)
    }

    /// Section 13.1.3; false where it is to be ignored.
    fn is_not_modified_since(&self) -> bool {
        match (self.date("if-modified-since"), self.validators.last_modified) {
            (Some(date), Some(last_modified)) => last_modified <= date,
            _ => false,
        }
    }

    fn date(&self, field: &str) -> Option<u64> {
        parse_date(self.only(field)?, self.now)
    }

    /// The value of a field that stands in the header once.
    fn only(&self, field: &str) -> Option<&'a [u8]> {
        let mut values = self.headers.all(field);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Strong comparison (RFC 9110 section 8.8.3.2).
fn strongly_equal(left: &[u8], right: &[u8]) -> bool {
    left == right && !left.starts_with(b"W/")
}

/// Weak comparison.
fn weakly_equal(left: &[u8], right: &[u8]) -> bool {
    let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
    opaque(left) == opaque(right)
}

/// The entity tags of a list, up to the first thing that is none.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let [b',' | b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        let (tag, rest) = first_tag(self.0)?;
        self.0 = rest.trim_ascii_start();
        if !matches!(self.0, [] | [b',', ..]) {
            self.0 = &[];
            return None;
        }
        Some(tag)
    }
}

/// Splits off the entity tag that a text begins with: `[ "W/" ] DQUOTE *etagc DQUOTE`.
fn first_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let prefix = if text.starts_with(b"W/") { 2 } else { 0 };
    let opaque = text[prefix..].strip_prefix(b"\"")?;
    let length = opaque.iter().position(|&byte| byte == b'"')?;
    let is_valid = opaque[..length].iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..));
    is_valid.then(|| text.split_at(prefix + 1 + length + 1))
}

#[cfg(test)]
mod tests;
