//! What a request costs beside idle connections: crore's own server, or one that is running.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use crore::http::{Response, service_fn};
use crore::{Net, Server};
use rustix::io::Errno;

use super::answers::{Answers, read_exactly};
use super::servers::{Held, hold_and_ask};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use crate::sys::process::{Children, sleep_forever};

pub(super) const PROBES: &[&Probe] = &[&HTTP];

const HTTP: Probe = Probe {
    name: "http",
    family: Family::Servers,
    question: "Does a request take longer with more idle connections beside it?",
    method: "Connections are opened to crore's own server, one shard in a process of its own; each has had one \
             request answered. At steps, requests go over connections picked from all of them, one at a time. \
             Memory is that of the server's process.",
    against: "connections open",
    counted: Counted::Things,
    count: 2_000,
    most: 10_000_000,
    uses: &[(1, Resource::Descriptors), (1, Resource::Ports)],
    curves: &[
        Curve { name: "crore on epoll", measure: |run| built_in(run, &Net::Epoll) },
        Curve { name: "crore on io_uring", measure: |run| built_in(run, &Net::Uring) },
    ],
    with_root: Some(super::FOR_SERVERS),
};

/// The same, with a server that is running.
pub(crate) const HTTP_OF_URL: Probe = Probe {
    method: "Connections are opened to the server of --url; each has had one request answered. At steps, \
             requests go over connections picked from all of them, one at a time.",
    curves: &[Curve { name: "the server of --url", measure: of_url }],
    ..HTTP
};

fn of_url(run: &mut Run<'_>) -> Result<(), Stop> {
    let server = run.server().ok_or_else(|| Stop::Other("no --url was given".to_owned()))?;
    hold_and_ask(run, &Held { server, children: None })
}

fn built_in(run: &mut Run<'_>, net: &Net) -> Result<(), Stop> {
    let answers = Answers::new()?;
    let mut children = Children::new();
    let body = || {
        let server = Server::new().listen("127.0.0.1:0").shards(1).net(net.clone());
        let started = server.start(|shard| shard.http(service_fn(|_| Response::text(200, "ok\n"))));
        let port = match &started {
            Ok(running) => running.addresses().first().map(ToString::to_string),
            Err(_) => None,
        };
        let port = port.and_then(|address| address.parse::<SocketAddr>().ok());
        let port = port.map_or(0, |address| address.port()).to_ne_bytes();
        let _ = rustix::io::write(answers.write.as_fd(), &port);
        sleep_forever();
    };
    children.fork(body).map_err(Stop::at("fork()"))?;
    let mut port = [0; 2];
    read_exactly(&answers.read, &mut port).map_err(Stop::at("read()"))?;
    match u16::from_ne_bytes(port) {
        0 => Err(Stop::Refused { call: "crore's server", errno: Errno::OPNOTSUPP }),
        port => {
            let server = SocketAddr::from(([127, 0, 0, 1], port));
            hold_and_ask(run, &Held { server, children: Some(&children) })
        }
    }
}
