//! What is served, as a configuration file says it: [`Config`].
//!
//! Invariant: these are plain values as they were read. Whether they make sense is decided in one
//! place, when [`Content`](crate::Content) is made of them; every complaint there carries the
//! place in the file that it is about.

mod error;
mod rules;
mod size;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
pub use serde_spanned::Spanned;

pub(crate) use error::Complaints;
pub use error::{ConfigError, ConfigErrors};
pub use rules::{Auth, Cors, Redirect, Rule};
pub use size::Size;

/// Everything about what is served: the `[site]` table and the `[[host]]` array.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// What concerns all hosts.
    pub site: Site,
    /// The hosts. With none, the pages built into the program are served.
    pub host: Vec<Host>,
}

/// What concerns all hosts: the `[site]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Site {
    /// The folder of every host that names none of its own; without any host, the one that is
    /// served. Absent: the pages built into the program.
    pub root: Option<Spanned<PathBuf>>,
    /// One of the names of the host that answers requests for a host nobody has. Without it, the
    /// first host does.
    pub default_host: Option<Spanned<String>>,
    /// Bytes of memory for small files and prepared headers, all shards together.
    pub cache_bytes: Spanned<Size>,
    /// Descriptors kept open for files too large to be kept in memory, all shards together.
    pub open_files: Spanned<u32>,
    /// Threads that open, read and compress files.
    pub threads: Spanned<u16>,
    /// Jobs that may wait for one of those threads; one more is answered with 503.
    pub queue: Spanned<u32>,
    /// Compression.
    pub compression: Compression,
}

/// How answers are compressed: the `[site.compression]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Compression {
    /// Whether compressible files are compressed when a client accepts it.
    pub enabled: bool,
    /// Whether `FILE.br`, `FILE.zst` and `FILE.gz` beside a file are sent in its place to clients
    /// that accept them.
    pub precompressed: bool,
    /// Files smaller than this many bytes are not compressed.
    pub min_bytes: Size,
    /// Files larger than this many bytes are not compressed: the result is kept whole in memory.
    pub max_bytes: Size,
    /// Bytes of memory for compressed files.
    pub cache_bytes: Size,
    /// Brotli quality, 0 to 11. Absent: brotli is not used.
    pub brotli: Option<Spanned<u8>>,
    /// Zstandard level, 1 to 22. Absent: zstd is not used.
    pub zstd: Option<Spanned<u8>>,
    /// gzip level, 1 to 9. Absent: gzip is not used.
    pub gzip: Option<Spanned<u8>>,
}

/// One host: a `[[host]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Host {
    /// The names it answers to; `*.example.org` stands for every name below `example.org`.
    pub names: Vec<Spanned<String>>,
    /// The folder that is served. Absent: that of [`Site::root`].
    pub root: Option<Spanned<PathBuf>>,
    /// Files that stand for their folder, in order of preference.
    pub index: Vec<Spanned<String>>,
    /// Whether a folder without an index file is listed. Absent: only when the configuration has no
    /// host at all, as when a folder is served from the command line.
    pub listing: Option<bool>,
    /// The path answered for a page that does not exist, for applications that route in the
    /// browser.
    pub spa_fallback: Option<Spanned<String>>,
    /// Pages sent with an error status, by status.
    pub error_pages: BTreeMap<String, Spanned<String>>,
    /// Who may see this host.
    pub auth: Option<Auth>,
    /// Settings by path; later rules win over earlier ones, setting by setting.
    pub rule: Vec<Rule>,
    /// Redirects; the first that matches is taken.
    pub redirect: Vec<Redirect>,
}

impl Config {
    /// The configuration that serves `root` to everyone, with folders listed.
    #[must_use]
    pub fn folder(root: PathBuf) -> Self {
        let site = Site { root: Some(unspanned(root)), ..Site::default() };
        Self { site, host: Vec::new() }
    }

    /// Takes relative folders to start at `base`: where the configuration file is.
    pub fn resolve(&mut self, base: &Path) {
        for root in self.roots_mut() {
            *root.as_mut() = base.join(root.get_ref());
        }
    }

    /// The folders that are served.
    pub fn roots(&self) -> impl Iterator<Item = &Path> {
        let hosts = self.host.iter().filter_map(|host| host.root.as_ref());
        self.site.root.iter().chain(hosts).map(|root| root.get_ref().as_path())
    }

    fn roots_mut(&mut self) -> impl Iterator<Item = &mut Spanned<PathBuf>> {
        let hosts = self.host.iter_mut().filter_map(|host| host.root.as_mut());
        self.site.root.iter_mut().chain(hosts)
    }

    /// Whether the configuration makes sense, as far as it says without looking at any disk.
    ///
    /// # Errors
    /// Everything that does not, with its place in the file.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        crate::content::check(self)
    }
}

/// A value that stands in no file.
#[must_use]
pub fn unspanned<T>(value: T) -> Spanned<T> {
    Spanned::new(NOWHERE, value)
}

/// The span of a value that stands in no file.
pub(crate) const NOWHERE: Range<usize> = 0..0;

impl Default for Site {
    fn default() -> Self {
        Self {
            root: None,
            default_host: None,
            cache_bytes: unspanned(Size(64 << 20)),
            open_files: unspanned(1_024),
            threads: unspanned(4),
            queue: unspanned(1_024),
            compression: Compression::default(),
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: true,
            precompressed: true,
            min_bytes: Size(1_024),
            max_bytes: Size(8 << 20),
            cache_bytes: Size(64 << 20),
            brotli: Some(unspanned(5)),
            zstd: Some(unspanned(3)),
            gzip: Some(unspanned(6)),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            root: None,
            index: vec![unspanned("index.html".to_owned())],
            listing: None,
            spa_fallback: None,
            error_pages: BTreeMap::new(),
            auth: None,
            rule: Vec::new(),
            redirect: Vec::new(),
        }
    }
}
