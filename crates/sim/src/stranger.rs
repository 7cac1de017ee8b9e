//! Stations that are no stack of ours.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use base::{Instant, Prng, Seq};
use wire::ethernet::{self, EtherType};
use wire::tcp::{Flags, Options, Repr};

use crate::craft::{answer_arp, craft};
use crate::host::{SERVER_PORT, address, mac};
use crate::network::{Line, Network, Weather};
use crate::odd_peer::OddPeer;

/// What kind of stranger it is.
pub(crate) enum Stranger {
    Odd(OddPeer),
    Flood(Flooder),
}

impl Stranger {
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self {
            Self::Odd(peer) => peer.due(now),
            Self::Flood(flooder) => flooder.due(now),
        }
    }

    pub(crate) fn act(&mut self, now: Instant) -> Result<(), String> {
        match self {
            Self::Odd(peer) => peer.act(now),
            Self::Flood(flooder) => {
                flooder.act(now);
                Ok(())
            }
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        match self {
            Self::Odd(peer) => peer.is_over(),
            Self::Flood(_) => true,
        }
    }

    /// Whether it was to get everything and did not.
    pub(crate) fn was_let_down(&self) -> bool {
        match self {
            Self::Odd(peer) => peer.was_let_down(),
            Self::Flood(_) => false,
        }
    }
}

const EVERY: Duration = Duration::from_millis(1);

/// A router through which SYNs come from addresses that do not exist.
pub(crate) struct Flooder {
    network: Rc<RefCell<Network>>,
    station: usize,
    number: u8,
    prng: Prng,
    /// SYNs a millisecond.
    rate: u32,
    next: Instant,
}

impl Flooder {
    pub(crate) fn new(network: &Rc<RefCell<Network>>, number: u8, rate: u32) -> Self {
        let delay = Duration::from_micros(100);
        let weather = Weather::default();
        let line = Line { delay, nanos_per_byte: 0, queue: 2_000, uncut: false, weather };
        let station = network.borrow_mut().add(mac(number), line);
        let (network, prng) = (Rc::clone(network), Prng::new(7));
        Self { network, station, number, prng, rate, next: Instant::ZERO }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let waits = self.network.borrow().has_arrived(self.station);
        Some(if waits { now } else { self.next })
    }

    fn act(&mut self, now: Instant) {
        loop {
            let frame = self.network.borrow_mut().receive(self.station);
            let Some(frame) = frame else { break };
            let own = (address(self.number, false), mac(self.number));
            if let Some(answer) = answer_arp(&frame, own.0, own.1) {
                self.network.borrow_mut().send(self.station, &answer);
            }
        }
        if now < self.next {
            return;
        }
        self.next = now + EVERY;
        for _ in 0..self.rate {
            let syn = self.syn();
            self.network.borrow_mut().send(self.station, &syn);
        }
    }

    fn syn(&mut self) -> Vec<u8> {
        // RFC 2544's addresses for measurements, 198.18.0.0/15.
        let source = Ipv4Addr::from_bits(0xc612_0000 | self.prng.below(1 << 17));
        let header = Repr {
            source_port: self.prng.next_u32() as u16,
            destination_port: SERVER_PORT,
            sequence: Seq(self.prng.next_u32()),
            flags: Flags::SYN,
            window: 65_535,
            options: Options { mss: Some(1_460), ..Options::default() },
            ..Repr::default()
        };
        let link = ethernet::Repr {
            destination: mac(1),
            source: mac(self.number),
            service: None,
            tag: None,
            kind: EtherType::IPV4,
        };
        let ends = (IpAddr::V4(source), address(1, false));
        craft(&link, ends, &header, &[]).unwrap_or_default()
    }
}
