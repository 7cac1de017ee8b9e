//! How a server is described and its addresses taken: [`Server`], which becomes a [`Bound`].

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use app::Handler;
use base::Limits;
use listenfd::ListenFd;
use sock::{Alarm, ListenOptions, Listener};

use crate::bound::{Bound, Ground};
use crate::native::{Link, Use};
use crate::notice::Waiting;
use crate::start::Ways;
use crate::{
    Address, Capture, Error, LinkError, Net, Notice, Park, Running, ShardContext, capture, limits,
    signals,
};

/// How long [`Server::run`] lets connections finish after the first SIGINT or SIGTERM.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(30);

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
    capture: Option<Capture>,
    /// Whether handlers open connections.
    opens: bool,
    park: Park,
    waiting: Waiting,
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
    /// many as the process may have descriptors, and at most a million. With [`Net::Uring`] each
    /// shard can hold that many, if asked to here (from Linux 6.8 on).
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

    /// Keeps what passes the link of our own stack in files, from the start on.
    pub fn capture(mut self, capture: Capture) -> Self {
        self.capture = Some(capture);
        self
    }

    /// Whether handlers open connections ([`Handler::dial`]). It has to be said where [`Net::Xdp`]
    /// shares an interface with the kernel: some ports are taken for them, outside of those that
    /// the kernel chooses from. Everywhere else they may anyway.
    pub fn opens_connections(mut self, opens: bool) -> Self {
        self.opens = opens;
        self
    }

    /// What a shard of our own stack does when it has nothing to do; [`Park::Adapt`] if nothing is
    /// said.
    pub fn park(mut self, park: Park) -> Self {
        self.park = park;
        self
    }

    /// Has what happens to the link of our own stack told to `hear`, from whichever thread notices.
    pub fn notices(mut self, hear: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.waiting.hear = Arc::new(hear);
        self
    }

    /// Binding a server on a TAP device may wait for a lease, for up to a minute. Meanwhile this is
    /// asked, some fifty times a second, whether to go on; if not, binding fails with
    /// [`LinkError::Stopped`]. [`Server::run`] asks whether a signal has come.
    pub fn go_on_while(mut self, go_on: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.waiting.go_on = Arc::new(go_on);
        self
    }

    /// Takes the addresses, and does not accept anything yet. Between this and [`Bound::start`] a
    /// program can give up the privileges it needed for its ports; a change that applies to a
    /// thread and those it starts reaches all shards. See also [`Bound::decide`].
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::NoAddress`], [`Error::Descriptors`], [`Error::Listen`],
    /// [`Error::Inherited`], [`Error::Link`], [`Error::Capture`], [`Error::System`].
    pub fn bind(self) -> Result<Bound, Error> {
        if self.sockets.is_empty() {
            return Err(Error::NoAddress);
        }
        self.prepare()
    }

    /// As [`Server::bind`], also where there is nothing to listen on.
    pub(crate) fn prepare(self) -> Result<Bound, Error> {
        let own_stack = !self.net.is_kernel();
        if !own_stack && self.capture.is_some() {
            return Err(LinkError::NothingToCapture.into());
        }
        let possible = limits::descriptors_for_connections(self.reserved);
        let possible = if own_stack { u32::MAX } else { possible };
        let cpus = u16::try_from(shard::cpu::parallelism()).unwrap_or(u16::MAX);
        let most = match self.net {
            Net::Uring => sock::uring_capacity(self.shards.unwrap_or(cpus)).unwrap_or(possible),
            _ => possible,
        };
        let connections = limits::total(self.connections, possible, most.max(possible))?;
        // A shard that may hold no connection would refuse those the kernel deals it.
        let most = u16::try_from(connections).unwrap_or(u16::MAX);
        let shards = self.shards.unwrap_or(cpus).min(most);
        let (ground, ways) = match &self.net {
            Net::Tap(tap) => {
                let addresses = self.sockets.into_iter().map(Socket::into_address);
                let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
                on_link(Link::on_tap(tap, &addresses, shards, &self.waiting)?)
            }
            Net::Xdp(xdp) => {
                let addresses = self.sockets.into_iter().map(Socket::into_address);
                let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
                let asked = self.shards.map(|shards| shards.min(most));
                let use_of = Use { cpus: cpus.min(most), opens: self.opens, park: self.park };
                on_link(Link::on_interface(xdp, &addresses, asked, use_of)?)
            }
            Net::Kernel | Net::Epoll | Net::Uring => {
                let listeners = self.sockets.into_iter().map(|s| listener(s, shards > 1));
                let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
                let hands = deal(listeners, shards)?;
                let alarms = (0..shards).map(|_| Alarm::new()).collect::<Result<Vec<_>, _>>();
                let alarms =
                    alarms.map_err(|e| Error::System { what: "a descriptor", error: e })?;
                let rings = alarms.iter().cloned().map(|alarm| move || alarm.ring());
                let ways = Ways::new(rings.collect());
                (Ground::Sockets { net: self.net, choice: None, hands, alarms }, ways)
            }
        };
        let shards = match &ground {
            Ground::Sockets { .. } => shards,
            Ground::Link(link) => link.shards(),
        };
        Ok(Bound {
            ground,
            capture: self.capture.map(capture::Files::open).transpose()?,
            ways,
            shards,
            park: self.park,
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
        signals::run(|told| self.go_on_while(told).start(handler), DRAIN_TIME)
    }
}

/// Our own stack on a link, and the ways into its shards.
fn on_link(mut link: Link) -> (Ground, Ways) {
    let rings = link.alarms().into_iter().map(|alarm| move || alarm.ring());
    let ways = Ways::new(rings.collect());
    (Ground::Link(Box::new(link)), ways)
}

impl Socket {
    /// The address that our own stack is to listen on.
    fn into_address(self) -> Result<Address, Error> {
        match self {
            Self::At(address) => address,
            Self::Inherited(_) => Err(LinkError::Inherited.into()),
        }
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
