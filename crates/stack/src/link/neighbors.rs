//! Who on the link has which address: RFC 826 with the time limits of RFC 1122 section 2.3.2.1, and
//! RFC 4861's neighbour cache, its states folded into three. Invariant: at most [`NEIGHBORS_MAX`]
//! neighbours, and held frames are at most a quarter of all that there are, whoever asks for
//! whatever: packets to neighbours that answer, and the questions themselves, always find frames.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use base::Instant;
use mem::{Frame, Pool};
use wire::ethernet::Mac;

/// Neighbours kept. A link with more hosts belongs behind a router; past this, the entry that was
/// confirmed longest ago goes.
const NEIGHBORS_MAX: usize = 4096;
/// Frames that wait for an answer, over all neighbours, at most. RFC 1122 section 2.3.2.2 wants at least the
/// latest for each; but whoever opens a thousand connections at once waits a second for each that is lost.
const HELD_MAX: usize = 1024;
/// Of all frames, one in this many may wait for an answer.
const HELD_SHARE: u32 = 4;
/// How long a frame waits: RFC 4861 section 10 asks three times, a second apart.
const HOLD: Duration = Duration::from_secs(3);
/// After this long without a confirmation a neighbour is asked again while it is used.
const CONFIRM_AFTER: Duration = Duration::from_secs(60);
/// After this long an unconfirmed address is not used any more (RFC 1122 section 2.3.2.1: of the
/// order of a minute; RFC 4861 asks three times).
const FORGET_AFTER: Duration = Duration::from_secs(64);
/// Between two questions for one address: RFC 1122 section 2.3.2.1, at most one a second.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Neighbors {
    /// Sorted by address. Its room is reserved at the start.
    entries: Vec<(IpAddr, Entry)>,
    /// The one that has waited longest in front.
    held: VecDeque<Held>,
    /// Where the last one looked up was, and most likely still is.
    last: usize,
    held_most: usize,
    /// Whether somebody else says when a neighbour is gone, so that none is forgotten for its age.
    lasting: bool,
}

struct Held {
    address: IpAddr,
    since: Instant,
    frame: Frame,
}

#[derive(Clone, Copy)]
struct Entry {
    mac: Option<Mac>,
    confirmed: Instant,
    asked: Option<Instant>,
}

/// What is known of a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) mac: Option<Mac>,
    /// Whether it is time to ask who has the address.
    pub(super) ask: bool,
}

impl Neighbors {
    /// For a link with `frames` frames for packets going out. `lasting`: the host watches over the
    /// neighbours, and says which are gone.
    pub(super) fn new(frames: u32, lasting: bool) -> Self {
        let held_most = HELD_MAX.min((frames / HELD_SHARE) as usize);
        let held = VecDeque::with_capacity(held_most);
        let entries = Vec::with_capacity(NEIGHBORS_MAX);
        Self { entries, held, last: 0, held_most, lasting }
    }

    /// What is known of the neighbour with this address, which a packet is about to be sent to.
    pub(super) fn look_up(&mut self, address: IpAddr, now: Instant) -> Known {
        let unknown = Entry { mac: None, confirmed: Instant::ZERO, asked: None };
        let is_last = self.entries.get(self.last).is_some_and(|(held, _)| *held == address);
        if !is_last {
            self.last = match self.place(address) {
                Ok(place) => place,
                Err(_) => self.insert(address, unknown),
            };
        }
        let (_, entry) = &mut self.entries[self.last];
        let age = now - entry.confirmed;
        if age >= FORGET_AFTER && !self.lasting {
            entry.mac = None;
        }
        let stale = entry.mac.is_none() || age >= CONFIRM_AFTER;
        let ask = stale && entry.asked.is_none_or(|asked| now - asked >= ASK_INTERVAL);
        if ask {
            entry.asked = Some(now);
        }
        Known { mac: entry.mac, ask }
    }

    /// The neighbour said, about itself, that it has the address. `wanted`: an answer to a
    /// question of ours, or a question to us, so that it will be of use; other news only updates
    /// what is there (RFC 826's merge flag, RFC 4861 section 7.2.5).
    pub(super) fn learn(&mut self, address: IpAddr, mac: Mac, now: Instant, wanted: bool) {
        if mac.is_multicast() {
            return;
        }
        let entry = Entry { mac: Some(mac), confirmed: now, asked: None };
        match self.place(address) {
            Ok(place) => self.entries[place].1 = entry,
            Err(_) if wanted => {
                self.insert(address, entry);
            }
            Err(_) => {}
        }
    }

    /// The neighbour is not where it was.
    pub(super) fn forget(&mut self, address: IpAddr) {
        if let Ok(place) = self.place(address) {
            self.entries[place].1.mac = None;
        }
    }

    /// Keeps a frame until the address's owner is known. Gives back one that is not kept: the one
    /// that has waited longest makes way, since the owner of its address may never answer.
    pub(super) fn hold(&mut self, address: IpAddr, frame: Frame, now: Instant) -> Option<Frame> {
        if self.held_most == 0 {
            return Some(frame);
        }
        let full = self.held.len() == self.held_most;
        let makes_way = if full { self.held.pop_front() } else { None };
        self.held.push_back(Held { address, since: now, frame });
        makes_way.map(|held| held.frame)
    }

    /// Takes out one frame held for an address.
    pub(super) fn release(&mut self, address: IpAddr) -> Option<Frame> {
        let place = self.held.iter().position(|held| held.address == address)?;
        self.held.remove(place).map(|held| held.frame)
    }

    /// Takes out one frame that has waited too long.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Frame> {
        let first = self.held.front()?;
        let late = now - first.since >= HOLD;
        if late { self.held.pop_front().map(|held| held.frame) } else { None }
    }

    /// Frames held.
    pub(super) fn held(&self) -> u32 {
        // At most `HELD_MAX`.
        self.held.len() as u32
    }

    pub(super) fn give_all(&mut self, pool: &mut Pool) {
        for held in self.held.drain(..) {
            pool.give(held.frame);
        }
    }

    fn place(&self, address: IpAddr) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&address, |(held, _)| *held)
    }

    /// Adds an entry that is not there, and says where it is. The one confirmed longest ago makes
    /// way when there are too many.
    fn insert(&mut self, address: IpAddr, entry: Entry) -> usize {
        if self.entries.len() >= NEIGHBORS_MAX {
            let age = |&(_, (_, entry)): &(usize, &(IpAddr, Entry))| entry.confirmed;
            let oldest = self.entries.iter().enumerate().min_by_key(age);
            if let Some((place, _)) = oldest {
                self.entries.remove(place);
            }
        }
        let place = self.place(address).unwrap_or_else(|place| place);
        self.entries.insert(place, (address, entry));
        place
    }
}
