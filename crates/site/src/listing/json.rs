//! A folder for programs.

use std::fmt::Write;

use super::{Listing, escape_json};
use crate::date::Date;
use crate::disk::Kind;
use crate::path::Target;

/// `{"path": …, "truncated": …, "entries": [{"name", "href", "type", "size", "modified"}, …]}`.
/// Writing to a String cannot fail, so that the results of `write!` tell nothing.
pub(super) fn render(target: &Target, listing: &Listing) -> String {
    let mut text = String::from("{\"path\":\"");
    escape_json(&target.canonical(), &mut text);
    let _ = write!(text, "\",\"truncated\":{},\"entries\":[", listing.truncated);
    for (index, entry) in listing.entries.iter().enumerate() {
        text.push_str(if index == 0 { "\n{\"name\":\"" } else { ",\n{\"name\":\"" });
        escape_json(&entry.shown(), &mut text);
        text.push_str("\",\"href\":\"");
        escape_json(&entry.reference(), &mut text);
        match entry.kind {
            Kind::File => {
                let _ = write!(text, "\",\"type\":\"file\",\"size\":{}", entry.size);
            }
            Kind::Folder => text.push_str("\",\"type\":\"folder\""),
        }
        let Date { year, month, day, hour, minute, second } = Date::of(entry.modified);
        let _ = write!(
            text,
            ",\"modified\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z\"}}"
        );
    }
    text.push_str("\n]}\n");
    text
}
