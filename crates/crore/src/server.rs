//! How a server is described and its addresses taken: [`Server`], then [`Bound`].

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use app::{Clock, Handler, Wake};
use base::Limits;
use listenfd::ListenFd;
use sock::{Kind, ListenOptions, Listener, LocalAddress};

use crate::start::{self, Ways};
use crate::{Address, Error, Running, ShardContext, limits, signals};

/// How long [`Server::run`] lets connections finish after the first SIGINT or SIGTERM.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(30);

/// What drives the connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Net {
    /// Kernel sockets, by io_uring where a short trial at the start shows that it is faster on
    /// this machine, else by epoll.
    #[default]
    Kernel,
    /// Kernel sockets by epoll.
    Epoll,
    /// Kernel sockets by io_uring.
    Uring,
}

/// Describes a server: where it listens, how much it may hold, how many shards it has.
///
/// ```no_run
/// # use crore::{Cx, Handler, Step};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Conn = ();
/// #     fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
/// #         Step::idle(cx.out.put_some(rx))
/// #     }
/// # }
/// use crore::Server;
///
/// let server = Server::new()
///     .listen("0.0.0.0:7000")
///     .listen("[::]:7000")
///     .max_connections(100_000)
///     .max_connections_per_client(100);
/// server.run(|_shard| Echo)?;
/// # Ok::<(), crore::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a server does nothing until it is started"]
pub struct Server {
    /// What its threads are called.
    name: Option<String>,
    sockets: Vec<Socket>,
    net: Net,
    shards: Option<u16>,
    connections: Option<u32>,
    /// Descriptors that the handlers want for themselves.
    reserved: u32,
    limits: Limits,
}

/// One thing to listen on.
#[derive(Debug)]
enum Socket {
    At(Result<Address, Error>),
    Inherited(Result<OwnedFd, Error>),
}

impl Server {
    /// A server that listens nowhere yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the server's threads are called, with the shard's number behind it: `shard-0` and so on
    /// if nothing is said. The kernel shows 15 bytes of it.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Listens on an address, written as [`Address`] says. May be called more than once; the
    /// listeners are numbered in the order they were given, and
    /// [`Role::Accepted`](crate::Role::Accepted) has the number.
    pub fn listen(mut self, address: &str) -> Self {
        self.sockets.push(Socket::At(address.parse().map_err(Error::Address)));
        self
    }

    /// Listens on an address that has been read already.
    pub fn listen_on(mut self, address: Address) -> Self {
        self.sockets.push(Socket::At(Ok(address)));
        self
    }

    /// Listens on the sockets that systemd (or whoever started the process) hands over in
    /// `LISTEN_FDS`; on none if there are none. Clears the variable, so that it has an effect once.
    pub fn listen_on_inherited(mut self) -> Self {
        let mut inherited = ListenFd::from_env();
        for index in 0..inherited.len() {
            let tcp = inherited.take_tcp_listener(index).map(|socket| socket.map(OwnedFd::from));
            let socket = match tcp {
                Ok(socket) => Ok(socket),
                Err(_) => inherited.take_unix_listener(index).map(|s| s.map(OwnedFd::from)),
            };
            let socket = socket.map_err(Error::Inherited).transpose();
            self.sockets.extend(socket.map(Socket::Inherited));
        }
        self
    }

    /// Whether there is anything to listen on yet.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// What drives the connections; [`Net::Kernel`] if nothing is said.
    pub fn net(mut self, net: Net) -> Self {
        self.net = net;
        self
    }

    /// How many shards serve, each a thread of its own; as many as the process may use CPUs if
    /// nothing is said. With exactly that many, each is pinned to its own CPU.
    pub fn shards(mut self, count: u16) -> Self {
        self.shards = Some(count.max(1));
        self
    }

    /// Connections open at once, over all shards: each gets an equal part. If nothing is said, as
    /// many as the process may have descriptors, and at most a million.
    pub fn max_connections(mut self, count: u32) -> Self {
        self.connections = Some(count.max(1));
        self
    }

    /// Descriptors that the handlers need for themselves, such as for files, and that connections
    /// must leave to them.
    pub fn reserve_descriptors(mut self, count: u32) -> Self {
        self.reserved = count;
        self
    }

    /// Connections open at once from one client (an IPv4 address or an IPv6 /64); 0, the default,
    /// sets no bound. Each shard counts for itself, and the kernel spreads a client's connections
    /// over the shards, so with several shards a client may get more than this but never less.
    pub fn max_connections_per_client(mut self, count: u32) -> Self {
        self.limits.connections_per_client = count;
        self
    }

    /// When all connections are taken, whether the idle one that has rested longest makes way for
    /// a new one. Otherwise, and by default, the new one is refused.
    pub fn evict_idle(mut self, evict: bool) -> Self {
        self.limits.evict_idle = evict;
        self
    }

    /// Bytes a handler may leave unconsumed on one connection while it waits for more; 64 KiB if
    /// nothing is said.
    pub fn max_held_bytes(mut self, bytes: u32) -> Self {
        self.limits.held_bytes = bytes;
        self
    }

    /// Takes the addresses, and does not accept anything yet. Between this and [`Bound::start`] a
    /// program can give up the privileges it needed for its ports; a change that applies to a
    /// thread and those it starts reaches all shards. See also [`Bound::decide`].
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::NoAddress`], [`Error::Descriptors`], [`Error::Listen`],
    /// [`Error::Inherited`], [`Error::System`].
    pub fn bind(self) -> Result<Bound, Error> {
        if self.sockets.is_empty() {
            return Err(Error::NoAddress);
        }
        self.prepare()
    }

    /// As [`Server::bind`], also where there is nothing to listen on.
    pub(crate) fn prepare(self) -> Result<Bound, Error> {
        let possible = limits::descriptors_for_connections(self.reserved);
        let connections = limits::total(self.connections, possible)?;
        let cpus = u16::try_from(shard::cpu::parallelism()).unwrap_or(u16::MAX);
        // A shard that may hold no connection would refuse those the kernel deals it.
        let most = u16::try_from(connections).unwrap_or(u16::MAX);
        let shards = self.shards.unwrap_or(cpus).min(most);
        let listeners = self.sockets.into_iter().map(|socket| listener(socket, shards > 1));
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let hands = deal(listeners, shards)?;
        let ways = Ways::new(shards)?;
        Ok(Bound {
            net: self.net,
            choice: None,
            hands,
            ways,
            name: self.name.unwrap_or_else(|| "shard".into()),
            limits: Limits { connections, ..self.limits },
        })
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
        self.bind()?.start(handler)
    }

    /// Serves until SIGINT or SIGTERM, then lets connections finish for up to 30 seconds and
    /// returns. A second signal ends at once.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn run<F, H>(self, handler: F) -> Result<(), Error>
    where
        F: Fn(&ShardContext) -> H + Send + Sync + 'static,
        H: Handler,
    {
        signals::run(|| self.start(handler), DRAIN_TIME)
    }
}

fn listener(socket: Socket, several: bool) -> Result<Listener, Error> {
    let options = ListenOptions { reuse_port: several, ..ListenOptions::default() };
    let listener = match socket {
        Socket::At(address) => match address? {
            Address::Tcp(address) => Listener::tcp(address, options)?,
            Address::Unix(path) => Listener::unix(&path)?,
        },
        Socket::Inherited(socket) => Listener::from_fd(socket?)?,
    };
    Ok(listener)
}

/// Gives every shard a listener of its own for every address.
fn deal(mut listeners: Vec<Listener>, shards: u16) -> Result<Vec<Vec<Listener>>, Error> {
    let mut hands = Vec::with_capacity(usize::from(shards));
    for _ in 1..shards {
        let clones = listeners.iter_mut().map(Listener::try_clone);
        hands.push(clones.collect::<Result<Vec<_>, _>>()?);
    }
    hands.push(listeners);
    Ok(hands)
}

/// A server that has taken its addresses and not started.
#[derive(Debug)]
#[must_use = "a server does nothing until it is started"]
pub struct Bound {
    pub(crate) net: Net,
    /// The engine, once it is decided.
    pub(crate) choice: Option<(Kind, String)>,
    /// The listeners of each shard, taken now because a program that gives up its privileges could
    /// not bind to the same ports again.
    pub(crate) hands: Vec<Vec<Listener>>,
    pub(crate) ways: Ways,
    pub(crate) name: String,
    /// What all shards together may hold.
    pub(crate) limits: Limits,
}

impl Bound {
    /// The addresses taken, in the order they were given.
    pub fn addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.hands.iter().take(1).flatten().map(Listener::local_addr)
    }

    /// How many shards will serve.
    #[must_use]
    pub fn shards(&self) -> u16 {
        // As many as the u16 that they were dealt for.
        self.hands.len() as u16
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
        self.choice.get_or_insert_with(|| start::choose(self.net));
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
