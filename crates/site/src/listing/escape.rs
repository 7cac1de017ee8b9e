//! Text made safe for where it is put.

use std::fmt::Write;

/// Writes `text` so that it is text in HTML, in content and in quoted attributes.
pub(crate) fn escape_html(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            // HTML has no way to write these; they are shown as what Unicode calls their picture.
            '\0'..='\x1F' => into.push(char::from_u32(0x2400 + character as u32).unwrap_or(' ')),
            '\x7F' => into.push('\u{2421}'),
            // A name must not turn the text around it (CVE-2021-42574).
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => into.push('\u{FFFD}'),
            _ => into.push(character),
        }
    }
}

/// Writes `text` as the inside of a JSON string (RFC 8259 section 7). Only ASCII is written, so that
/// it may stand in HTML and in a log too.
pub(crate) fn escape_json(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            ' '..='~' if !"<>&".contains(character) => into.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(into, "\\u{unit:04x}");
                }
            }
        }
    }
}
