//! Sockets by themselves: making one and giving it a port, with many there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, bind as bind_to};

use super::peer::{note_ports, socket};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};

pub(super) const PROBES: &[&Probe] = &[&SOCKET, &BIND];

const SOCKETS: Probe = Probe {
    name: "",
    family: Family::Sockets,
    question: "",
    method: "",
    against: "sockets open",
    counted: Counted::Things,
    count: 5_000,
    most: 10_000_000,
    uses: &[(1, Resource::Descriptors)],
    curves: &[],
    with_root: Some(super::FOR_DESCRIPTORS),
};

const SOCKET: Probe = Probe {
    name: "socket",
    question: "Does socket() take longer with more descriptors open?",
    method: "socket() for TCP, all kept open. Once the next free descriptor is the one after all others; once \
             the lowest is closed before each call, so that the call has to find that hole.",
    curves: &[
        Curve { name: "next descriptor is the last", measure: |run| sockets(run, false) },
        Curve { name: "next descriptor is the lowest", measure: |run| sockets(run, true) },
    ],
    ..SOCKETS
};

const BIND: Probe = Probe {
    name: "bind",
    question: "Does bind() to any free port take longer with more ports taken?",
    method: "bind() of a TCP socket to port 0 of the loopback address, all kept open, with a low descriptor \
             kept free throughout.",
    uses: &[(1, Resource::Descriptors), (1, Resource::Ports)],
    with_root: Some(super::FOR_PORTS),
    curves: &[
        Curve { name: "IPv4", measure: bind_v4 },
        Curve { name: "IPv6", measure: |run| bind(run, (Ipv6Addr::LOCALHOST, 0).into()) },
    ],
    ..SOCKETS
};

fn sockets(run: &mut Run<'_>, hole: bool) -> Result<(), Stop> {
    let mut low = Some(socket(AddressFamily::INET).map_err(Stop::at("socket()"))?);
    let mut held = Vec::new();
    for n in 1..=run.goal() {
        if hole {
            low = None;
        }
        let made = run.timed(n, "socket()", || socket(AddressFamily::INET))?;
        if hole {
            // The one made fills the hole; another takes the place at the end.
            low = Some(made);
            held.push(socket(AddressFamily::INET).map_err(Stop::at("socket()"))?);
        } else {
            held.push(made);
        }
    }
    drop(low);
    Ok(())
}

fn bind_v4(run: &mut Run<'_>) -> Result<(), Stop> {
    note_ports(run);
    bind(run, (Ipv4Addr::LOCALHOST, 0).into())
}

fn bind(run: &mut Run<'_>, address: SocketAddr) -> Result<(), Stop> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let hole = socket(family).map_err(Stop::at("socket()"))?;
    let mut held: Vec<OwnedFd> = Vec::new();
    held.push(socket(family).map_err(Stop::at("socket()"))?);
    drop(hole);
    for n in 1..=run.goal() {
        let next = held_apart(family)?;
        run.timed(n, "bind()", || bind_to(&next, &address))?;
        held.push(next);
    }
    Ok(())
}

/// A socket that leaves the lowest free descriptor free.
fn held_apart(family: AddressFamily) -> Result<OwnedFd, Stop> {
    let low = socket(family).map_err(Stop::at("socket()"))?;
    socket(family).map_err(Stop::at("socket()")).inspect(|_| drop(low))
}
