//! What all shards of a process share of a site: [`Site`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::Wake;

use crate::coded::Coded;
use crate::content::Content;
use crate::log::{Log, Pen};
use crate::pool::{Pool, Queue};
use crate::service::{ErrorPages, SiteService};

/// What a site needs from the process it is in.
pub struct Environment {
    /// Wakes connections when what they wait for is there.
    pub wake: Arc<dyn Wake>,
    /// Shards that will serve the site; memory is divided among them.
    pub shards: u16,
    /// Where requests are logged, if they are.
    pub log: Option<Arc<Log>>,
}

/// A site: the content that is served now, and the threads that fetch it.
pub struct Site {
    pool: Pool,
    environment: Environment,
    current: Mutex<Arc<Content>>,
    /// Raised whenever `current` is another.
    generation: AtomicU64,
    error_pages: ErrorPages,
    coded: Arc<Coded>,
}

impl Site {
    /// Starts the threads that will read files.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(content: Content, environment: Environment) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            pool: Pool::start(content.threads, content.queue)?,
            coded: Arc::new(Coded::new(content.compression.cache_bytes)),
            environment,
            current: Mutex::new(Arc::new(content)),
            generation: AtomicU64::new(0),
            error_pages: ErrorPages::new(),
        }))
    }

    /// The service for one shard.
    #[must_use]
    pub fn service(self: &Arc<Self>) -> SiteService {
        SiteService::new(Arc::clone(self))
    }

    /// Serves other content from now on. Exchanges that have begun end with what they began with.
    /// The number of threads and the length of their queue stay as they were at the start.
    pub fn reload(&self, content: Content) {
        self.coded.limit(content.compression.cache_bytes);
        let mut current = self.lock();
        *current = Arc::new(content);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Opens the access log's file anew: it was moved away.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.environment.log {
            log.reopen();
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What is served now, and which generation it is.
    pub(crate) fn content(&self) -> (Arc<Content>, u64) {
        let current = self.lock();
        (Arc::clone(&current), self.generation())
    }

    pub(crate) fn queue(&self) -> Arc<Queue> {
        self.pool.queue()
    }

    pub(crate) fn coded(&self) -> Arc<Coded> {
        Arc::clone(&self.coded)
    }

    pub(crate) fn wake(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.environment.wake)
    }

    /// What one shard logs requests with.
    pub(crate) fn pen(&self) -> Option<Pen> {
        self.environment.log.as_ref().map(|log| log.pen())
    }

    pub(crate) fn shards(&self) -> u16 {
        self.environment.shards.max(1)
    }

    pub(crate) const fn error_pages(&self) -> &ErrorPages {
        &self.error_pages
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Content>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
