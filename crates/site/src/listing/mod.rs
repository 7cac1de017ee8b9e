//! What is in a folder, for people ([`html`]) and for programs ([`json`]): [`Listing`].
//!
//! Invariant: everything listed can be asked for under the address given; names are escaped for
//! where they stand. At most [`MAX_ENTRIES`] are listed, and a listing that is cut off says so.

mod escape;
mod html;
mod json;
mod view;

use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, statat};

pub(crate) use escape::{escape_html, escape_json};
use view::Key;
pub(crate) use view::{Format, View};

use crate::coding::Coding;
use crate::content::Content;
use crate::disk::{Kind, OpenError, Root, Stamp};
use crate::page::{Body, Common, Page};
use crate::path::Target;

/// Most entries listed. A page with more is of no use to a person, and costs megabytes.
const MAX_ENTRIES: usize = 10_000;

/// A folder's content.
#[derive(Debug)]
struct Listing {
    entries: Vec<Entry>,
    /// Whether there is more than is listed.
    truncated: bool,
}

/// One thing in a folder.
#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    kind: Kind,
    /// In bytes; of no meaning for a folder.
    size: u64,
    /// Seconds since the epoch.
    modified: u64,
}

/// Lists the folder at `target` as a page. Blocks.
pub(crate) fn page(
    content: &Content,
    host: usize,
    target: &Target,
    view: View,
) -> Result<Arc<Page>, OpenError> {
    let host = &content.hosts[host];
    let root = host.root().ok_or(OpenError::NotFound)?;
    let mut listing = read(root, target.relative())?;
    listing.sort(view);
    let (content_type, text) = match view.format {
        Format::Html => ("text/html; charset=utf-8", html::render(target, &listing, view)),
        Format::Json => ("application/json", json::render(target, &listing)),
    };
    let path = target.absolute();
    let settings = host.rules.settings(&path, &path);
    let common = Common::new(content_type, None, "Accept", &settings, &host.policies);
    let mut page = Page::new(common, &settings, &host.policies);
    page.plan(&content.compression, text.len() as u64, &[]);
    page.put(Coding::Identity, Some(Body::memory(text.into_bytes().into())));
    Ok(Arc::new(page))
}

fn read(root: &Root, path: &[u8]) -> Result<Listing, OpenError> {
    let folder = root.find(path)?;
    let mut listing = Listing { entries: Vec::new(), truncated: false };
    for entry in Dir::read_from(&folder.fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        // Hidden, or not to be asked for: see `path`.
        if name.starts_with(b".") || name.contains(&b'\\') {
            continue;
        }
        let stat = statat(&folder.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
        let Ok(stat) = stat else { continue };
        let (kind, stamp) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => (Kind::File, Stamp::of(&stat)),
            FileType::Directory => (Kind::Folder, Stamp::of(&stat)),
            // Only one that leads to something below the root is there for visitors.
            FileType::Symlink => match root.find(&below(path, name)) {
                Ok(found) => (found.kind, found.stamp),
                Err(_) => continue,
            },
            _ => continue,
        };
        if listing.entries.len() == MAX_ENTRIES {
            listing.truncated = true;
            break;
        }
        listing.entries.push(Entry {
            name: name.to_vec(),
            kind,
            size: stamp.size(),
            modified: stamp.modified_ns() / 1_000_000_000,
        });
    }
    Ok(listing)
}

fn below(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

impl Listing {
    /// Folders first, then as the view says.
    fn sort(&mut self, view: View) {
        self.entries.sort_by(|left, right| {
            let by_name = || left.name.to_ascii_lowercase().cmp(&right.name.to_ascii_lowercase());
            let order = match view.key {
                Key::Name => by_name(),
                Key::Size => left.size.cmp(&right.size).then_with(by_name),
                Key::Date => left.modified.cmp(&right.modified).then_with(by_name),
            };
            let order = if view.descending { order.reverse() } else { order };
            let is_file = |entry: &Entry| entry.kind == Kind::File;
            is_file(left).cmp(&is_file(right)).then(order).then_with(|| left.name.cmp(&right.name))
        });
    }
}

impl Entry {
    /// The name as people see it.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// The name as a relative reference. The dot segment keeps a name with a colon from being read
    /// as a scheme.
    fn reference(&self) -> String {
        let mut reference = String::from("./");
        crate::path::encode_path(&self.name, &mut reference);
        if self.kind == Kind::Folder {
            reference.push('/');
        }
        reference
    }
}
