//! `cargo xtask bench net`: crore's own stack on AF_XDP against nginx on the kernel's, each alone on a
//! wire of its own, at the same address. One worker each, on processor 0; clients ask from the
//! other host, on processor 1. Needs root.
//!
//! - [`requests`]: answers a second, to a client on the kernel's stack and to one that costs less; there
//!   crore over a TAP device is a third
//! - [`latency`]: how long answers take at a rate that both can keep up with
//! - [`path`]: one download over a path that delays and loses packets
//! - [`frames`]: what the port alone reaches, beside DPDK's testpmd
//!
//! What the wire does to a packet, up to the receiver's own TCP, is done by the processor that sends it,
//! for both alike.

mod contestant;
mod frames;
mod latency;
mod path;
mod report;
mod requests;

use rig::tree::{Tree, pattern};

use super::{Effort, machine};
use crate::metadata::Metadata;
use crate::{Outcome, build};
use contestant::{Contestant, Kind};

const SMALL: usize = 1 << 10;
const LARGE: usize = 1 << 20;
/// More than goes over any path in the time that is measured.
const HUGE: u64 = 1 << 34;

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
        let name = program.to_string_lossy();
        let mut contestants = Vec::new();
        for kind in [Kind::Nginx, Kind::Xdp, Kind::Tap] {
            contestants.push(Contestant::start(kind, &program, tree.root())?);
        }
        report += &requests::by_wrk(&contestants, effort)?;
        contestants.truncate(2);
        report += &requests::by_load(&contestants, &name, effort)?;
        report += &latency::compare(&contestants, &name, effort)?;
    }
    report += &path::compare(&program, tree.root(), effort)?;
    report += &frames::compare(&metadata, effort)?;
    Ok(report)
}
