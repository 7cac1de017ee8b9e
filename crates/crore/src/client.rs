//! How a client is described: [`Client`], the [`Server`] that listens nowhere. Invariant: everything
//! but listening is the same for both, because it is the same code.

use app::Handler;

use crate::{Error, Net, Notice, Park, Running, Server, ShardContext};

/// Describes a client: handlers that open connections ([`Handler::dial`]) and accept none.
///
/// ```no_run
/// # use std::net::SocketAddr;
/// use crore::{Client, Cx, Dial, Handler, Instant, Step};
///
/// /// Greets so many servers, or one so many times.
/// struct Greeter {
///     to: SocketAddr,
///     left: u32,
/// }
///
/// impl Handler for Greeter {
///     type Conn = ();
///
///     fn dial(&mut self, _now: Instant) -> Option<Dial<()>> {
///         self.left = self.left.checked_sub(1)?;
///         Some(Dial::new(self.to, ()))
///     }
///
///     fn dial_at(&self) -> Option<Instant> {
///         (self.left > 0).then_some(Instant::ZERO) // do not sleep while there are some left
///     }
///
///     fn open(&mut self, cx: &mut Cx<'_, ()>) -> Step {
///         let _ = cx.out.put(b"hello\n");
///         Step::read(0)
///     }
///
///     fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
///         Step::idle(rx.len())
///     }
/// }
///
/// let to = SocketAddr::from(([127, 0, 0, 1], 7000));
/// Client::new().shards(2).run(move |_shard| Greeter { to, left: 5_000 })?;
/// # Ok::<(), crore::Error>(())
/// ```
///
/// A handler of a [`Server`] may dial just as well; a client is for when there is nothing to
/// listen on.
#[derive(Debug)]
#[must_use = "a client does nothing until it is started"]
pub struct Client(Server);

impl Default for Client {
    fn default() -> Self {
        Self(Server::new().opens_connections(true))
    }
}

impl Client {
    /// A client with the usual limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`Server::name`].
    pub fn name(self, name: &str) -> Self {
        Self(self.0.name(name))
    }

    /// See [`Server::net`].
    pub fn net(self, net: Net) -> Self {
        Self(self.0.net(net))
    }

    /// See [`Server::shards`]. Each has a handler of its own, which is told in [`ShardContext`]
    /// which of how many it is.
    pub fn shards(self, count: u16) -> Self {
        Self(self.0.shards(count))
    }

    /// Connections open or being opened at once, over all shards: each gets an equal part. One more
    /// is refused to the handler with [`DialError::Full`](crate::DialError::Full). If nothing is
    /// said, as many as the process may have descriptors, and at most a million.
    pub fn max_connections(self, count: u32) -> Self {
        Self(self.0.max_connections(count))
    }

    /// See [`Server::reserve_descriptors`].
    pub fn reserve_descriptors(self, count: u32) -> Self {
        Self(self.0.reserve_descriptors(count))
    }

    /// See [`Server::notices`].
    pub fn notices(self, hear: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(self.0.notices(hear))
    }

    /// See [`Server::go_on_while`].
    pub fn go_on_while(self, go_on: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(self.0.go_on_while(go_on))
    }

    /// See [`Server::park`].
    pub fn park(self, park: Park) -> Self {
        Self(self.0.park(park))
    }

    /// See [`Server::max_held_bytes`].
    pub fn max_held_bytes(self, bytes: u32) -> Self {
        Self(self.0.max_held_bytes(bytes))
    }

    /// Starts and returns. `handler` makes the handler of each shard, on that shard's own thread.
    /// A drain ([`Running::drain`]) stops it from opening connections, and gives up what is being
    /// opened.
    ///
    /// # Errors
    /// Any [`Error`]; then nothing has been started.
    pub fn start<F, H>(self, handler: F) -> Result<Running, Error>
    where
        F: Fn(&ShardContext) -> H + Send + Sync + 'static,
        H: Handler,
    {
        self.0.prepare()?.start(handler)
    }

    /// As [`Client::start`], and waits for SIGINT or SIGTERM like [`Server::run`].
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn run<F, H>(self, handler: F) -> Result<(), Error>
    where
        F: Fn(&ShardContext) -> H + Send + Sync + 'static,
        H: Handler,
    {
        let start = |told: crate::signals::GoOn| self.go_on_while(told).start(handler);
        crate::signals::run(start, crate::server::DRAIN_TIME)
    }
}
