//! Text and numbers as they stand in XML. Every character that reaches a document passes here.

use std::fmt::Write;

/// `text` for XML and HTML, between tags or in an attribute. Control characters, which XML 1.0 cannot
/// carry in any form (section 2.2), become the replacement character.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A coordinate in tenths of a pixel, without a decimal where there is none.
pub(crate) fn coordinate(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    // Negative zero would be written with its sign.
    let tenths = if tenths == 0.0 { 0.0 } else { tenths };
    format!("{tenths}")
}

/// A `<text>` element of class `class` at (x, y).
pub(crate) fn text(out: &mut String, class: &str, (x, y): (f64, f64), content: &str) {
    let (x, y, content) = (coordinate(x), coordinate(y), escape(content));
    writeln!(out, r#"<text class="{class}" x="{x}" y="{y}">{content}</text>"#)
        .expect("a String takes all that is written to it");
}

/// A `<path>` element of class `class`; nothing when it has no points.
pub(crate) fn path(out: &mut String, class: &str, d: &str) {
    if !d.is_empty() {
        writeln!(out, r#"<path class="{class}" d="{d}"/>"#)
            .expect("a String takes all that is written to it");
    }
}
