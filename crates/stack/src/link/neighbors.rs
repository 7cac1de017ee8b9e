//! Who on the link has which address: RFC 826 with the time limits of RFC 1122 section 2.3.2.1, and
//! RFC 4861's neighbour cache, its states folded into three. Invariant: at most [`NEIGHBORS_MAX`]
//! neighbours, each found in constant time, and held frames are at most a quarter of all that there are,
//! whoever asks for whatever (RFC 6583): packets to neighbours that answer, and the questions themselves,
//! always find frames.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use base::{Instant, SipKey};
use mem::{FlowTable, Frame, Pool, ReserveError};
use wire::ethernet::Mac;

/// Neighbours kept. A link with more hosts belongs behind a router; past this, one goes that was
/// confirmed long ago, or never.
const NEIGHBORS_MAX: u32 = 4096;
/// Entries looked at for the one that goes: the one of these that was confirmed longest ago.
const CANDIDATES: u32 = 16;
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
    /// Its room is reserved at the start.
    entries: Vec<(IpAddr, Entry)>,
    /// Their places, by address. Strangers choose what is looked up, so the hash is keyed.
    table: FlowTable,
    key: SipKey,
    /// Where the search for one that goes is continued.
    turn: u32,
    /// The one that has waited longest in front.
    held: VecDeque<Held>,
    /// Where the last one looked up was, and most likely still is.
    last: u32,
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

/// What news of a neighbour may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// It asked us something, or the host says so: it will be of use, known before or not.
    Wanted,
    /// What is known of it (RFC 826's merge flag, RFC 4861 section 7.2.5: who was not asked after is of no
    /// use).
    Update,
    /// What is not known of it yet: an advertisement without the override flag (the same section).
    Addition,
}

impl Neighbors {
    /// For a link with `frames` frames for packets going out. `lasting`: the host watches over the
    /// neighbours, and says which are gone.
    pub(super) fn new(frames: u32, lasting: bool, key: SipKey) -> Result<Self, ReserveError> {
        let held_most = HELD_MAX.min((frames / HELD_SHARE) as usize);
        let held = VecDeque::with_capacity(held_most);
        let entries = Vec::with_capacity(NEIGHBORS_MAX as usize);
        let table = FlowTable::new(NEIGHBORS_MAX)?;
        Ok(Self { entries, table, key, turn: 0, held, last: 0, held_most, lasting })
    }

    /// What is known of the neighbour with this address, which a packet is about to be sent to.
    pub(super) fn look_up(&mut self, address: IpAddr, now: Instant) -> Known {
        let unknown = Entry { mac: None, confirmed: Instant::ZERO, asked: None };
        let last = self.entries.get(self.last as usize);
        if last.is_none_or(|(held, _)| *held != address) {
            self.last = self.place(address).unwrap_or_else(|| self.insert(address, unknown));
        }
        let (_, entry) = &mut self.entries[self.last as usize];
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

    /// The neighbour said, about itself, that it has the address. Says whether that is believed.
    pub(super) fn learn(
        &mut self,
        (address, mac): (IpAddr, Mac),
        now: Instant,
        claim: Claim,
    ) -> bool {
        if mac.is_multicast() {
            return false;
        }
        let entry = Entry { mac: Some(mac), confirmed: now, asked: None };
        match self.place(address) {
            Some(place) => {
                let (_, held) = &mut self.entries[place as usize];
                let differs = held.mac.is_some_and(|known| known != mac);
                let believed = !(differs && claim == Claim::Addition);
                if believed {
                    *held = entry;
                }
                believed
            }
            None if claim == Claim::Wanted => {
                self.insert(address, entry);
                true
            }
            None => false,
        }
    }

    /// The neighbour is not where it was.
    pub(super) fn forget(&mut self, address: IpAddr) {
        if let Some(place) = self.place(address) {
            self.entries[place as usize].1.mac = None;
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

    fn place(&self, address: IpAddr) -> Option<u32> {
        let is_it = |place: u32| self.entries[place as usize].0 == address;
        self.table.find(hash(self.key, address), is_it)
    }

    /// Adds an entry that is not there, and says where it is. Another one makes way when there are too
    /// many: of those whose turn it is the one confirmed longest ago, which seldom is one in use.
    fn insert(&mut self, address: IpAddr, entry: Entry) -> u32 {
        // At most as many as there may be.
        let count = self.entries.len() as u32;
        let place = if count < NEIGHBORS_MAX {
            self.entries.push((address, entry));
            count
        } else {
            let place = self.oldest();
            let makes_way = core::mem::replace(&mut self.entries[place as usize], (address, entry));
            self.table.remove(hash(self.key, makes_way.0), place);
            place
        };
        let (entries, key) = (&self.entries, self.key);
        let rehash = |place: u32| hash(key, entries[place as usize].0);
        // Without room for its chain it is not found again, and is added once more when it is needed.
        let _ = self.table.insert(hash(key, address), place, rehash);
        place
    }

    /// Looks at entries far from each other: those added one after the other are used alike.
    fn oldest(&mut self) -> u32 {
        const APART: u32 = NEIGHBORS_MAX / CANDIDATES;
        let first = self.turn;
        self.turn = (first + 1) % APART;
        let confirmed = |place: &u32| self.entries[*place as usize].1.confirmed;
        (0..CANDIDATES).map(|number| first + number * APART).min_by_key(confirmed).unwrap_or(first)
    }
}

fn hash(key: SipKey, address: IpAddr) -> u64 {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    key.table_hash([(bits >> 64) as u64, bits as u64])
}

const _: () = assert!(NEIGHBORS_MAX.is_multiple_of(CANDIDATES));

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};
    use core::time::Duration;

    use base::{Instant, Prng, SipKey};
    use std::collections::BTreeMap;
    use wire::ethernet::Mac;

    use super::{Claim, FORGET_AFTER, NEIGHBORS_MAX, Neighbors};

    fn neighbors() -> Neighbors {
        Neighbors::new(80, true, SipKey::new([1, 2])).unwrap()
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | number))
    }

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn they_are_kept_as_in_a_map() {
        let (mut neighbors, mut model) = (neighbors(), BTreeMap::new());
        let (mut prng, now) = (Prng::new(3), Instant::from_millis(500_000));
        for round in 0..20_000 {
            let number = prng.below(NEIGHBORS_MAX);
            let mac = Mac([2, 0, 0, 0, (round >> 8) as u8, round as u8]);
            if prng.chance(300_000) {
                assert!(neighbors.learn((address(number), mac), now, Claim::Wanted));
                model.insert(number, mac);
            } else if prng.chance(100_000) {
                neighbors.forget(address(number));
                model.remove(&number);
            }
            let number = prng.below(NEIGHBORS_MAX);
            let known = neighbors.look_up(address(number), now);
            assert_eq!(known.mac, model.get(&number).copied(), "{number}");
        }
    }

    /// Each packet to a neighbour that is not there once took a look at all of them, and moved half.
    #[test]
    fn those_that_do_not_exist_displace_each_other() {
        let mut neighbors = neighbors();
        let now = Instant::from_millis(500_000);
        for number in 0..20 {
            neighbors.learn((address(number * 1_000), MAC), now, Claim::Wanted);
        }
        for number in 0..100_000 {
            let known = neighbors.look_up(address(1 << 20 | number), now);
            assert!(known.mac.is_none() && known.ask);
        }
        for number in 0..20 {
            assert_eq!(neighbors.look_up(address(number * 1_000), now).mac, Some(MAC));
        }
        let asked = [7, 8, 7].map(|number| neighbors.look_up(address(1 << 21 | number), now).ask);
        assert_eq!(asked, [true, true, false], "the latest are kept");
        assert_eq!(neighbors.entries.len() as u32, NEIGHBORS_MAX);
        assert_eq!(neighbors.table.len(), NEIGHBORS_MAX);
    }

    /// RFC 4861 section 7.2.5: without the override flag nothing that is known is replaced.
    #[test]
    fn what_is_not_to_override_only_adds() {
        let (mut neighbors, other) = (neighbors(), Mac([2, 0, 0, 0, 0, 9]));
        let now = Instant::from_millis(500_000);
        for claim in [Claim::Update, Claim::Addition] {
            assert!(!neighbors.learn((address(1), MAC), now, claim), "nobody asked after it");
        }
        neighbors.look_up(address(1), now);
        assert!(neighbors.learn((address(1), MAC), now, Claim::Addition));
        assert!(!neighbors.learn((address(1), other), now, Claim::Addition));
        assert_eq!(neighbors.look_up(address(1), now).mac, Some(MAC));
        assert!(neighbors.learn((address(1), other), now, Claim::Update));
        assert_eq!(neighbors.look_up(address(1), now).mac, Some(other));
        let many = Mac([3, 0, 0, 0, 0, 9]);
        assert!(!neighbors.learn((address(1), many), now, Claim::Wanted), "no station's");
    }

    #[test]
    fn one_that_the_host_watches_over_is_not_forgotten() {
        let mut neighbors = neighbors();
        let now = Instant::from_millis(500_000);
        neighbors.learn((address(1), MAC), now, Claim::Wanted);
        let later = now + FORGET_AFTER + Duration::from_secs(100);
        assert_eq!(neighbors.look_up(address(1), later).mac, Some(MAC));
    }
}
