//! Server designs against each other. Each is a small honest server in a process of its own, which answers
//! whatever ends with an empty line with the same few bytes; the client is the same for all.

mod blocking;
mod events;
pub(crate) mod native;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use base::Grouped;
use rustix::io::Errno;

use super::client::{Client, PATIENCE};
use crate::machine::{kernel_memory, tree_memory};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use crate::sys::process::{Children, reap_orphans};

pub(super) const PROBES: &[&Probe] = &[&SERVERS];

const SERVERS: Probe = Probe {
    name: "servers",
    family: Family::Servers,
    question: "Which server design still answers at once with more connections open?",
    method: "Seven small servers on kernel sockets, each in a process of its own: a process for each connection, \
             64 processes made beforehand, a thread for each connection, 64 threads, one loop with poll, with \
             epoll, with io_uring. Connections are opened one by one and have one request answered; at steps, \
             requests go over connections picked from all of them, one at a time, from another process. Last, \
             crore's own stack with its HTTP handler, its client on another stack behind a wire of memory, \
             both in one thread: what the others spend in the kernel and on waking each other is in that time \
             only where the stack does it, too. Memory is what all processes of the server hold, and on kernel \
             sockets the growth of the kernel's memory, both ends' sockets and everything else included.",
    against: "connections open",
    counted: Counted::Things,
    count: 1_000,
    most: 10_000_000,
    uses: &[
        (1, Resource::Descriptors),
        (1, Resource::Ports),
        (1, Resource::Processes),
        (1, Resource::Threads),
    ],
    curves: &[
        Curve {
            name: "process per connection",
            measure: |run| design(run, blocking::process_per_connection),
        },
        Curve { name: "prefork, 64", measure: |run| design(run, blocking::prefork) },
        Curve {
            name: "thread per connection",
            measure: |run| design(run, blocking::thread_per_connection),
        },
        Curve { name: "thread pool, 64", measure: |run| design(run, blocking::pool) },
        Curve { name: "poll loop", measure: |run| design(run, events::poll_loop) },
        Curve { name: "epoll loop", measure: |run| design(run, events::epoll_loop) },
        Curve { name: "io_uring loop", measure: |run| design(run, events::uring_loop) },
        Curve { name: "crore's own stack", measure: native::measure },
    ],
    with_root: Some(super::FOR_SERVERS),
};

/// What every server answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

/// The end of every request.
const REQUEST_END: &[u8] = b"\r\n\r\n";

/// The longest piece of a request that is read at once.
const REQUEST_BYTES: usize = 512;

/// Requests at each step.
const REQUESTS: u64 = 40;

/// A server, and the processes that it is, if they are ours.
pub(super) struct Held<'a> {
    pub server: SocketAddr,
    pub children: Option<&'a Children>,
}

/// Starts a server in a process of its own and measures it.
fn design(run: &mut Run<'_>, serve: fn(TcpListener) -> Result<(), Errno>) -> Result<(), Stop> {
    let listener = listener()?;
    let server = listener.local_addr().map_err(Stop::io("getsockname()"))?;
    let mut children = Children::new();
    children
        .fork(move || {
            // An error ends the process, and with it every connection, which the client sees.
            let _ = serve(listener);
        })
        .map_err(Stop::at("fork()"))?;
    let result = hold_and_ask(run, &Held { server, children: Some(&children) });
    drop(children);
    // Those of a server that forks die with it, and come to us.
    reap_orphans();
    result
}

fn listener() -> Result<TcpListener, Stop> {
    use rustix::net::{AddressFamily, bind, listen};
    let socket = super::peer::socket(AddressFamily::INET).map_err(Stop::at("socket()"))?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(Stop::at("bind()"))?;
    listen(&socket, 4096).map_err(Stop::at("listen()"))?;
    Ok(TcpListener::from(socket))
}

/// Opens connections to a server until there are enough, and at steps measures requests over them.
pub(super) fn hold_and_ask(run: &mut Run<'_>, held: &Held<'_>) -> Result<(), Stop> {
    let memory =
        || (held.children.map_or(0, |children| tree_memory(&children.ids())), kernel_memory());
    let before = memory();
    let mut clients: Vec<Client> = Vec::new();
    for step in run.ladder() {
        while (clients.len() as u64) < step {
            let n = clients.len() as u64 + 1;
            run.trying(n)?;
            let mut client = Client::connect(held.server).map_err(Stop::at("connect()"))?;
            client.ask().map_err(|errno| unanswered(n, errno))?;
            clients.push(client);
        }
        for request in 0..REQUESTS {
            let index = (request * 7919 + step / 2) % step;
            let client = &mut clients[index as usize];
            run.timed(step, "request", || client.ask())?;
        }
        if step >= MEMORY_COUNT_MIN && held.children.is_some() {
            let (user, kernel) = memory();
            let grown = user.saturating_sub(before.0) + kernel.saturating_sub(before.1);
            run.record_memory(step, grown as f64 / step as f64);
        }
    }
    Ok(())
}

/// With fewer, the growth of memory is mostly something else.
const MEMORY_COUNT_MIN: u64 = 100;

fn unanswered(n: u64, errno: Errno) -> Stop {
    let n = Grouped(n);
    match errno {
        Errno::TIMEDOUT => {
            let seconds = PATIENCE.as_secs();
            Stop::Other(format!("connection {n} got no answer for {seconds} s"))
        }
        Errno::CONNRESET | Errno::PIPE => {
            Stop::Other(format!("the server closed connection {n}: it ran out of something"))
        }
        errno => Stop::Refused { call: "request", errno },
    }
}
