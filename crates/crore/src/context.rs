//! What a handler is told about the shard it is made for: [`ShardContext`].

use std::sync::Arc;

use app::{Clock, Counters, Wake};
use base::Limits;
use http::{Http, LiveSettings, Service};

/// What a handler may want to know of its shard when it is made.
#[derive(Clone)]
#[non_exhaustive]
pub struct ShardContext {
    /// Which shard of the server this is, counted from 0.
    pub index: u16,
    /// How many shards the server has.
    pub shards: u16,
    /// What this shard may hold.
    pub limits: Limits,
    /// Turns the time of a call ([`Cx::now`](crate::Cx::now)) into wall-clock time.
    pub clock: Arc<Clock>,
    /// Sends wakes to the connections of this server, from any thread.
    pub wake: Arc<dyn Wake>,
    /// What this shard's engine counts.
    pub counters: Arc<Counters>,
}

impl ShardContext {
    /// A handler that speaks HTTP/1.1 on this shard and answers with `service`, within the usual
    /// [`Settings`](http::Settings). A program that wants others, or to read the counters, calls
    /// [`Http::new`] itself.
    #[must_use]
    pub fn http<S: Service>(&self, service: S) -> Http<S> {
        let settings = Arc::new(LiveSettings::default());
        Http::new(service, settings, self.clock.clone(), Arc::default())
    }
}

impl std::fmt::Debug for ShardContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardContext")
            .field("index", &self.index)
            .field("shards", &self.shards)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
