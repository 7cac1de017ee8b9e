//! Takes the addresses, for the server and for its admin pages.

use std::num::NonZeroU32;
use std::sync::Arc;

use crore::{Bound, Capture, Error, LinkError, Server, Tap, Xdp};
use nix::sys::resource::{Resource, getrlimit};
use tracing::{info, warn};

use crate::settings::{Given, Net, Own, Park, Place, Settings};

use super::capacity::{self, Holder};
use super::{Failure, Signals};

/// Connections of the admin listener. One that nobody uses makes way for a new one.
const ADMIN_CONNECTIONS: u32 = 256;

/// Bytes held of a header beside what it may have, so that a request one byte too long is answered
/// and not cut off.
const HELD_BESIDE_HEADER: u32 = 48 * 1024;

/// Connections that the library asks for at most when nobody says how many.
const LIBRARY_MOST: u64 = 1_000_000;

/// The addresses of a server, taken.
#[derive(Debug)]
pub struct Listening {
    /// Those for everybody.
    pub main: Bound,
    /// That of the status pages.
    pub admin: Option<Bound>,
}

impl Listening {
    /// Decides on the engine, while a trial can still have the sockets it needs.
    pub fn decide(self) -> Self {
        let Self { main, admin } = self;
        Self { main: main.decide(), admin }
    }
}

/// Takes the addresses and makes sure that the connections asked for can be held. `None`: a signal came
/// while an address was waited for.
pub fn bind(
    given: &Given<'_>,
    settings: &Settings,
    signals: &Arc<Signals>,
) -> Result<Option<Listening>, Failure> {
    let failed = |error| Failure::server(given, settings, &error);
    let signals = Arc::clone(signals);
    let main = match server(given, settings)?.go_on_while(move || !signals.stopped()).bind() {
        Err(Error::Link(LinkError::Stopped)) => return Ok(None),
        bound => bound.map_err(failed)?,
    };
    let admin = settings.admin.clone().map(|address| {
        let server =
            Server::new().name("admin").listen_on(address).net(crore::Net::Epoll).shards(1);
        server.max_connections(ADMIN_CONNECTIONS).evict_idle(true).bind()
    });
    Ok(Some(Listening { main, admin: admin.transpose().map_err(failed)? }))
}

/// The most bytes the engine holds of a request's header that has not come whole.
pub fn held_bytes(settings: &Settings) -> u32 {
    settings.http.header_bytes + HELD_BESIDE_HEADER
}

fn server(given: &Given<'_>, settings: &Settings) -> Result<Server, Failure> {
    let mut server = Server::new().listen_on_inherited();
    let asked_for = given.place("listen", None) != Place::Default;
    if asked_for || !server.listens() {
        for address in &settings.listen {
            server = server.listen_on(address.clone());
        }
    }
    if let Some(shards) = settings.shards {
        server = server.shards(shards.get());
    }
    if let Some(connections) = connections(given, settings)? {
        server = server.max_connections(connections.get());
    }
    if let Some(file) = settings.pcap.clone() {
        server = server.capture(Capture {
            file,
            bytes: settings.pcap_bytes,
            host: settings.pcap_host,
            port: settings.pcap_port.map(u16::from),
        });
    }
    Ok(server
        .net(net(settings))
        .notices(|notice| match notice.is_warning() {
            true => warn!("{notice}"),
            false => info!("{notice}"),
        })
        .park(park(settings))
        .max_connections_per_client(settings.max_connections_per_client)
        .evict_idle(settings.evict_idle)
        .reserve_descriptors(descriptors_for_files(given))
        .max_held_bytes(held_bytes(settings)))
}

const fn park(settings: &Settings) -> crore::Park {
    match settings.park {
        Park::Adapt => crore::Park::Adapt,
        Park::Poll => crore::Park::Poll,
        Park::Sleep => crore::Park::Sleep,
    }
}

fn net(settings: &Settings) -> crore::Net {
    match &settings.net {
        Net::Kernel => crore::Net::Kernel,
        Net::Epoll => crore::Net::Epoll,
        Net::Uring => crore::Net::Uring,
        Net::Tap(device) => {
            let (addresses, dhcp) = Own::divide(&settings.addresses);
            let (device, gateways) = (device.clone(), settings.gateways.clone());
            crore::Net::Tap(Tap { device, addresses, dhcp, gateways, sources: Vec::new() })
        }
        Net::Xdp(interface, generic) => {
            let (interface, generic) = (interface.clone(), *generic);
            crore::Net::Xdp(Xdp { interface, generic, sources: Vec::new() })
        }
    }
}

/// Descriptors that connections leave to files: as many as the site may keep open, but where there
/// are few, not more than a quarter.
fn descriptors_for_files(given: &Given<'_>) -> u32 {
    let quarter = u32::try_from(descriptors() / 4).unwrap_or(u32::MAX);
    given.site.site.open_files.get_ref().min(&quarter).to_owned()
}

/// Descriptors that this process may have: the library raises the limit that far.
fn descriptors() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard)
}

/// The number of connections to ask the library for. None leaves it to the library, which knows how
/// many descriptors there are; memory is looked at here.
fn connections(given: &Given<'_>, settings: &Settings) -> Result<Option<NonZeroU32>, Failure> {
    let own_stack = settings.net.is_own_stack();
    let holder = if own_stack { Holder::OwnStack } else { Holder::Kernel };
    let possible = capacity::connections_in_memory(holder);
    if let Some(asked) = settings.max_connections {
        return capacity::check(asked, holder, possible)
            .map(|()| Some(asked))
            .map_err(|problem| Failure::at(given, "max_connections", problem));
    }
    let most = if own_stack { LIBRARY_MOST } else { descriptors().min(LIBRARY_MOST) };
    let Some(fewer) = possible.filter(|possible| *possible < most) else { return Ok(None) };
    info!("memory suffices for {fewer} connections, fewer than would be held otherwise");
    Ok(NonZeroU32::new(u32::try_from(fewer).unwrap_or(u32::MAX)))
}
