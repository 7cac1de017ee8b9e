//! Servers on our own TCP/IP stack: what they were told, made into what the stack is built with.
//! Invariant: all that only a privileged user may do (devices, their queues) is done when a server
//! is bound, and none of it when its shards start.

mod about;
mod link_error;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use base::{Limits, SipKey};
use dhcp::{AcquireError, Acquired, Client, Lease, Leased, Patience};
use port_tap::{Device, TapPort};
use port_xdp::{Attachment, Interface, Mode, Options, Sources, XdpPort};
use sock::LocalAddress;
use stack::port::{Alarm, Fanout};
use stack::wire::ethernet::Mac;
use stack::{Config, Listener, Park, ReserveError, Route, Secrets, tcp};

pub use link_error::LinkError;

use about::{about, about_interface};

use crate::notice::Waiting;
use crate::{Address, Notice, Prefix, Tap, Xdp};

/// Connections of one shard that can have work to do at once, at most. Each takes about 2 KiB and a
/// buffer of 4 KiB, once that many have been at work.
const WORKING: u32 = 32_768;
/// Packets of one shard that are on their way out: several batches, and those that wait for a
/// neighbour's address, a quarter at most. Those that were never needed take no memory.
const FRAMES: u32 = 4096;
/// Addresses that a stack has at most.
const ADDRESSES: usize = 65_536;
/// Ports that connections are opened from at addresses that nobody else has; those below want
/// privileges everywhere else.
const PORTS: RangeInclusive<u16> = 1_024..=u16::MAX;

/// How long a DHCP server is looked for: DHCP asks four times in it.
const LEASE_WAIT: Duration = Duration::from_secs(60);

/// Our own stack on a link, ready to be started: a queue for each shard.
#[derive(Debug)]
pub(crate) struct Link {
    /// What every shard's stack is built with, but for its number and limits.
    config: Config,
    queues: Vec<Queue>,
    /// Ports that connections are opened from.
    ports: RangeInclusive<u16>,
    listening: Vec<LocalAddress>,
    /// The kind of link, and what there is to say about this one.
    pub(crate) kind: &'static str,
    pub(crate) about: String,
}

/// Where the frames of one shard come from.
#[derive(Debug)]
pub(crate) enum Queue {
    /// One queue of a TAP device.
    Tap(Box<Fanout<Leased<TapPort>>>),
    /// Some queues of a kernel's interface.
    Xdp(Box<XdpPort>),
}

impl Link {
    /// Puts our stack on a TAP device, with a queue for each shard. Waits for a lease where one is wanted.
    pub(crate) fn on_tap(
        tap: &Tap,
        listen: &[Address],
        shards: u16,
        waiting: &Waiting,
    ) -> Result<Self, LinkError> {
        let mut config = config(tap)?;
        // Before anybody waits for a lease.
        let mut own = tap.addresses.clone();
        if !tap.dhcp {
            listening(listen, &own)?;
        }
        let device = Device::open(&tap.device, shards).map_err(LinkError::Tap)?;
        let about = about(&device, shards);
        let mut ports = TapPort::all_of(device).map_err(LinkError::System)?;
        let acquired = tap.dhcp.then(|| lease(&mut ports, tap, config.mac, waiting)).transpose()?;
        if let Some((_, lease)) = &acquired {
            own.insert(0, Prefix { address: lease.address.into(), length: lease.length });
            config.addresses.insert(0, lease.address.into());
            config.routes.extend(lease.routes().into_iter().map(leased_route));
        }
        if !tap.sources.is_empty() {
            let mut sources = source_addresses(&tap.sources)?;
            sources.retain(|source| !config.addresses.contains(source));
            config.addresses.extend(sources);
        }
        let listening = listening(listen, &own)?;
        let queues = queues(ports, acquired, waiting).map_err(LinkError::Memory)?;
        let config = listeners(config, listen);
        Ok(Self { config, queues, ports: PORTS, listening, kind: "tap", about })
    }

    /// Puts our stack on an interface of the kernel's. Each shard has queues of its own, so there
    /// are as many shards as queues at most; `shards` is how many are wanted, if that was said.
    pub(crate) fn on_interface(
        xdp: &Xdp,
        listen: &[Address],
        shards: Option<u16>,
        use_of: Use,
    ) -> Result<Self, LinkError> {
        let interface = Interface::look_up(&xdp.interface).map_err(LinkError::Xdp)?;
        let own: Vec<Prefix> = interface
            .addresses
            .iter()
            .map(|&address| Prefix { address, length: if address.is_ipv4() { 32 } else { 128 } })
            .collect();
        let listen = served(listen, &own);
        let listening = listening(&listen, &own)?;
        let queues = u16::try_from(interface.queues).unwrap_or(u16::MAX);
        let sources = source_addresses(&xdp.sources)?;
        if let Some(own) = sources.iter().find(|source| interface.addresses.contains(source)) {
            return Err(LinkError::OwnSource(*own));
        }
        let from_own = use_of.opens && sources.is_empty();
        let outgoing = from_own.then(port_xdp::free_ports).transpose().map_err(LinkError::Xdp)?;
        let network = |source: &Prefix| Sources {
            prefix: source.address,
            length: source.length,
            ports: PORTS,
        };
        let options = Options {
            listeners: inet(&listen).collect(),
            outgoing: outgoing.clone(),
            sources: xdp.sources.iter().map(network).collect(),
            busy_poll: use_of.park == Park::Poll,
            mode: xdp.generic.then_some(Mode::Generic),
            shards: shards.unwrap_or(use_of.cpus.min(queues)),
        };
        // Who listens nowhere and has sources connects from these alone.
        let own_too = sources.is_empty() || !listen.is_empty();
        let own_addresses = interface.addresses.iter().copied().filter(|_| own_too);
        let config = Config {
            mac: Mac(interface.mac),
            addresses: own_addresses.chain(sources).collect(),
            routes: interface.routes.iter().map(route).collect(),
            ..plain()?
        };
        let attached = Attachment::new(&interface, &options).map_err(LinkError::Xdp)?;
        let about = about_interface(&interface, &attached);
        let ports = attached.into_ports().into_iter();
        let queues = ports.map(|port| Queue::Xdp(Box::new(port))).collect();
        let (config, ports) = (listeners(config, &listen), outgoing.unwrap_or(PORTS));
        Ok(Self { config, queues, ports, listening, kind: "xdp", about })
    }

    /// How many shards there are queues for.
    pub(crate) fn shards(&self) -> u16 {
        // Made from a u16.
        self.queues.len() as u16
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> &[LocalAddress] {
        &self.listening
    }

    /// What ends each shard's sleep.
    pub(crate) fn alarms(&mut self) -> Vec<Alarm> {
        let alarm = |queue: &mut Queue| match queue {
            Queue::Tap(port) => port.inner().inner().alarm(),
            Queue::Xdp(port) => port.alarm(),
        };
        self.queues.iter_mut().map(alarm).collect()
    }

    /// Ports that connections are opened from, those of all shards.
    pub(crate) const fn ports(&self) -> &RangeInclusive<u16> {
        &self.ports
    }

    /// What each shard's stack is built with: the shard's number and limits are still to be set.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = (Config, Queue)> {
        let config = self.config;
        self.queues.into_iter().map(move |queue| (config.clone(), queue))
    }
}

/// What an interface is wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// Processors there are for shards.
    pub(crate) cpus: u16,
    /// Whether connections are opened, too.
    pub(crate) opens: bool,
    pub(crate) park: Park,
}

/// All addresses of some networks.
fn source_addresses(sources: &[Prefix]) -> Result<Vec<IpAddr>, LinkError> {
    let all = sources.iter().flat_map(|source| source.addresses()).take(ADDRESSES + 1);
    let all: Vec<IpAddr> = all.collect();
    if all.len() > ADDRESSES { Err(LinkError::TooManySources) } else { Ok(all) }
}

/// What a shard's stack is built with.
pub(crate) fn for_shard(config: Config, shard: u16, limits: Limits) -> Config {
    let working = limits.connections.min(WORKING);
    Config { shard, limits, working, buffers: working.max(64), ..config }
}

/// What the stack on a TAP device is built with, but for what comes with a lease.
fn config(tap: &Tap) -> Result<Config, LinkError> {
    let Tap { addresses, gateways, .. } = tap;
    if addresses.is_empty() && !tap.dhcp {
        return Err(LinkError::NoAddress);
    }
    let networks = addresses.iter().map(|prefix| Route {
        prefix: prefix.address,
        length: prefix.length,
        gateway: None,
    });
    let mut routes: Vec<Route> = networks.collect();
    for &gateway in gateways {
        if tap.dhcp && gateway.is_ipv4() {
            return Err(LinkError::LeasedGateway(gateway));
        }
        let is_default =
            |route: &Route| route.gateway.is_some() && route.prefix.is_ipv4() == gateway.is_ipv4();
        let reachable = addresses.iter().any(|prefix| prefix.contains(gateway));
        if !reachable || routes.iter().any(is_default) {
            return Err(LinkError::Gateway(gateway));
        }
        routes.push(Route { prefix: gateway, length: 0, gateway: Some(gateway) });
    }
    Ok(Config {
        mac: mac(tap),
        addresses: addresses.iter().map(|prefix| prefix.address).collect(),
        routes,
        ..plain()?
    })
}

/// Has a DHCP server lend the stack an address.
fn lease(
    ports: &mut [TapPort],
    tap: &Tap,
    own: Mac,
    waiting: &Waiting,
) -> Result<Acquired, LinkError> {
    let tell = |event: &dhcp::Event| waiting.tell(&Notice::of(event));
    let (device, seconds) = (tap.device.clone(), LEASE_WAIT.as_secs());
    waiting.tell(&Notice::Asking { device: device.clone(), seconds });
    let client = Client::new(own, secret()?, shard::time::now());
    let patience = Patience { within: LEASE_WAIT, go_on: &|| waiting.goes_on() };
    dhcp::acquire(ports, client, patience, shard::time::now, tell).map_err(|why| match why {
        AcquireError::Stopped => LinkError::Stopped,
        why => LinkError::NoLease { device, why },
    })
}

fn leased_route(route: dhcp::Route) -> Route {
    let (prefix, gateway) = (route.prefix.into(), route.gateway.map(IpAddr::V4));
    Route { prefix, length: route.length, gateway }
}

/// The queues of a device, one for each shard, that share the lease if there is one.
fn queues(
    ports: Vec<TapPort>,
    acquired: Option<(Client, Lease)>,
    waiting: &Waiting,
) -> Result<Vec<Queue>, ReserveError> {
    let alarms: Vec<Alarm> = ports.iter().map(TapPort::alarm).collect();
    let ports = match acquired {
        None => Leased::plain(ports),
        Some(acquired) => {
            let waiting = waiting.clone();
            let listener = Box::new(move |event: &dhcp::Event| waiting.tell(&Notice::of(event)));
            let queues = ports.into_iter().zip(alarms.iter().cloned()).collect();
            Leased::share(queues, acquired, listener)?
        }
    };
    let joined = Fanout::join(ports.into_iter().zip(alarms).collect())?;
    Ok(joined.into_iter().map(|queue| Queue::Tap(Box::new(queue))).collect())
}

/// Eight random bytes.
fn secret() -> Result<u64, LinkError> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(LinkError::System)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// What goes for every link: all but the addresses and what is listened on.
fn plain() -> Result<Config, LinkError> {
    // The same for all shards, so that each understands the others' cookies.
    let secrets = Secrets {
        flows: SipKey::new([secret()?, secret()?]),
        sequence: SipKey::new([secret()?, secret()?]),
        cookies: SipKey::new([secret()?, secret()?]),
    };
    let mut tcp = tcp::Config::default();
    tcp.extensions.timestamp_offset = secret()? as u32;
    Ok(Config {
        shard: 0,
        mac: Mac::default(),
        addresses: Vec::new(),
        routes: Vec::new(),
        listeners: Vec::new(),
        limits: Limits::default(),
        working: 0,
        buffers: 0,
        frames: FRAMES,
        tcp,
        secrets,
    })
}

/// The stack's own Ethernet address: locally administered, and the same each time, so that
/// neighbours who remember it find a restarted server at once, and a DHCP server its lease. An address
/// that is leased makes no difference between two machines, so what does is looked at.
fn mac(tap: &Tap) -> Mac {
    let mut hasher = DefaultHasher::new();
    (&tap.device, &tap.addresses).hash(&mut hasher);
    if tap.dhcp {
        // Containers of one image may have the machine's number in common, but not their name.
        fs::read("/etc/machine-id").unwrap_or_default().hash(&mut hasher);
        rustix::system::uname().nodename().to_bytes().hash(&mut hasher);
    }
    let [a, b, c, d, e, ..] = hasher.finish().to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}

fn listeners(config: Config, listen: &[Address]) -> Config {
    let listener = |at: SocketAddr| Listener { address: Some(at.ip()), port: at.port() };
    Config { listeners: inet(listen).map(listener).collect(), ..config }
}

/// The addresses that are of IP.
fn inet(listen: &[Address]) -> impl Iterator<Item = SocketAddr> {
    listen.iter().filter_map(|address| match address {
        Address::Tcp(at) => Some(*at),
        Address::Unix(_) => None,
    })
}

/// Where connections are accepted, as a client has to write it: an address of the stack's own in
/// place of "all".
fn listening(listen: &[Address], own: &[Prefix]) -> Result<Vec<LocalAddress>, LinkError> {
    let at = |address: &Address| {
        let refused = || LinkError::Listen(address.clone());
        let Address::Tcp(wanted) = address else { return Err(refused()) };
        let ip = wanted.ip();
        let fits = |prefix: &&Prefix| {
            prefix.address == ip || ip.is_unspecified() && ip.is_ipv4() == prefix.address.is_ipv4()
        };
        let found = own.iter().find(fits).filter(|_| wanted.port() != 0).ok_or_else(refused)?;
        Ok(LocalAddress::Inet(SocketAddr::new(found.address, wanted.port())))
    };
    listen.iter().map(at).collect()
}

/// What is listened on of what was asked for: "all of a family" of which there are none stands for
/// nothing, as long as there is something else.
fn served(listen: &[Address], own: &[Prefix]) -> Vec<Address> {
    let is_empty = |address: &&Address| match address {
        Address::Tcp(at) => {
            let of_family = |prefix: &Prefix| prefix.address.is_ipv4() == at.is_ipv4();
            at.ip().is_unspecified() && !own.iter().any(of_family)
        }
        Address::Unix(_) => false,
    };
    let served: Vec<Address> = listen.iter().filter(|at| !is_empty(at)).cloned().collect();
    if served.is_empty() { listen.to_vec() } else { served }
}

const fn route(route: &port_xdp::Route) -> Route {
    Route { prefix: route.prefix, length: route.length, gateway: route.gateway }
}

#[cfg(test)]
mod tests;
