//! What one shard's part of a site counts: [`Counters`]. Invariant: the shard's thread alone writes
//! them.

use app::Counter;

/// Counted by one [`SiteService`](crate::SiteService), for metrics and the status page.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests answered at once from the shard's cache.
    pub hits: Counter,
    /// Look-ups on disk: what was not in the cache, or had to be checked again.
    pub misses: Counter,
    /// Pages in the cache now.
    pub cached_pages: Counter,
    /// Bytes of memory that the cache holds now.
    pub cached_bytes: Counter,
    /// Descriptors that the cache holds open now.
    pub cached_files: Counter,
    /// Compressions asked for.
    pub compressions: Counter,
    /// Jobs refused because the pool's queue was full.
    pub refused_jobs: Counter,
    /// Lines that the access log lost because the disk is too slow for it.
    pub lost_log_lines: Counter,
}
