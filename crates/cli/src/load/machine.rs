//! What this machine allows: how many processes it takes for the descriptors of a plan. Invariant: a
//! plan that cannot work for want of descriptors or ports is refused, or said, before it starts.

use base::Bytes;
use load::Plan;
use nix::sys::resource::{Resource, getrlimit};

use crate::demo::memory;
use crate::serve::capacity;
use crate::settings::{Place, Problem};

use super::net::Net;

/// Descriptors of a process that are no connections': the engine's, and those of connections that
/// have ended and not been closed yet.
const OTHERS: u64 = 1_024;
/// Most processes.
const WORKERS: u64 = 256;
/// Ports that the kernel chooses from, by default; with more than half of them taken, its search
/// begins to show.
const KERNEL_PORTS: u64 = 28_000;

/// Where shards are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrangement {
    /// In this process.
    Here,
    /// In this process, and the server, too.
    Memory,
    /// In so many others.
    Workers(u32),
}

/// Where the shards of a plan are to be.
///
/// # Errors
/// When there are not enough descriptors or ports, whatever is done.
pub fn arrange(plan: &Plan, net: &Net) -> Result<Arrangement, Problem> {
    let wanted = plan.phases.iter().map(load::Phase::all_connections).max().unwrap_or(0);
    if *net == Net::Mem {
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        return memory::check(count, 1).map(|()| Arrangement::Memory);
    }
    let place = || Place::Flag("--connections".into());
    let ports = plan.sources.connections();
    if let Some(ports) = ports.filter(|ports| *ports < wanted) {
        let reason = format!("{wanted} connections need as many ports, and --sources has {ports}");
        return Err(Problem::new(place(), reason).advise("give a larger range: 127.1.0.0/16"));
    }
    if net.is_own_stack() {
        return own_stack(wanted).map(|()| Arrangement::Here);
    }
    if ports.is_none() && wanted > 64_000 {
        let reason = format!("{wanted} connections cannot come from one address");
        let advice = "give more with --sources: 127.1.0.0/16 for a server on this machine";
        return Err(Problem::new(place(), reason).advise(advice));
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1_024, 1_024));
    let each = most.saturating_sub(OTHERS).max(16);
    match wanted.div_ceil(each) {
        0 | 1 => Ok(Arrangement::Here),
        // At most 256.
        workers @ ..=WORKERS => Ok(Arrangement::Workers(workers as u32)),
        workers => Err(Problem::new(
            place(),
            format!(
                "{wanted} connections would take {workers} processes, as one may have {most} \
                 descriptors"
            ),
        )
        .advise("raise `ulimit -n`, or ask for less, or use --net mem")),
    }
}

/// Whether memory suffices for this end of so many connections. Descriptors are not needed.
fn own_stack(wanted: u64) -> Result<(), Problem> {
    let needed = wanted * memory::END_BYTES;
    match capacity::usable_memory() {
        Some(available) if needed > available => {
            let (needed, usable) = (Bytes(needed), Bytes(available));
            let reason = format!(
                "{wanted} connections take {needed} of memory at this end, and {usable} can be had"
            );
            let place = Place::Flag("--connections".into());
            Err(Problem::new(place, reason).advise("ask for fewer, or end other programs"))
        }
        _ => Ok(()),
    }
}

/// What is worth saying about ports.
pub fn remark(plan: &Plan) -> Option<String> {
    let wanted = plan.phases.iter().map(load::Phase::all_connections).max().unwrap_or(0);
    (plan.sources.connections().is_none() && wanted > KERNEL_PORTS / 2).then(|| {
        format!(
            "{wanted} connections from one address: the kernel's search for ports will show in \
             the figures; --sources 127.1.0.0/16 avoids it"
        )
    })
}
