//! The arguments of `crore load`, and what of them a script can say for each phase: [`Traffic`].
//! Invariant: a word means the same as a flag and as a key of a script.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Deserialize;

use crate::settings::{Own, Size, Span, whole};

use super::fail_if::Condition;
use super::net::Net;

/// The arguments of `crore load`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Whom to ask, and for what: http://127.0.0.1:8080/index.html, https://localhost/
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    #[arg(required_unless_present_any = ["net", "worker"])]
    pub url: Option<String>,

    #[command(flatten)]
    pub traffic: Traffic,

    /// Local addresses to connect from, as ranges; ports are chosen here, not by the kernel
    ///
    /// 127.1.0.0/16 works on loopback as it is. Elsewhere the addresses have to be this machine's, or,
    /// with --net xdp:DEV, nobody's and routed to it.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "Machine")]
    pub sources: Vec<load::Range>,

    /// Threads, each with a part of the connections
    ///
    /// By default one for each processor, half as many where the server is on this machine.
    #[arg(long, value_name = "COUNT", help_heading = "Machine")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub shards: Option<u16>,

    /// What carries connections: kernel, epoll, uring, tap:DEV, xdp:DEV, mem
    ///
    /// `kernel` takes the faster one of epoll and io_uring. `tap:DEV` and `xdp:DEV` are crore's own
    /// stack, as in crore serve: no descriptors, so one process for any number of connections. With
    /// `xdp:DEV` connections come from the interface's own addresses, or from --sources that are
    /// routed to it. `mem` is the same stack over memory, to a server in this process: no URL.
    #[arg(long, value_name = "ENGINE", default_value = "kernel", help_heading = "Machine")]
    pub net: Net,

    /// With tap:DEV: crore's own address there, with its network: 10.0.0.2/24; or dhcp
    #[arg(long, value_name = "ADDR/LEN", value_delimiter = ',', help_heading = "Machine")]
    pub address: Vec<Own>,

    /// With tap:DEV: the router to other networks
    #[arg(long, value_name = "ADDR", value_delimiter = ',', help_heading = "Machine")]
    pub gateway: Vec<IpAddr>,

    /// https: trust the certificates in this file (PEM), in place of those that the system trusts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Machine")]
    #[arg(conflicts_with = "insecure")]
    pub cacert: Option<PathBuf>,

    /// https: do not look at the server's certificate
    #[arg(short = 'k', long, help_heading = "Machine")]
    pub insecure: bool,

    /// Run the phases that this file describes, one after the other, each reported on its own
    ///
    /// What a phase leaves out is as the flags say.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Load")]
    pub script: Option<PathBuf>,

    /// Print the report as JSON, or write it to this file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(help_heading = "Report", value_hint = ValueHint::FilePath)]
    pub json: Option<Option<PathBuf>>,

    /// Write all latencies to this file, in HdrHistogram's log format
    #[arg(long, value_name = "FILE", help_heading = "Report", value_hint = ValueHint::FilePath)]
    pub hdr: Option<PathBuf>,

    /// Draw latency over time and by percentile into this file
    #[arg(long, value_name = "FILE", help_heading = "Report", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,

    /// Exit with status 3 where this holds of a phase: p99>5ms, errors>0.1%, requests_per_second<1000
    #[arg(long, value_name = "CONDITION", help_heading = "Report")]
    pub fail_if: Vec<Condition>,

    /// Send load to an address that is not this machine's, private or link-local
    ///
    /// Load on somebody else's server is an attack. This flag says that you may.
    #[arg(long, help_heading = "Machine")]
    pub i_may_load_this_host: bool,

    /// A worker of another `crore load`, told on standard input what to do.
    #[arg(long, hide = true)]
    pub worker: bool,
}

/// What is sent in a phase.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traffic {
    /// In a script: the phase's name in the report.
    #[arg(skip)]
    pub name: Option<String>,

    /// In a script: what is asked for, in place of the URL's path.
    #[arg(skip)]
    pub path: Option<String>,

    /// Connections that requests go over [default: 50]
    #[arg(short, long, value_name = "COUNT", help_heading = "Load")]
    #[arg(value_parser = whole::<u32>)]
    pub connections: Option<u32>,

    /// Requests a second, each timed from when it was due; without, as many as are answered
    ///
    /// With a rate (open loop) a server that stalls is asked no less, and each request that it
    /// keeps waiting counts. Without one (closed loop) each connection sends its next request when
    /// it has the answer, so that a stall hides: it meets one request a connection.
    #[arg(short, long, value_name = "RATE", help_heading = "Load")]
    #[arg(value_parser = whole::<NonZeroU32>)]
    pub rate: Option<NonZeroU32>,

    /// How long requests are sent and counted [default: 10s]
    #[arg(short, long, value_name = "TIME", help_heading = "Load", conflicts_with = "requests")]
    pub duration: Option<Span>,

    /// How many requests are sent, in place of a time
    #[arg(short = 'n', long, value_name = "COUNT", help_heading = "Load")]
    #[arg(value_parser = whole::<u64>)]
    pub requests: Option<u64>,

    /// How long requests are sent before they are counted
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub warmup: Option<Span>,

    /// Send each request over the connection of the one before (the default)
    #[arg(long, help_heading = "Load", conflicts_with = "connection_per_request")]
    pub keep_alive: bool,

    /// Open a connection for each request; its time counts
    #[arg(long, help_heading = "Load")]
    pub connection_per_request: bool,

    /// Requests under way at once on a connection
    #[arg(long, value_name = "COUNT", help_heading = "Load")]
    #[arg(value_parser = whole::<NonZeroU32>)]
    pub pipeline: Option<NonZeroU32>,

    /// Connections that rest after one request, beside the others
    #[arg(long, value_name = "COUNT", help_heading = "Load")]
    #[arg(value_parser = whole::<u32>)]
    pub idle: Option<u32>,

    /// Idle connections opened a second; without, as fast as they open
    #[arg(long, value_name = "RATE", help_heading = "Load")]
    #[arg(value_parser = whole::<NonZeroU32>)]
    pub idle_rate: Option<NonZeroU32>,

    /// Have connections send and read so many bytes a second: 100, 4KiB
    #[arg(long, value_name = "BYTES/S", help_heading = "Load")]
    pub slow: Option<Size>,

    /// How many are slow, beside the others; without, all are
    #[arg(long, value_name = "COUNT", help_heading = "Load", requires = "slow")]
    #[arg(value_parser = whole::<u32>)]
    pub slow_connections: Option<u32>,

    /// How long an answer may take [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub timeout: Option<Span>,

    /// How long a connection may take to be established [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub connect_timeout: Option<Span>,

    /// The method [default: GET, or POST with a body]
    #[arg(short, long, value_name = "METHOD", help_heading = "Request")]
    pub method: Option<String>,

    /// A header line, name: value
    #[arg(short = 'H', long, value_name = "LINE", help_heading = "Request")]
    pub header: Vec<String>,

    /// The body
    #[arg(
        short,
        long,
        value_name = "TEXT",
        help_heading = "Request",
        conflicts_with = "body_file"
    )]
    pub body: Option<String>,

    /// The file that is the body
    #[arg(long, value_name = "FILE", help_heading = "Request", value_hint = ValueHint::FilePath)]
    pub body_file: Option<PathBuf>,

    /// Bytes that the body of each answer has to have
    #[arg(long, value_name = "BYTES", help_heading = "Request")]
    #[arg(value_parser = whole::<u64>)]
    pub expect_length: Option<u64>,

    /// The SHA-256 that the body of each answer has to have
    #[arg(long, value_name = "HEX", help_heading = "Request")]
    #[arg(conflicts_with_all = ["expect_length", "expect_file"])]
    pub expect_sha256: Option<String>,

    /// The file that the body of each answer has to equal
    #[arg(long, value_name = "FILE", help_heading = "Request", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with = "expect_length")]
    pub expect_file: Option<PathBuf>,
}

impl Traffic {
    /// This, with what it leaves out as another says.
    pub fn or(self, other: &Self) -> Self {
        let ends = self.duration.is_some() || self.requests.is_some();
        let has_body = self.body.is_some() || self.body_file.is_some();
        let checks = self.expect_length.is_some()
            || self.expect_sha256.is_some()
            || self.expect_file.is_some();
        let per_request =
            self.connection_per_request || (!self.keep_alive && other.connection_per_request);
        let mut header = other.header.clone();
        header.extend(self.header);
        Self {
            name: self.name.or_else(|| other.name.clone()),
            path: self.path.or_else(|| other.path.clone()),
            connections: self.connections.or(other.connections),
            rate: self.rate.or(other.rate),
            // A time and a number exclude each other, and so do two bodies, and two checks.
            duration: if ends { self.duration } else { other.duration },
            requests: if ends { self.requests } else { other.requests },
            warmup: self.warmup.or(other.warmup),
            keep_alive: !per_request,
            connection_per_request: per_request,
            pipeline: self.pipeline.or(other.pipeline),
            idle: self.idle.or(other.idle),
            idle_rate: self.idle_rate.or(other.idle_rate),
            slow: self.slow.or(other.slow),
            slow_connections: self.slow_connections.or(other.slow_connections),
            timeout: self.timeout.or(other.timeout),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
            method: self.method.or_else(|| other.method.clone()),
            header,
            body: if has_body { self.body } else { other.body.clone() },
            body_file: if has_body { self.body_file } else { other.body_file.clone() },
            expect_length: if checks { self.expect_length } else { other.expect_length },
            expect_sha256: if checks { self.expect_sha256 } else { other.expect_sha256.clone() },
            expect_file: if checks { self.expect_file } else { other.expect_file.clone() },
        }
    }
}
