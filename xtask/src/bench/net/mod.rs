//! `cargo xtask bench net`: crore's own stack on AF_XDP against nginx on the kernel's, over the same
//! wire, at the same address of the same host. One worker each, on processor 0; clients ask from the
//! other host, on processor 1. Needs root.
//!
//! - [`requests`]: answers a second, on a whole processor and on half of one
//! - [`latency`]: how long answers take at a rate that both can keep up with
//! - [`path`]: one download over a path that delays and loses packets
//! - [`frames`]: what the port alone reaches, beside DPDK's testpmd
//!
//! What the wire does to a packet, up to the client's own TCP, is done by the processor that sends it,
//! for both alike.

mod frames;
mod latency;
mod path;
mod requests;

use std::path::Path;
use std::process::Command;

use rig::netns::{INTERFACE, Network, SERVER};
use rig::nginx::{self, Nginx};
use rig::process::Process;
use rig::tree::{Tree, pattern};

use super::contestant::NGINX_HTTP;
use super::{Effort, machine};
use crate::metadata::Metadata;
use crate::{Outcome, build};

const SMALL: usize = 1 << 10;
const LARGE: usize = 1 << 20;
/// More than goes over any path in the time that is measured.
const HUGE: u64 = 1 << 34;

const NAMES: [&str; 2] = ["nginx", "crore"];
/// Where each listens.
const PORTS: [u16; 2] = [81, 80];

/// The large files go as nginx sends them best.
const NGINX_SERVER: &str = "location = /large { sendfile on; tcp_nopush on; }
location = /huge { sendfile on; tcp_nopush on; }";

/// Rounds at most: the ratios of three say enough, and all of it has to fit into some minutes.
const ROUNDS: usize = 3;

/// Runs everything and gives the report, in Markdown.
pub fn compare(effort: Effort) -> Outcome<String> {
    let effort = Effort { rounds: effort.rounds.min(ROUNDS), ..effort };
    let metadata = Metadata::load()?;
    // The one that `CRORE_PROGRAM` names, if it names one.
    let program = rig::crore::program().or_else(|_| build::crore(&metadata))?;
    let tree = Tree::new()?;
    tree.file("small", pattern(SMALL))?;
    tree.file("large", pattern(LARGE))?;
    std::fs::File::create(tree.root().join("huge"))?.set_len(HUGE)?;
    let mut report = machine::describe_servers(&program, effort)?;
    {
        let servers = Servers::start(Network::new(1, 1500)?, &program, tree.root())?;
        report += &requests::compare(&servers, effort)?;
        report += &latency::compare(&servers, effort)?;
    }
    report += &path::compare(&program, tree.root(), effort)?;
    report += &frames::compare(&metadata, effort)?;
    Ok(report)
}

/// Both servers on one host of a network.
struct Servers<'a> {
    nginx: Nginx,
    crore: Process,
    program: &'a Path,
    network: Network,
}

impl<'a> Servers<'a> {
    fn start(network: Network, program: &'a Path, root: &Path) -> Outcome<Self> {
        // Whatever else the machine is set to. By the route, because a namespace may choose only
        // among the algorithms that the machine allows everybody.
        network.server(&format!(
            "ip route replace 10.77.0.0/24 dev {INTERFACE} proto kernel scope link src {SERVER} \
             congctl cubic"
        ))?;
        let settings =
            nginx::Settings { root, http: NGINX_HTTP, server: NGINX_SERVER, core: Some(0) };
        let nginx = Nginx::start_on(&network, &settings, PORTS[0])?;
        // Pinned before it starts: the shard stays where it may run.
        let mut command: Command = network.on_server("taskset");
        command.args(["-c", "0"]).arg(program).arg("serve").arg(root);
        command.args(["--net", &format!("xdp:{INTERFACE}"), "--shards", "1", "--log", "none"]);
        command.args(["--listen", &format!("{SERVER}:{}", PORTS[1]), "--idle-time", "1h"]);
        let crore = network.started(command, PORTS[1])?;
        Ok(Self { nginx, crore, program, network })
    }

    /// The processes that serve.
    fn processes(&self) -> Outcome<[u32; 2]> {
        Ok([self.nginx.worker()?, self.crore.id()])
    }
}

/// Both servers in turns: each is first every other time.
fn order(round: usize) -> [usize; 2] {
    [round % 2, (round + 1) % 2]
}
