//! Two hosts on one wire, for demonstrations and tests: [`Lab`], two network namespaces with a veth
//! pair between them. Invariant: the namespaces have no names, so they, the pair and everything else
//! in them are gone with the last descriptor of this process that has to do with them, however the
//! process ends.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::thread;

use netlink::{End, Netlink};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::{Error, Interface};

/// What the interface is called on either host.
pub const INTERFACE: &str = "eth0";

/// A network namespace.
#[derive(Debug)]
pub struct Namespace(File);

/// One of the two hosts.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its interface's Ethernet address.
    pub mac: [u8; 6],
    /// Addresses of its interface, each in a network of `length` bits.
    pub addresses: Vec<Ipv4Addr>,
    /// Bits of their network.
    pub length: u8,
}

/// Two hosts on one wire.
#[derive(Debug)]
pub struct Lab {
    /// Each host, in the order they were given in.
    pub hosts: [Namespace; 2],
}

impl Lab {
    /// Makes two hosts, whose interfaces have so many queues each.
    ///
    /// # Errors
    /// [`Error::NotRoot`] without the right to make namespaces; anything else the kernel refuses.
    pub fn new(hosts: [&Host; 2], queues: u32) -> Result<Self, Error> {
        let [near, far] = [Namespace::new()?, Namespace::new()?];
        let end = |host: &Host| End { name: INTERFACE, mac: host.mac, queues };
        near.run(|| {
            let mut netlink = Netlink::open()?;
            netlink.make_pair(end(hosts[0]), end(hosts[1]), far.0.as_fd())
        })
        .map_err(refused)?;
        for (namespace, host) in [&near, &far].into_iter().zip(hosts) {
            namespace.run(|| host.configure())?;
        }
        Ok(Self { hosts: [near, far] })
    }
}

impl Host {
    /// Brings the interface up with its addresses, in the host's own namespace.
    fn configure(&self) -> Result<(), Error> {
        let mut netlink = Netlink::open().map_err(refused)?;
        netlink.bring_up(INTERFACE).map_err(refused)?;
        let interface = Interface::look_up(INTERFACE)?;
        for &address in &self.addresses {
            netlink.add_address(interface.index, address, self.length).map_err(refused)?;
        }
        Ok(())
    }
}

impl Namespace {
    /// A namespace with nothing in it.
    ///
    /// # Errors
    /// [`Error::NotRoot`] without the right to make one.
    pub fn new() -> Result<Self, Error> {
        let made = thread::spawn(|| {
            // SAFETY: only this thread, which ends at once, gets another network; its descriptors
            // and memory stay those of the process.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(refused)?;
            File::open("/proc/thread-self/ns/net")
                .map(Self)
                .map_err(|error| refused(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
        });
        made.join().unwrap_or_else(|_| Err(refused(Errno::CANCELED)))
    }

    /// Calls `what` on a thread that is in the namespace, and waits for it. Sockets that it makes
    /// belong there for ever.
    ///
    /// # Panics
    /// When `what` does.
    pub fn run<R: Send>(&self, what: impl FnOnce() -> R + Send) -> R {
        thread::scope(|scope| {
            let called = scope.spawn(|| {
                let moved =
                    move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network));
                moved.expect("whoever made a namespace may enter it");
                what()
            });
            called.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn refused(error: Errno) -> Error {
    match error {
        Errno::PERM | Errno::ACCESS => Error::NotRoot { what: "make network namespaces" },
        _ => Error::System { what: "a network of two hosts could not be made", error },
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Host, INTERFACE, Lab};
    use crate::{Error, Interface};

    /// Needs a right that not everybody has: where it is missing, this says so and checks nothing.
    #[test]
    fn both_hosts_have_an_interface_with_queues_and_addresses() {
        let host = |last| Host {
            mac: [2, 0, 0, 0, 0, last],
            addresses: vec![Ipv4Addr::new(10, 0, 0, last)],
            length: 24,
        };
        let (one, other) = (host(1), host(2));
        let lab = match Lab::new([&one, &other], 3) {
            Err(error @ (Error::NotRoot { .. } | Error::System { .. })) => {
                eprintln!("not checked: {error}");
                return;
            }
            lab => lab.unwrap(),
        };
        for (namespace, host) in lab.hosts.iter().zip([one, other]) {
            let found = namespace.run(|| Interface::look_up(INTERFACE)).unwrap();
            assert_eq!((found.mac, found.queues), (host.mac, 3));
            assert!(found.addresses.contains(&IpAddr::V4(host.addresses[0])));
            assert_eq!(found.kind.as_deref(), Some("veth"));
        }
    }
}
