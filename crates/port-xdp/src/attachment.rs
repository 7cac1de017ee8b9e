//! An interface in use: [`Attachment`]. Invariant: every address and port that is taken from the
//! kernel is kept from the kernel's own programs.
//!
//! The program is attached before there are sockets: only then is it known whether the driver runs
//! it, and where the kernel does in its place, the driver must not be given the sockets' buffers. A
//! queue that has no socket yet leaves its frames to the kernel.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mem::Pages;
use port::{Alarm, Mail, Pools};
use rustix::io::Errno;

use crate::bpf::{Filter, Link};
use crate::guard::Guard;
use crate::socket::{How, Socket};
use crate::umem::{Shape, Umem};
use crate::{Error, Interface, Mode, XdpPort};

/// What is wanted of an interface.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses and ports that are taken from the kernel. An unspecified address (`0.0.0.0`,
    /// `::`) stands for each of the interface's addresses of that family, now and later.
    pub listeners: Vec<SocketAddr>,
    /// Ports that connections are opened from at each of the interface's addresses, now and later.
    /// The kernel has to have no use of its own for them: [`free_ports`](crate::free_ports).
    pub outgoing: Option<RangeInclusive<u16>>,
    /// Other addresses that connections are opened from.
    pub sources: Vec<Sources>,
    /// Whether the kernel is to look for frames whenever we do, at the cost of a call each time, in
    /// place of being interrupted: for a processor that does nothing else.
    pub busy_poll: bool,
    /// Where the program has to run; `None`: in the driver if it can.
    pub mode: Option<Mode>,
    /// How many ports the interface's queues are divided among: at most as many as it has queues.
    pub shards: u16,
}

/// Addresses that are nobody else's, and whose packets arrive at the interface because they are
/// routed to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// Addresses that share the first `length` bits of this.
    pub prefix: IpAddr,
    /// How many bits.
    pub length: u8,
    /// Ports that connections are opened from there.
    pub ports: RangeInclusive<u16>,
}

/// An interface that frames are taken from. What keeps it attached are the ports.
#[derive(Debug)]
pub struct Attachment {
    shared: Arc<Shared>,
    ports: Vec<XdpPort>,
}

/// What all ports of an interface hold together: the last one detaches.
#[derive(Debug)]
pub(crate) struct Shared {
    link: Link,
    taken: Mutex<Taken>,
}

/// What is taken from the kernel.
#[derive(Debug)]
struct Taken {
    filter: Filter,
    guard: Guard,
    listeners: Vec<SocketAddr>,
    outgoing: Option<RangeInclusive<u16>>,
    scope: u32,
}

impl Attachment {
    /// Attaches to an interface.
    ///
    /// # Errors
    /// [`Error`] says what is in the way, and what to do about it. Nothing is attached then.
    pub fn new(interface: &Interface, options: &Options) -> Result<Self, Error> {
        let queues = interface.queues;
        let shards = u32::from(options.shards.max(1));
        if shards > queues {
            return Err(Error::TooFewQueues { interface: interface.name.clone(), queues });
        }
        let taken = Taken::new(interface, options)?;
        let mode = options.mode.or(interface.is_better_generic().then_some(Mode::Generic));
        let link = taken.filter.attach((&interface.name, interface.index), mode)?;
        // A virtual interface is no device's.
        let copies = link.mode == Mode::Generic || interface.is_virtual();
        let how = How { busy_poll: options.busy_poll, copies };
        let parts: Result<Vec<Part>, Error> = (0..shards)
            .map(|first| {
                let queues = (first..queues).step_by(shards as usize);
                part(interface, queues, &taken.filter, how)
            })
            .collect();
        let parts = parts?;
        let shared = Arc::new(Shared { link, taken: Mutex::new(taken) });
        let descriptor = |error| Error::System { what: "a descriptor could not be had", error };
        let alarms: Result<Vec<Alarm>, _> = parts.iter().map(|_| Alarm::new()).collect();
        let alarms = alarms.map_err(descriptor)?;
        let mail = Mail::circle(&alarms)?;
        let ports: Result<_, _> = parts
            .into_iter()
            .zip(alarms.into_iter().zip(mail))
            .map(|(part, mail)| XdpPort::new(interface, part, mail, Arc::clone(&shared)))
            .collect();
        let ports = ports.map_err(descriptor)?;
        Ok(Self { shared, ports })
    }

    /// Where the program runs.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.mode()
    }

    /// Whether the driver works in the packet buffers themselves.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.ports.iter().all(XdpPort::is_zero_copy)
    }

    /// Bytes of memory for packets, over all ports, and the pages that it is on.
    #[must_use]
    pub fn memory(&self) -> (usize, Pages) {
        let bytes = self.ports.iter().map(|port| port.memory().0).sum();
        // The first got the best that there were.
        (bytes, self.ports.last().map_or(Pages::Small, |port| port.memory().1))
    }

    /// The ports, one for each shard.
    #[must_use]
    pub fn into_ports(self) -> Vec<XdpPort> {
        self.ports
    }
}

/// What one shard gets of an interface: a socket for each of its queues, and the memory of all.
type Part = (Vec<Socket>, Umem, Pools);

fn part(
    interface: &Interface,
    queues: impl ExactSizeIterator<Item = u32> + Clone,
    filter: &Filter,
    how: How,
) -> Result<Part, Error> {
    // Not more than there are queues.
    let count = queues.len() as u32;
    let (umem, mut pools) = Umem::reserve(Shape::new(interface.mtu, !how.copies), count)?;
    let mut sockets: Vec<Socket> = Vec::with_capacity(queues.len());
    for queue in queues.clone() {
        let at = (interface, queue);
        let socket = match Socket::open(at, &umem, &mut pools.arrivals, sockets.first(), how) {
            Ok(socket) => socket,
            // Queues that share memory are all without copies or none is, and this one cannot.
            Err(_) if sockets.first().is_some_and(|first| first.zero_copy) => {
                drop(sockets);
                return part(interface, queues, filter, How { copies: true, ..how });
            }
            Err(error) => return Err(error),
        };
        sockets.push(socket);
    }
    for socket in &sockets {
        filter.set_socket(socket.queue, socket.as_fd()).map_err(table)?;
    }
    Ok((sockets, umem, pools))
}

impl Shared {
    /// Where the program runs.
    pub const fn mode(&self) -> Mode {
        self.link.mode
    }

    /// The interface has got an address, or lost it. Every port may say so.
    pub fn address_changed(&self, address: IpAddr, present: bool) {
        let mut taken = self.taken();
        if present {
            taken.take_later(address);
        } else {
            taken.leave(address);
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // A panic leaves the tables as they are, and they stand for themselves.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn new(interface: &Interface, options: &Options) -> Result<Self, Error> {
        let mut taken = Self {
            filter: Filter::load()?,
            guard: Guard::default(),
            listeners: options.listeners.clone(),
            outgoing: options.outgoing.clone(),
            scope: interface.index,
        };
        for &address in &interface.addresses {
            taken.take(address)?;
        }
        for Sources { prefix, length, ports } in &options.sources {
            taken.filter.add_clients((*prefix, *length), ports).map_err(table)?;
        }
        let opens = options.outgoing.is_some() && !interface.addresses.is_empty();
        if taken.guard.is_empty() && !opens && options.sources.is_empty() {
            return Err(Error::NoAddress { interface: interface.name.clone() });
        }
        Ok(taken)
    }

    /// Takes what is listened on at an address of the interface.
    fn take(&mut self, address: IpAddr) -> Result<(), Error> {
        for at in of(&self.listeners, address) {
            self.guard.keep(at, self.scope)?;
            self.filter.add_listener(at).map_err(table)?;
        }
        self.take_outgoing(address)
    }

    /// Takes what connections are opened from there.
    fn take_outgoing(&mut self, address: IpAddr) -> Result<(), Error> {
        let Some(ports) = &self.outgoing else { return Ok(()) };
        self.filter.add_clients((address, bits(address)), ports).map_err(table)
    }

    /// The same for an address that has come since. The right to keep a port that only privileged
    /// programs get has been given up by now; such programs have to be trusted. What cannot be had is left
    /// to the kernel, each for itself.
    fn take_later(&mut self, address: IpAddr) {
        for at in of(&self.listeners, address) {
            if let Ok(()) | Err(Error::Permission { .. }) = self.guard.keep(at, self.scope) {
                let _ = self.filter.add_listener(at);
            }
        }
        let _ = self.take_outgoing(address);
    }

    /// Leaves it to the kernel. What was never taken need not be.
    fn leave(&mut self, address: IpAddr) {
        for at in of(&self.listeners, address) {
            let _ = self.filter.remove_listener(at);
        }
        if self.outgoing.is_some() {
            let _ = self.filter.remove_clients((address, bits(address)));
        }
        self.guard.release(address);
    }
}

/// Bits of an address.
const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// What is listened on at an address.
fn of(listeners: &[SocketAddr], address: IpAddr) -> Vec<SocketAddr> {
    let is_meant = |listener: &&SocketAddr| {
        let ip = listener.ip();
        ip == address || ip.is_unspecified() && ip.is_ipv4() == address.is_ipv4()
    };
    let at = |listener: &SocketAddr| SocketAddr::new(address, listener.port());
    listeners.iter().filter(is_meant).map(at).collect()
}

fn table(error: Errno) -> Error {
    Error::System { what: "a table of the XDP program could not be changed", error }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener};

    use super::{Filter, Guard, Taken, of};
    use crate::Error;

    /// One port that could not be had kept the others from being given back. Loading the program needs a
    /// right that not everybody has: where it is missing, this says so and checks nothing.
    #[test]
    fn ports_are_given_back_also_beside_one_that_was_never_had() {
        let filter = match Filter::load() {
            Err(error @ (Error::Permission { .. } | Error::Unsupported { .. })) => {
                eprintln!("not checked: {error}");
                return;
            }
            loaded => loaded.unwrap(),
        };
        let [free, taken] = [(); 2].map(|()| TcpListener::bind("127.0.0.9:0").unwrap());
        let [first, other] = [&free, &taken].map(|socket| socket.local_addr().unwrap());
        drop(free);
        let listeners = vec![other, first, other];
        let mut all =
            Taken { filter, guard: Guard::default(), listeners, outgoing: None, scope: 1 };
        all.take_later(IpAddr::from([127, 0, 0, 9]));
        assert!(TcpListener::bind(first).is_err(), "it is kept");
        all.leave(IpAddr::from([127, 0, 0, 9]));
        TcpListener::bind(first).unwrap();
    }

    #[test]
    fn an_unspecified_address_means_each_of_its_family() {
        let listeners = ["0.0.0.0:80", "192.0.2.1:81", "[::]:82"].map(|at| at.parse().unwrap());
        let ports = |address: &str| {
            let at = of(&listeners, address.parse().unwrap());
            at.iter().map(std::net::SocketAddr::port).collect::<Vec<_>>()
        };
        assert_eq!(ports("192.0.2.1"), [80, 81]);
        assert_eq!(ports("192.0.2.2"), [80]);
        assert_eq!(ports("2001:db8::1"), [82]);
    }
}
