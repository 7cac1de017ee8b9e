//! Every setting of `crore serve`, once: its name, its type, its default, its help.
//!
//! Invariant: a field here is a flag, an environment variable and a key of the file, all three by
//! its name: `max_connections` is `--max-connections`, `CRORE_MAX_CONNECTIONS` and, being one of
//! the limits, `max-connections` in `[limits]`. Every field is an `Option`; which source wins is
//! decided in `layers`.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use crore::Address;
use serde::Deserialize;
use site::config::Size;

use super::own::Own;
use super::values::{self, LeastPace, Levels, Net, Span};

/// Gives a struct of optional settings the means to be laid over another one of its kind.
macro_rules! layer {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $name {
            /// Takes from `lower` what is not set here.
            #[must_use]
            pub fn or(self, lower: Self) -> Self {
                Self { $($field: self.$field.or(lower.$field)),* }
            }
        }
    };
}

/// The settings of a server.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Serve this folder; without one, a small site that is built in
    ///
    /// The file says it in `[site]`, and there much more about what is served and how: virtual
    /// hosts, redirects, headers, compression, listings.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[serde(skip)]
    pub root: Option<PathBuf>,

    /// Listen on this address; may be repeated
    ///
    /// IP:PORT (an IPv6 address in brackets) or unix:PATH. Port 0 takes a free port and says which.
    /// Sockets that systemd hands over (LISTEN_FDS) are used beside it, and in place of the default.
    #[arg(short, long, value_name = "ADDR", value_delimiter = ',', help_heading = "Network")]
    #[arg(default_value = "127.0.0.1:8080")]
    #[serde(deserialize_with = "values::list")]
    pub listen: Option<Vec<Address>>,

    /// Status page, /metrics, /healthz and /readyz on an address of their own
    ///
    /// A thread of its own answers there, also while the server is busy. Whoever reaches this
    /// address sees these pages: give it one that only you can reach.
    #[arg(short, long, value_name = "ADDR", help_heading = "Network")]
    #[serde(deserialize_with = "values::address")]
    pub admin: Option<Address>,

    /// What drives connections: kernel, epoll, uring, tap:DEV, xdp:DEV
    ///
    /// The first three are sockets of the kernel's; `kernel` tries epoll and io_uring at the start
    /// and takes the faster one. With `tap:DEV` crore's own TCP/IP stack serves on a TAP device,
    /// which is made if there is none, under addresses of its own (--address).
    /// With `xdp:DEV` it serves on an interface of this machine, by AF_XDP, under the addresses that
    /// the interface has: the ports listened on become crore's, everything else stays the kernel's.
    /// `xdp:DEV/generic` does without what the driver has for that.
    #[arg(long, value_name = "ENGINE", help_heading = "Network", default_value = "kernel")]
    pub net: Option<Net>,

    /// What a shard of crore's own stack does when it has nothing to do
    ///
    /// `adapt` sleeps, and looks for 50 µs before where it has been woken that soon lately, for 250 µs
    /// while much is sent or received: an idle server uses no processor, a loaded one all of its own. `poll` never sleeps, and has the
    /// driver look for packets when it is asked (busy polling). `sleep` sleeps at once.
    #[arg(long, value_enum, value_name = "HOW", default_value = "adapt", help_heading = "Network")]
    pub park: Option<Park>,

    /// An address of crore's own stack and its network's length, like 10.0.0.2/24, or dhcp
    ///
    /// May be given more than once. Where nothing is said about --listen, it listens on all of them.
    /// `dhcp` leases one, with its gateway, from a DHCP server of the network that the device is in.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "Network")]
    #[serde(deserialize_with = "values::list")]
    pub address: Option<Vec<Own>>,

    /// The router that crore's own stack sends to what is in none of its networks
    #[arg(long, value_name = "ADDR", value_delimiter = ',', help_heading = "Network")]
    #[serde(deserialize_with = "values::list")]
    pub gateway: Option<Vec<IpAddr>>,

    /// Keep what passes crore's own stack in this file, for Wireshark and tcpdump (pcapng)
    ///
    /// When it is full (--pcap-bytes), FILE.1 is written, then FILE anew, and so on.
    #[arg(long, value_name = "FILE", help_heading = "Network", value_hint = ValueHint::FilePath)]
    pub pcap: Option<PathBuf>,

    /// Most bytes of each of the two files of --pcap
    #[arg(long, value_name = "SIZE", help_heading = "Network", default_value = "256MiB")]
    pub pcap_bytes: Option<Size>,

    /// Keep only frames from or to this host
    #[arg(long, value_name = "ADDR", help_heading = "Network")]
    #[serde(deserialize_with = "values::ip")]
    pub pcap_host: Option<IpAddr>,

    /// Keep only frames from or to this TCP port
    #[arg(long, value_name = "PORT", help_heading = "Network")]
    #[arg(value_parser = values::whole::<NonZeroU16>)]
    pub pcap_port: Option<NonZeroU16>,

    /// Threads that serve, each on a processor of its own [default: one for each processor]
    #[arg(short, long, value_name = "N", help_heading = "Network")]
    #[arg(value_parser = values::whole::<NonZeroU16>)]
    pub shards: Option<NonZeroU16>,

    #[allow(missing_docs)]
    #[command(flatten, next_help_heading = "Limits")]
    pub limits: LimitOptions,

    /// Access log: a line for each request
    #[arg(long, value_name = "FORMAT", help_heading = "Logging", default_value = "none")]
    pub log: Option<LogFormat>,

    /// Write the access log to this file [default: standard output]
    ///
    /// It is opened anew on SIGHUP, so that it can be rotated.
    #[arg(long, value_name = "FILE", help_heading = "Logging", value_hint = ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,

    /// What is told on standard error: error, warn, info, debug or trace
    ///
    /// Also for one part of the program: info,site=debug
    #[arg(long, value_name = "LEVEL", help_heading = "Logging", default_value = "info")]
    pub level: Option<Levels>,

    /// Become this user once the addresses are bound [default: nobody, when started as root]
    ///
    /// Where nobody may not read what is served and no user is named, root's right to read (and no
    /// other) is kept. `--user root` stays root.
    #[arg(short, long, value_name = "NAME", help_heading = "Safety")]
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,

    /// Whether the kernel confines the process to the folders it serves (landlock)
    #[arg(long, value_name = "MODE", help_heading = "Safety", default_value = "auto")]
    pub sandbox: Option<Sandbox>,

    /// How long answers under way may take to finish after SIGTERM
    #[arg(long, value_name = "TIME", help_heading = "Safety", default_value = "30s")]
    pub drain: Option<Span>,

    /// What is served and how. A file alone can say so much.
    #[arg(skip)]
    pub site: Option<site::config::Site>,

    /// The hosts, which a file alone can name.
    #[arg(skip)]
    pub host: Option<Vec<site::config::Host>>,
}

impl Options {
    /// Makes relative paths start at `folder`, the one that the file which names them is in.
    pub fn start_paths_at(&mut self, folder: &Path) {
        if let Some(path) = &mut self.log_file {
            *path = folder.join(&path);
        }
        if let Some(path) = &mut self.pcap {
            *path = folder.join(&path);
        }
        let listeners = self.listen.iter_mut().flatten();
        for address in listeners.chain(&mut self.admin) {
            if let Address::Unix(path) = address {
                *path = folder.join(&path);
            }
        }
    }
}

layer!(Options {
    root,
    listen,
    admin,
    net,
    park,
    address,
    gateway,
    pcap,
    pcap_bytes,
    pcap_host,
    pcap_port,
    shards,
    limits,
    log,
    log_file,
    level,
    user,
    sandbox,
    drain,
    site,
    host,
});

/// What one client may ask for, and all of them together.
#[derive(Args, Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitOptions {
    /// Connections open at once [default: as many as descriptors and memory allow]
    ///
    /// A number that this machine cannot hold is refused at the start; the message says what it
    /// can hold.
    #[arg(short = 'n', long, value_name = "N")]
    #[arg(value_parser = values::whole::<NonZeroU32>)]
    pub max_connections: Option<NonZeroU32>,

    /// Connections open at once from one client (an IPv4 address, an IPv6 /64); 0 sets no limit
    #[arg(long, value_name = "N", default_value = "0")]
    #[arg(value_parser = values::whole::<u32>)]
    pub max_connections_per_client: Option<u32>,

    /// When full, close the connection idle for longest to make room for a new one
    #[arg(long, value_name = "BOOL", default_value = "false")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub evict_idle: Option<bool>,

    /// Time for a request's header to arrive, from its first byte, however it dribbles (408)
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub header_time: Option<Span>,

    /// Time a connection may rest before its first request and between two
    #[arg(long, value_name = "TIME", default_value = "75s")]
    pub idle_time: Option<Span>,

    /// Least speed of a request's body (408)
    ///
    /// In each window of time this many bytes, or the rest.
    #[arg(long, value_name = "BYTES/TIME", default_value = "2400/10s")]
    pub body_pace: Option<LeastPace>,

    /// Least speed at which an answer must be taken
    ///
    /// In each window of time this many bytes, or the rest; a slower reader is dropped.
    #[arg(long, value_name = "BYTES/TIME", default_value = "2400/10s")]
    pub send_pace: Option<LeastPace>,

    /// Most bytes of a request's header, request line included (431)
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    pub header_bytes: Option<Size>,

    /// Most lines of a request's header (431)
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = values::whole::<NonZeroU32>)]
    pub header_lines: Option<NonZeroU32>,

    /// Most bytes of a request's target (414)
    #[arg(long, value_name = "SIZE", default_value = "8KiB")]
    pub target_bytes: Option<Size>,

    /// Most bytes of a request's body (413)
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    pub body_bytes: Option<Size>,
}

layer!(LimitOptions {
    max_connections,
    max_connections_per_client,
    evict_idle,
    header_time,
    idle_time,
    body_pace,
    send_pace,
    header_bytes,
    header_lines,
    target_bytes,
    body_bytes,
});

/// The form of the access log.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// No access log
    None,
    /// The combined format that web servers share
    Combined,
    /// One JSON object on each line
    Json,
}

/// What a shard of our own stack does when it has nothing to do.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Park {
    /// Sleeps, after looking a little longer where that has been worth it
    Adapt,
    /// Looks again, for ever
    Poll,
    /// Sleeps at once
    Sleep,
}

/// Whether landlock confines the process.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// Where the kernel can do it
    Auto,
    /// Or else refuse to start
    Required,
    /// No
    Off,
}
