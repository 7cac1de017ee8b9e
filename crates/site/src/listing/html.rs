//! A folder for people: a table that sorts by its headings, without a script.

use std::fmt::Write;

use super::{Entry, Key, Listing, View, escape_html};
use crate::date::Date;
use crate::disk::Kind;
use crate::path::{Target, encode_path};

const STYLE: &str = include_str!("style.css");

/// Writing to a String cannot fail, so that the results of `write!` tell nothing.
pub(super) fn render(target: &Target, listing: &Listing, view: View) -> String {
    let mut page = String::with_capacity(4_096 + listing.entries.len() * 256);
    let mut title = String::new();
    escape_html(&String::from_utf8_lossy(&target.absolute()), &mut title);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n<main>\n"
    );
    put_trail(&mut page, target);
    put_table(&mut page, target, listing, view);
    let _ = writeln!(page, "<p class=\"sum\">{}</p>\n</main>\n</html>", sum(listing));
    page
}

/// The folders on the way here, each with a link.
fn put_trail(page: &mut String, target: &Target) {
    page.push_str("<h1 aria-label=\"Folder\"><a href=\"/\" title=\"Top folder\">/</a>");
    let mut link = String::from("/");
    let segments = target.relative().split(|&byte| byte == b'/');
    let segments: Vec<_> = segments.filter(|segment| !segment.is_empty()).collect();
    for (index, segment) in segments.iter().enumerate() {
        encode_path(segment, &mut link);
        link.push('/');
        let mut name = String::new();
        escape_html(&String::from_utf8_lossy(segment), &mut name);
        let mut href = String::new();
        escape_html(&link, &mut href);
        let here = if index + 1 == segments.len() { " aria-current=\"page\"" } else { "" };
        let _ = write!(page, "<a href=\"{href}\"{here}>{name}</a><span>/</span>");
    }
    page.push_str("</h1>\n");
}

fn put_table(page: &mut String, target: &Target, listing: &Listing, view: View) {
    page.push_str("<table>\n<thead><tr>");
    for (key, label) in [(Key::Name, "Name"), (Key::Size, "Size"), (Key::Date, "Changed")] {
        put_heading(page, key, label, view);
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    if !target.relative().is_empty() {
        page.push_str("<tr class=\"up\"><td><a href=\"../\">..</a><td><td></tr>\n");
    }
    for entry in &listing.entries {
        put_entry(page, entry);
    }
    page.push_str("</tbody>\n</table>\n");
    if listing.entries.is_empty() {
        page.push_str("<p class=\"empty\">This folder is empty.</p>\n");
    }
}

/// A heading that sorts by its column; the one that did turns the order around.
fn put_heading(page: &mut String, key: Key, label: &str, view: View) {
    let sorted = view.key == key;
    let order = if sorted && !view.descending { "desc" } else { "asc" };
    let state = match (sorted, view.descending) {
        (false, _) => "",
        (true, false) => " aria-sort=\"ascending\"",
        (true, true) => " aria-sort=\"descending\"",
    };
    let name = key.name();
    let _ = write!(
        page,
        "<th scope=\"col\"{state}><a href=\"?sort={name}&amp;order={order}\">{label}</a></th>"
    );
}

fn put_entry(page: &mut String, entry: &Entry) {
    let mut name = String::new();
    escape_html(&entry.shown(), &mut name);
    let mut href = String::new();
    escape_html(&entry.reference(), &mut href);
    let Date { year, month, day, hour, minute, .. } = Date::of(entry.modified);
    let date = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}");
    let (class, slash, size) = match entry.kind {
        Kind::Folder => ("folder", "/", String::new()),
        Kind::File => ("file", "", size(entry.size)),
    };
    let _ = writeln!(
        page,
        "<tr class=\"{class}\"><td><a href=\"{href}\">{name}{slash}</a><td title=\"{} bytes\">{size}\
         <td><time datetime=\"{date}Z\">{date}</time></tr>",
        entry.size
    );
}

/// A size as people read it: at most four digits and a binary unit.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let step = (63 - bytes.leading_zeros()) / 10;
    let unit = UNITS[step as usize - 1];
    // Tenths, in whole numbers: no size is too large for them to be exact.
    let tenths = (u128::from(bytes) * 10) >> (10 * step);
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// The line below the table.
fn sum(listing: &Listing) -> String {
    let folders = listing.entries.iter().filter(|entry| entry.kind == Kind::Folder).count();
    let files = listing.entries.len() - folders;
    let bytes = listing.entries.iter().filter(|entry| entry.kind == Kind::File);
    let bytes = bytes.map(|entry| entry.size).fold(0, u64::saturating_add);
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let more = if listing.truncated { "; there is more that is not listed" } else { "" };
    format!("{}, {}, {}{more}", plural(folders, "folder"), plural(files, "file"), size(bytes))
}
