//! What becomes of the interface: [`Changes`]. Invariant: once the kernel's messages are read, what was told
//! of addresses and routes is what the kernel has, also when it had to drop messages: then its tables are
//! asked for. Neighbours of which news is lost are asked for again when they are used.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use netlink::{Netlink, Route, Table, Watched};
use port::News;
use rustix::io::Errno;

use crate::attachment::Shared;
use crate::{Interface, probe};

/// Pieces of news about neighbours kept for the stack.
const NEWS_MAX: usize = 4096;

/// Follows what the kernel makes of the interface.
#[derive(Debug)]
pub(crate) struct Changes {
    watching: Netlink,
    asking: Netlink,
    index: u32,
    mtu: u32,
    addresses: Vec<IpAddr>,
    routes: Vec<Route>,
    shared: Arc<Shared>,
    /// What has not been told yet.
    news: VecDeque<News>,
    /// Whether messages were dropped, and the tables not asked for since.
    is_stale: bool,
    is_gone: bool,
}

impl Changes {
    /// Follows an interface from when it was looked up.
    pub fn watch(interface: &Interface, shared: Arc<Shared>) -> Result<Self, Errno> {
        let neighbors = interface.neighbors.iter();
        let news = neighbors.map(|&(address, mac)| News::Neighbor { address, mac: Some(mac) });
        let mut changes = Self {
            watching: Netlink::watch(Watched::All)?,
            asking: Netlink::open()?,
            index: interface.index,
            mtu: interface.mtu.into(),
            addresses: interface.addresses.clone(),
            routes: interface.routes.clone(),
            shared,
            news: news.collect(),
            // What happened before anybody watched was not heard either.
            is_stale: true,
            is_gone: false,
        };
        changes.take();
        Ok(changes)
    }

    /// The next piece of news.
    pub fn told(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Whether there is no such interface any more.
    pub const fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Takes in what has changed.
    pub fn take(&mut self) {
        let mut heard = Vec::new();
        self.is_stale |= !self.watching.changes(|news| heard.push(news));
        for news in heard {
            self.hear(news);
        }
        if self.is_stale && self.ask_for_all().is_ok() {
            self.is_stale = false;
        }
    }

    /// Has the kernel find out where a neighbour is.
    pub fn find(&mut self, neighbor: IpAddr) {
        if self.asking.ask_for(self.index, neighbor).is_err() {
            // Only the privileged may ask that way. A packet that the kernel has to send makes it
            // ask by itself. Where that fails, too, the stack asks again.
            let _ = probe::send(neighbor, self.index);
        }
    }

    fn hear(&mut self, news: netlink::News) {
        let here = self.index;
        match news {
            netlink::News::Neighbor { index, address, mac }
                if index == here && self.news.len() < NEWS_MAX =>
            {
                self.news.push_back(News::Neighbor { address, mac });
            }
            netlink::News::Address { index, address, present } if index == here => {
                set(&mut self.addresses, address, present);
                self.shared.address_changed(address, present);
                self.news.push_back(News::Address { address, present });
            }
            netlink::News::Route { index, route, present } if index == here => {
                set(&mut self.routes, route, present);
                let Route { prefix, length, gateway } = route;
                self.news.push_back(News::Route { prefix, length, gateway, present });
            }
            netlink::News::Link(link) if link.index == here && link.mtu != self.mtu => {
                self.mtu = link.mtu;
                self.news.push_back(News::Mtu(u16::try_from(link.mtu).unwrap_or(u16::MAX)));
            }
            netlink::News::LinkGone { index } if index == here => self.is_gone = true,
            _ => {}
        }
    }

    /// Asks the kernel for all that it has, and takes what differs for what was not heard.
    fn ask_for_all(&mut self) -> Result<(), Errno> {
        let here = self.index;
        let tables = [Table::Links, Table::Addresses, Table::Routes, Table::Neighbors];
        let [links, addresses, routes, neighbors] = tables.map(|table| self.asking.table(table));
        let (links, addresses, routes) = (links?, addresses?, routes?);
        let is_here = |news: &netlink::News| match news {
            netlink::News::Link(link) => link.index == here,
            _ => false,
        };
        self.is_gone |= !links.iter().any(is_here);
        for address in self.addresses.clone() {
            if !addresses.contains(&netlink::News::Address { index: here, address, present: true })
            {
                self.hear(netlink::News::Address { index: here, address, present: false });
            }
        }
        for route in self.routes.clone() {
            if !routes.contains(&netlink::News::Route { index: here, route, present: true }) {
                self.hear(netlink::News::Route { index: here, route, present: false });
            }
        }
        for news in links.into_iter().chain(addresses).chain(routes).chain(neighbors?) {
            let known = match &news {
                netlink::News::Address { address, .. } => self.addresses.contains(address),
                netlink::News::Route { route, .. } => self.routes.contains(route),
                _ => false,
            };
            if !known {
                self.hear(news);
            }
        }
        Ok(())
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watching.as_fd()
    }
}

/// Puts something into a list, once, or takes it out.
fn set<T: PartialEq>(list: &mut Vec<T>, item: T, present: bool) {
    list.retain(|held| *held != item);
    if present {
        list.push(item);
    }
}
