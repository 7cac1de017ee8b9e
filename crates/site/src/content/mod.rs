//! A configuration made ready to be served from: [`Content`].
//!
//! Invariant: everything in it has been checked; nothing in it changes. A reload makes another one
//! and leaves this to the exchanges that began with it.

mod auth;
mod cors;
mod names;
mod redirects;
mod rules;

use std::collections::HashMap;
use std::path::PathBuf;

pub(crate) use auth::Realm;
pub(crate) use cors::{Allowed, Policy};
pub(crate) use rules::Settings;

use crate::compress::Levels;
use crate::config::{self, Complaints, Config, ConfigErrors, Spanned};
use crate::disk::Root;
use crate::path::Target;

/// Everything that is served.
#[derive(Debug)]
pub struct Content {
    pub(crate) hosts: Vec<Host>,
    names: names::Names,
    pub(crate) compression: Compression,
    /// Bytes of memory for small files, all shards together.
    pub(crate) cache_bytes: u64,
    /// Descriptors kept open, all shards together.
    pub(crate) open_files: u32,
    /// Threads that open, read and compress files.
    pub(crate) threads: u16,
    /// Jobs of each kind that may wait for one of them.
    pub(crate) queue: u32,
}

/// How answers are compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compression {
    pub(crate) levels: Levels,
    pub(crate) precompressed: bool,
    pub(crate) min_bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) cache_bytes: u64,
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) tree: Tree,
    /// Names of files that stand for their folder.
    pub(crate) index: Vec<String>,
    pub(crate) listing: bool,
    /// Canonical path of the page that stands for those that do not exist.
    pub(crate) spa_fallback: Option<String>,
    /// Canonical paths of the pages for errors, by status.
    pub(crate) error_pages: HashMap<u16, String>,
    pub(crate) rules: rules::Rules,
    pub(crate) redirects: redirects::Redirects,
    /// Who may see what; [`Settings::realm`] is an index.
    pub(crate) realms: Vec<Realm>,
    /// Which origins may read what; [`Settings::policy`] is an index.
    pub(crate) policies: Vec<Policy>,
}

/// Where a host's files are.
#[derive(Debug)]
pub(crate) enum Tree {
    /// In the program itself.
    Builtin,
    /// Below a folder; `None` while a configuration is only checked.
    Folder(Option<Root>),
}

/// Whether roots are opened while content is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Roots {
    Open,
    Skip,
}

/// Looks through a configuration without touching a disk.
pub(crate) fn check(config: &Config) -> Result<(), ConfigErrors> {
    Content::make(config, Roots::Skip).map(drop)
}

impl Content {
    /// Makes a configuration ready to be served from, and opens the folders it names.
    ///
    /// # Errors
    /// Everything in it that makes no sense or cannot be opened, with its place in the file.
    pub fn open(config: &Config) -> Result<Self, ConfigErrors> {
        Self::make(config, Roots::Open)
    }

    /// The index of the host that answers for `host`, as a request names it: with its port.
    pub(crate) fn host(&self, host: &str) -> usize {
        self.names.find(host)
    }

    fn make(config: &Config, roots: Roots) -> Result<Self, ConfigErrors> {
        let mut complaints = Complaints::default();
        let names = names::Names::new(config, &mut complaints);
        let compression = compression(&config.site.compression, &mut complaints);
        let shared = &config.site.root;
        let mut make = |host| Host::make(host, shared, roots, &mut complaints);
        let mut hosts: Vec<_> = config.host.iter().map(&mut make).collect();
        if hosts.is_empty() {
            hosts.push(make(&config::Host { listing: Some(true), ..config::Host::default() }));
        }
        if *config.site.threads.get_ref() == 0 {
            complaints.about(
                &config.site.threads,
                "threads is 0: no file could be opened. Use at least 1",
            );
        }
        complaints.or(Self {
            hosts,
            names,
            compression,
            cache_bytes: config.site.cache_bytes.get_ref().0,
            open_files: *config.site.open_files.get_ref(),
            threads: *config.site.threads.get_ref(),
            queue: *config.site.queue.get_ref(),
        })
    }
}

impl Host {
    /// The folder that is served; `None` for the built-in site.
    pub(crate) const fn root(&self) -> Option<&Root> {
        match &self.tree {
            Tree::Folder(root) => root.as_ref(),
            Tree::Builtin => None,
        }
    }

    fn make(
        host: &config::Host,
        shared: &Option<Spanned<PathBuf>>,
        roots: Roots,
        complaints: &mut Complaints,
    ) -> Self {
        let mut realms = Vec::new();
        let mut policies = Vec::new();
        let whole = host.auth.as_ref().map(|auth| auth::add(auth, &mut realms, complaints));
        let rules = rules::Rules::new(&host.rule, whole, &mut realms, &mut policies, complaints);
        Self {
            tree: tree(host.root.as_ref().or(shared.as_ref()), roots, complaints),
            index: index(host, complaints),
            listing: host.listing.unwrap_or(false),
            spa_fallback: host.spa_fallback.as_ref().and_then(|path| page(path, complaints)),
            error_pages: error_pages(host, complaints),
            rules,
            redirects: redirects::Redirects::new(&host.redirect, complaints),
            realms,
            policies,
        }
    }
}

fn tree(root: Option<&Spanned<PathBuf>>, roots: Roots, complaints: &mut Complaints) -> Tree {
    let Some(path) = root else { return Tree::Builtin };
    if roots == Roots::Skip {
        return Tree::Folder(None);
    }
    match Root::open(path.get_ref()) {
        Ok(root) => Tree::Folder(Some(root)),
        Err(error) => {
            let shown = path.get_ref().display();
            let message = format!("the folder {shown} cannot be opened: {error}");
            complaints.about(path, message);
            Tree::Folder(None)
        }
    }
}

fn index(host: &config::Host, complaints: &mut Complaints) -> Vec<String> {
    for name in &host.index {
        let text = name.get_ref();
        if text.is_empty() || text.contains(['/', '\0']) || text == "." || text == ".." {
            let message = format!("{text:?} is no file name; index takes names without folders");
            complaints.about(name, message);
        }
    }
    host.index.iter().map(|name| name.get_ref().clone()).collect()
}

fn error_pages(host: &config::Host, complaints: &mut Complaints) -> HashMap<u16, String> {
    let mut pages = HashMap::new();
    for (status, path) in &host.error_pages {
        match status.parse() {
            Ok(code @ 400..=599) => {
                pages.extend(page(path, complaints).map(|path| (code, path)));
            }
            _ => complaints.about(path, format!("{status} is no error status; use 400 to 599")),
        }
    }
    pages
}

/// The canonical form of a path that the configuration gives.
fn page(path: &Spanned<String>, complaints: &mut Complaints) -> Option<String> {
    let text = path.get_ref();
    let target = Target::parse(text).ok();
    if target.is_none() {
        complaints.about(
            path,
            format!("{text:?} is no path below the root; write it like \"/404.html\""),
        );
    }
    target.map(|target| target.canonical())
}

fn compression(config: &config::Compression, complaints: &mut Complaints) -> Compression {
    let mut level =
        |name: &str, level: &Option<Spanned<u8>>, range: std::ops::RangeInclusive<u8>| {
            let level = level.as_ref()?;
            if !range.contains(level.get_ref()) {
                let (low, high) = (range.start(), range.end());
                complaints.about(level, format!("{name} takes levels from {low} to {high}"));
            }
            config.enabled.then_some(*level.get_ref())
        };
    Compression {
        levels: Levels {
            brotli: level("brotli", &config.brotli, 0..=11),
            zstd: level("zstd", &config.zstd, 1..=22),
            gzip: level("gzip", &config.gzip, 1..=9),
        },
        precompressed: config.precompressed,
        min_bytes: config.min_bytes.0,
        max_bytes: config.max_bytes.0,
        cache_bytes: config.cache_bytes.0,
    }
}

#[cfg(test)]
mod tests;
