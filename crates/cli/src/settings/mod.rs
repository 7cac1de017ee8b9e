//! The settings of `crore serve`: flags, environment, file and defaults merged into one value.
//!
//! Invariant: [`Settings`] is complete and each value in it is sound by itself and beside the
//! others. Whether this machine can do what they ask for is found out where it is done, and told
//! with the place that [`Given::place`] knows.

mod file;
mod layers;
mod options;
mod own;
mod problem;
mod suggest;
mod values;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use crore::{Address, http};

pub use file::Document;
pub use layers::{
    Flags, Given, Sources, file_keys, has_variable, misspelt_variables, take_defaults_out, variable,
};
pub use options::{LogFormat, Options, Park, Sandbox};
pub use own::Own;
pub use problem::{Place, Problem};
pub use site::config::Size;
pub use values::{Levels, Net, Span, whole};

/// The most that `header-bytes` can be: a client can make the server hold as much on each
/// connection.
const MOST_HEADER_BYTES: u64 = 1 << 20;

/// The same on our own stack, which offers a client a window of 60 KiB.
const MOST_HEADER_BYTES_OWN_STACK: u32 = 48 << 10;

/// The port that is listened on where nothing is said about it.
const OWN_STACK_PORT: u16 = 8080;

/// Stands for all addresses of an interface.
const EVERYWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// All settings, with the defaults filled in, but for what is served.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Address>,
    /// Where status page and metrics are.
    pub admin: Option<Address>,
    /// What drives the connections.
    pub net: Net,
    /// Addresses of crore's own stack.
    pub addresses: Vec<Own>,
    /// Its routers to everywhere else.
    pub gateways: Vec<IpAddr>,
    /// What a shard of our own stack does when it has nothing to do.
    pub park: Park,
    /// Where what passes crore's own stack is kept.
    pub pcap: Option<PathBuf>,
    /// Most bytes of each of its two files.
    pub pcap_bytes: u64,
    /// Whose frames are kept; none: everybody's.
    pub pcap_host: Option<IpAddr>,
    /// The port whose frames are kept; none: every port's.
    pub pcap_port: Option<NonZeroU16>,
    /// Threads that serve; none: one for each processor.
    pub shards: Option<NonZeroU16>,
    /// Connections open at once; none: what descriptors and memory allow.
    pub max_connections: Option<NonZeroU32>,
    /// Connections open at once from one client; 0: no limit.
    pub max_connections_per_client: u32,
    /// Whether an idle connection makes way when all are taken.
    pub evict_idle: bool,
    /// What one client may ask for, and how slowly.
    pub http: http::Settings,
    /// The access log's form.
    pub log: LogFormat,
    /// Where the access log goes; none: standard output.
    pub log_file: Option<PathBuf>,
    /// What is told on standard error.
    pub level: Levels,
    /// Whom to become; none: nobody, when started as root.
    pub user: Option<String>,
    /// Whether landlock confines the process.
    pub sandbox: Sandbox,
    /// How long to drain.
    pub drain: Duration,
}

impl Settings {
    /// The settings that were given.
    ///
    /// # Errors
    /// When one is out of its range, or at odds with another.
    pub fn new(given: &Given<'_>) -> Result<Self, Problem> {
        let options = given.options.clone();
        let net = known(options.net);
        let addresses = options.address.unwrap_or_default();
        let listen = match &net {
            Net::Tap(_) if is_default(given) => {
                on_all(addresses.iter().map(|own| own.listens_on()))
            }
            Net::Xdp(..) if is_default(given) => on_all(EVERYWHERE),
            _ => known(options.listen),
        };
        Ok(Self {
            listen,
            admin: options.admin,
            net,
            addresses,
            gateways: options.gateway.unwrap_or_default(),
            park: known(options.park),
            pcap: options.pcap,
            pcap_bytes: known(options.pcap_bytes).0,
            pcap_host: options.pcap_host,
            pcap_port: options.pcap_port,
            shards: options.shards,
            max_connections: options.limits.max_connections,
            max_connections_per_client: known(options.limits.max_connections_per_client),
            evict_idle: known(options.limits.evict_idle),
            http: http_settings(given)?,
            log: known(options.log),
            log_file: options.log_file,
            level: known(options.level),
            user: options.user,
            sandbox: known(options.sandbox),
            drain: known(options.drain).0,
        })
    }

    /// Whether what was said about our own stack and about what drives the connections goes
    /// together.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_link(&self, given: &Given<'_>) -> Result<(), Problem> {
        let wrong = |name, reason: &str| Problem::new(given.place(name, None), reason);
        let is_tap = matches!(self.net, Net::Tap(_));
        if is_tap && self.addresses.is_empty() {
            return Err(wrong("net", "crore's own stack needs an address on the link")
                .advise(
                    "--address 10.0.0.2/24 gives it one, and --address dhcp has one leased; the kernel's \
                     end needs another one",
                ));
        }
        let of_a_link = [("address", self.addresses.len()), ("gateway", self.gateways.len())];
        let given_anyway = of_a_link.iter().find(|(_, count)| *count > 0);
        if let Some((name, _)) = given_anyway.filter(|_| !is_tap) {
            return Err(wrong(name, "the kernel's stack has its own addresses and routes")
                .advise("it is for --net tap:DEVICE"));
        }
        if !self.net.is_own_stack() && self.park != Park::Adapt {
            return Err(wrong("park", "the engines on the kernel's sockets always adapt")
                .advise("it is for --net tap:DEVICE and xdp:DEVICE"));
        }
        if self.net.is_own_stack() && self.http.header_bytes > MOST_HEADER_BYTES_OWN_STACK {
            return Err(wrong("header_bytes", "at most 48KiB are possible with crore's own stack"));
        }
        Ok(())
    }
}

/// Whether nobody said where to listen.
fn is_default(given: &Given<'_>) -> bool {
    given.place("listen", None) == Place::Default
}

/// The usual port on each of the addresses.
fn on_all(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Address> {
    let at = |address| Address::Tcp(SocketAddr::new(address, OWN_STACK_PORT));
    addresses.into_iter().map(at).collect()
}

fn http_settings(given: &Given<'_>) -> Result<http::Settings, Problem> {
    let limits = given.options.limits.clone();
    let header_lines = known(limits.header_lines).get();
    let header_bytes = known(limits.header_bytes).0;
    let wrong = |name, reason: String| Err(Problem::new(given.place(name, None), reason));
    if header_lines > http::MAX_HEADER_LINES {
        return wrong("header_lines", format!("at most {} are possible", http::MAX_HEADER_LINES));
    }
    if header_bytes > MOST_HEADER_BYTES {
        return wrong("header_bytes", "at most 1MiB is possible".into());
    }
    Ok(http::Settings {
        header_time: known(limits.header_time).0,
        idle_time: known(limits.idle_time).0,
        body_pace: known(limits.body_pace).0,
        send_pace: known(limits.send_pace).0,
        // Checked above to be far below 32 bits. More target than header has no effect.
        header_bytes: header_bytes as u32,
        header_lines,
        target_bytes: known(limits.target_bytes).0.min(header_bytes) as u32,
        body_bytes: known(limits.body_bytes).0,
        ..http::Settings::default()
    })
}

fn known<T>(value: Option<T>) -> T {
    value.expect("the lowest layer holds the default that the flag declares")
}

#[cfg(test)]
mod tests;
