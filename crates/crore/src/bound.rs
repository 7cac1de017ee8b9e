//! A server that has taken its addresses and not started: [`Bound`]. Invariant: what only a privileged
//! user may have is in it already, so that starting needs no privileges.

use std::sync::Arc;

use app::{Clock, Handler, Wake};
use base::Limits;
use sock::{Alarm, Kind, Listener, LocalAddress};

use crate::native::Link;
use crate::start::{self, Ways};
use crate::{Error, Net, Park, Running, ShardContext, capture};

/// A server that has taken its addresses and not started.
#[derive(Debug)]
#[must_use = "a server does nothing until it is started"]
pub struct Bound {
    pub(crate) ground: Ground,
    pub(crate) capture: Option<capture::Files>,
    pub(crate) ways: Ways,
    pub(crate) shards: u16,
    pub(crate) park: Park,
    pub(crate) name: String,
    /// What all shards together may hold.
    pub(crate) limits: Limits,
}

/// What the engines stand on, taken now because a program that gives up its privileges could not
/// have it again.
#[derive(Debug)]
pub(crate) enum Ground {
    /// Sockets of the kernel's.
    Sockets {
        net: Net,
        /// The engine, once it is decided.
        choice: Option<(Kind, String)>,
        /// The listeners of each shard.
        hands: Vec<Vec<Listener>>,
        /// What ends the sleep of each shard's engine.
        alarms: Vec<Alarm>,
    },
    /// A link for our own stack.
    Link(Box<Link>),
}

impl Ground {
    pub(crate) fn addresses(&self) -> Vec<&LocalAddress> {
        match self {
            Self::Sockets { hands, .. } => {
                hands.iter().take(1).flatten().map(Listener::local_addr).collect()
            }
            Self::Link(link) => link.addresses().iter().collect(),
        }
    }
}

impl Bound {
    /// The addresses taken, in the order they were given.
    pub fn addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.ground.addresses().into_iter()
    }

    /// How many shards will serve.
    #[must_use]
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// Sends wakes to this server's connections, from any thread, once it has some. What all
    /// handlers share and what wakes them, such as threads that read files, can be made with it
    /// before they are.
    #[must_use]
    pub fn wake(&self) -> Arc<dyn Wake> {
        Arc::new(self.ways.wakes.clone())
    }

    /// The clock that all shards will share.
    #[must_use]
    pub fn clock(&self) -> Arc<Clock> {
        self.ways.clock.clone()
    }

    /// Decides now which engine to take, and not when starting: a trial of both needs sockets of
    /// its own, and a program may be about to give up the right to open any. It is to be called as
    /// the user that will serve, because the kernel can refuse io_uring by user.
    pub fn decide(mut self) -> Self {
        if let Ground::Sockets { net, choice, .. } = &mut self.ground {
            choice.get_or_insert_with(|| start::choose(net));
        }
        self
    }

    /// Starts serving and returns. `handler` makes the handler of each shard, on that shard's own
    /// thread.
    ///
    /// # Errors
    /// Any [`Error`]; then nothing has been started.
    pub fn start<F, H>(self, handler: F) -> Result<Running, Error>
    where
        F: Fn(&ShardContext) -> H + Send + Sync + 'static,
        H: Handler,
    {
        start::start(self, handler)
    }
}
