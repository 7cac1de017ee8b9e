//! Finding and reading what a path names, on a thread of the pool: [`Order::fill`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use app::{Source, Wake};

use crate::coding::{CODED, Coding, extension};
use crate::content::{Content, Host, Settings};
use crate::disk::{Found, Kind, OpenError, OpenFile, Root, read_whole};
use crate::mime;
use crate::page::{Body, Common, Page, SMALL, Stamps};
use crate::path::Target;
use crate::pool::Queue;

/// What is wanted.
pub(crate) struct Order {
    pub(crate) content: Arc<Content>,
    pub(crate) host: usize,
    pub(crate) target: Target,
    /// What a page at hand was made from: finding the same again is enough.
    pub(crate) known: Option<Stamps>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) wake: Arc<dyn Wake>,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Loaded {
    /// This.
    Page(Arc<Page>),
    /// What is known already.
    Unchanged,
    /// A folder, asked for without a slash at its end.
    Slashless,
    /// A folder without an index file.
    Folder,
    /// Nothing that can be given out, and why.
    Nothing(OpenError),
}

/// Attempts to read a small file that becomes shorter while it is read.
const ATTEMPTS: usize = 3;

impl Order {
    /// Finds it. Blocks.
    pub(crate) fn fill(&self) -> Loaded {
        self.find().unwrap_or_else(Loaded::Nothing)
    }

    fn find(&self) -> Result<Loaded, OpenError> {
        let host = &self.content.hosts[self.host];
        let root = host.root().ok_or(OpenError::NotFound)?;
        let path = self.target.relative();
        if self.target.is_folder() {
            for name in &host.index {
                let path = join(path, name);
                match root.find(&path) {
                    Ok(found) if found.kind == Kind::File => return self.page(root, path, found),
                    Ok(_) | Err(OpenError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let found = root.find(path)?;
        match (found.kind, self.target.is_folder()) {
            (Kind::Folder, true) => Ok(Loaded::Folder),
            (Kind::Folder, false) => Ok(Loaded::Slashless),
            (Kind::File, true) => Err(OpenError::NotFound),
            (Kind::File, false) => self.page(root, path.to_vec(), found),
        }
    }

    /// Makes the page of a file, and of the precompressed ones beside it.
    fn page(&self, root: &Root, path: Vec<u8>, found: Found) -> Result<Loaded, OpenError> {
        let mut found = found;
        for _ in 0..ATTEMPTS {
            let beside = self.beside(root, &path, &found);
            let settled = found.stamp.settled(now_ns());
            let stamps = Stamps {
                path: path.clone(),
                file: found.stamp,
                beside: beside.each_ref().map(|found| found.as_ref().map(|found| found.stamp)),
                settled,
            };
            if self.known.as_ref().is_some_and(|known| known.settled && known.is_same(&stamps)) {
                return Ok(Loaded::Unchanged);
            }
            if let Some(page) = self.make(stamps, found, beside) {
                return Ok(Loaded::Page(Arc::new(page)));
            }
            found = root.find(&path)?;
            if found.kind != Kind::File {
                return Err(OpenError::NotFound);
            }
        }
        Err(OpenError::Failed)
    }

    /// The precompressed files beside a file that are not older than it.
    fn beside(&self, root: &Root, path: &[u8], file: &Found) -> [Option<Found>; 3] {
        if !self.content.compression.precompressed {
            return [None, None, None];
        }
        CODED.map(|coding| {
            let mut path = path.to_vec();
            path.extend_from_slice(extension(coding).as_bytes());
            let found = root.find(&path).ok()?;
            let fits = found.kind == Kind::File && found.stamp.at_least_as_new_as(&file.stamp);
            fits.then_some(found)
        })
    }

    /// Reads what is small. `None` when the file became shorter meanwhile.
    fn make(&self, stamps: Stamps, file: Found, beside: [Option<Found>; 3]) -> Option<Page> {
        let host = &self.content.hosts[self.host];
        let settings = self.settings(host, &stamps.path);
        let content_type =
            settings.content_type.map_or_else(|| mime::of(&stamps.path), str::to_owned);
        let size = file.stamp.size();
        // A time to come is replaced by this one (RFC 9110 section 8.8.2.1).
        let modified = Some(file.stamp.modified_ns().min(now_ns()) / 1_000_000_000);
        let common = Common::new(&content_type, modified, "", &settings, &host.policies);
        let mut page = Page::new(common, &settings, &host.policies);
        page.stamps = Some(stamps);
        let beside = CODED.into_iter().zip(beside);
        let beside: Vec<_> =
            beside.filter_map(|(coding, found)| Some((coding, self.body(found?)?))).collect();
        let there: Vec<_> = beside.iter().map(|(coding, _)| *coding).collect();
        page.plan(&self.content.compression, size, &there);
        for (coding, body) in beside {
            page.put(coding, Some(body));
        }
        page.put(Coding::Identity, Some(self.body(file)?));
        Some(page)
    }

    fn settings<'a>(&self, host: &'a Host, served: &[u8]) -> Settings<'a> {
        let requested = self.target.absolute();
        let served = [b"/", served].concat();
        host.rules.settings(&requested, &served)
    }

    fn body(&self, found: Found) -> Option<Body> {
        let size = found.stamp.size();
        if size <= SMALL {
            return Some(Body::memory(read_whole(&found.fd, size)?.into()));
        }
        let (queue, wake) = (Arc::clone(&self.queue), Arc::clone(&self.wake));
        let file = OpenFile::new(found.fd, size, queue, wake);
        Some(Body::file(Source::File(Arc::new(file)), &found.stamp))
    }
}

impl Stamps {
    fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.file == other.file && self.beside == other.beside
    }
}

fn join(folder: &[u8], name: &str) -> Vec<u8> {
    let mut path = folder.to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.as_bytes());
    path
}

/// The wall clock that files are stamped by. Read on the pool, where nothing is simulated.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since: Duration| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
