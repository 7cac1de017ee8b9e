//! Connections: making, taking and ending one, with many open.

use std::os::fd::OwnedFd;

use rustix::net::{SocketFlags, accept_with};

use super::peer::{Kind, Peer, listener, note_ports};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};

pub(super) const PROBES: &[&Probe] = &[&CONNECT, &ACCEPT, &CLOSE];

const CONNECTIONS: Probe = Probe {
    name: "",
    family: Family::Sockets,
    question: "",
    method: "",
    against: "connections open",
    counted: Counted::Things,
    count: 3_000,
    most: 10_000_000,
    uses: &[(1, Resource::Descriptors), (1, Resource::Ports)],
    curves: &[],
    with_root: Some(super::FOR_PORTS),
};

const CONNECT: Probe = Probe {
    name: "connect",
    question: "Does connect() take longer with more connections open?",
    method: "connect() to a listener on the loopback address; another process accepts and keeps all of \
             them open, before the next one is made.",
    curves: &[
        Curve { name: "IPv4", measure: connect_v4 },
        Curve { name: "IPv6", measure: |run| connect(run, Kind::V6) },
        Curve { name: "Unix", measure: |run| connect(run, Kind::Unix) },
    ],
    ..CONNECTIONS
};

const ACCEPT: Probe = Probe {
    name: "accept",
    question: "Does accept() take longer with more connections open?",
    method: "Another process connects, over IPv4 on the loopback address; when it has, accept() is timed. \
             All stay open.",
    curves: &[Curve { name: "accept", measure: accept }],
    ..CONNECTIONS
};

const CLOSE: Probe = Probe {
    name: "close",
    question: "Does close() take longer with more connections open?",
    method: "Many connections are accepted from another process; then one after the other is closed, the \
             peer's end still being open.",
    curves: &[Curve { name: "close", measure: close }],
    ..CONNECTIONS
};

fn connect_v4(run: &mut Run<'_>) -> Result<(), Stop> {
    note_ports(run);
    connect(run, Kind::V4)
}

fn connect(run: &mut Run<'_>, kind: Kind) -> Result<(), Stop> {
    let (listener, address) = listener(run, kind)?;
    let peer = Peer::accepting(listener)?;
    let mut held = Vec::new();
    for n in 1..=run.goal() {
        run.trying(n)?;
        let socket = address.socket().map_err(Stop::at("socket()"))?;
        run.timed(n, "connect()", || address.connect(&socket))?;
        held.push(socket);
        peer.begin()?;
        peer.finish("accept()")?;
    }
    Ok(())
}

fn accept(run: &mut Run<'_>) -> Result<(), Stop> {
    let (listener, address) = listener(run, Kind::V4)?;
    let peer = Peer::connecting(address)?;
    let mut held = Vec::new();
    for n in 1..=run.goal() {
        run.trying(n)?;
        peer.begin()?;
        peer.finish("connect()")?;
        held.push(run.timed(n, "accept()", || accept_with(&listener, SocketFlags::CLOEXEC))?);
    }
    Ok(())
}

fn close(run: &mut Run<'_>) -> Result<(), Stop> {
    let (listener, address) = listener(run, Kind::V4)?;
    let peer = Peer::connecting(address)?;
    let mut held = Vec::new();
    // As many as can be had are closed, whatever ends it.
    let mut opened = Ok(());
    for n in 1..=run.goal() {
        opened = open(run, n, &peer, &listener).map(|socket| held.push(socket));
        if opened.is_err() {
            break;
        }
    }
    while let Some(socket) = held.pop() {
        let n = held.len() as u64 + 1;
        let mut socket = Some(socket);
        run.timed(n, "close()", || {
            drop(socket.take());
            Ok(())
        })?;
    }
    opened
}

fn open(run: &mut Run<'_>, n: u64, peer: &Peer, listener: &OwnedFd) -> Result<OwnedFd, Stop> {
    run.trying(n)?;
    peer.begin()?;
    peer.finish("connect()")?;
    accept_with(listener, SocketFlags::CLOEXEC).map_err(Stop::at("accept()"))
}
