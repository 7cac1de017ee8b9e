//! What of an answer two servers should agree on.

use std::collections::BTreeMap;

use rig::Outcome;
use rig::client::Answer;

/// Header fields compared as they are, where the status is one with a body or a new place.
const FIELDS: &[&str] = &[
    "accept-ranges",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "location",
    "vary",
];

/// The comparable part of an answer: field name to value, the empty text where it is absent.
pub(super) struct Seen(BTreeMap<&'static str, String>);

impl Seen {
    /// The status.
    pub(super) fn status(&self) -> &str {
        self.0.get("status").map_or("", String::as_str)
    }

    /// Every field with this value and the other's.
    pub(super) fn pairs<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'static str, (&'a str, &'a str))> {
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let value = |seen: &'a Self, name| seen.0.get(name).map_or("", String::as_str);
        names.into_iter().map(move |name| (*name, (value(self, name), value(other, name))))
    }
}

/// Takes from an answer what is to be compared. Of an error only the status: everybody has pages
/// of their own for those. Of a redirect the place, too.
pub(super) fn seen(answer: &Answer) -> Outcome<Seen> {
    let mut fields = BTreeMap::from([("status", answer.status.to_string())]);
    let compared: &[&str] = match answer.status {
        200 | 206 => FIELDS,
        301 | 302 | 307 | 308 => &["location"],
        416 => &["content-range"],
        _ => &[],
    };
    for name in compared {
        if let Some(value) = answer.header(name) {
            fields.insert(name, value.to_ascii_lowercase());
        }
    }
    if !matches!(answer.status, 200 | 206) {
        return Ok(Seen(fields));
    }
    let media_type = answer.header("content-type").unwrap_or_default();
    if let Some(boundary) = media_type.strip_prefix("multipart/byteranges; boundary=") {
        fields.insert("content-type", "multipart/byteranges".to_owned());
        fields.remove("content-length");
        fields.insert("body", parts(&answer.body, boundary.trim_matches('"'))?);
    } else {
        fields.insert("content-type", without_charset(media_type).to_owned());
        fields.insert("body", brief(&answer.body));
    }
    Ok(Seen(fields))
}

/// Two bodies look the same only if they are, but for a chance of one in 2^64.
fn brief(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if body.len() <= 30 {
        return text.into_owned();
    }
    // FNV-1a with its constants for 64 bits.
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let start: String = text.chars().take(20).collect();
    format!("{start}… {} bytes, {hash:016x}", body.len())
}

fn without_charset(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default()
}

/// A multipart body in a form that does not depend on its boundary.
fn parts(body: &[u8], boundary: &str) -> Outcome<String> {
    let body = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    let (parts, end) = body.rsplit_once(&delimiter).ok_or("the body has no delimiter")?;
    if end.trim_end() != "--" {
        return Err(format!("the body ends with {end:?}").into());
    }
    let mut found = String::new();
    for part in parts.split(&delimiter).skip(1) {
        let (head, content) = part.split_once("\r\n\r\n").ok_or("a part has no header")?;
        let mut lines: Vec<String> = head.trim().lines().map(str::to_ascii_lowercase).collect();
        for line in &mut lines {
            *line = without_charset(line).to_owned();
        }
        lines.sort();
        found.push_str(&format!("{lines:?} {content:?}\n"));
    }
    Ok(found)
}
