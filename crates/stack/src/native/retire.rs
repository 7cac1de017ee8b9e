//! Connections from an address that this end has lost: [`Retiring`]. They end without a word to the
//! peer, because nothing may be sent from the address any more (RFC 2131 section 4.4.5). Invariant: the
//! walk over all records is taken in turns, and stops when the address is back.

use alloc::vec::Vec;
use core::net::IpAddr;

use app::{DialError, End, Handler};
use port::Port;
use tcp::Body;

use super::Core;
use super::sweep::RECORDS_A_LOOK;

/// Addresses whose connections are being ended, and how far that has come.
#[derive(Default)]
pub(super) struct Retiring {
    addresses: Vec<IpAddr>,
    next_slot: u32,
}

impl Retiring {
    /// Whether there is more to be done.
    pub(super) const fn is_under_way(&self) -> bool {
        !self.addresses.is_empty()
    }
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Ends some of the connections from addresses that were lost. Gives how many.
    pub(super) fn retire<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        while let Some(address) = self.link.expired() {
            self.retiring.addresses.push(address);
            self.retiring.next_slot = 0;
        }
        if !self.retiring.is_under_way() {
            return 0;
        }
        let back = &self.link.addresses;
        self.retiring.addresses.retain(|address| !back.contains(*address));
        let mut ended = 0;
        for _ in 0..RECORDS_A_LOOK {
            let Some(slot) = self.flows.next_slot(self.retiring.next_slot) else {
                self.retiring = Retiring::default();
                break;
            };
            let ends = self.flows.ends(slot, &self.link.addresses);
            if ends.is_some_and(|ends| self.retiring.addresses.contains(&ends.local)) {
                if !self.retire_one(app, slot) {
                    break;
                }
                ended += 1;
            }
            self.retiring.next_slot = slot + 1;
        }
        ended
    }

    /// False when there is no working block to end it by.
    fn retire_one<H: Handler<Conn = C>>(&mut self, app: &mut H, slot: u32) -> bool {
        let block = match self.flows.get(slot).map(|record| record.body) {
            Some(Body::Working(block)) => Some(block),
            Some(Body::Sleeping(sleeping)) => self.wake_up(slot, &sleeping),
            Some(Body::Replied(index)) => self.resume(slot, index),
            Some(Body::TimeWait(_)) => {
                self.forget(slot);
                return true;
            }
            None => return true,
        };
        match block {
            None => false,
            Some(block) if self.is_being_opened(block) => {
                self.unmade(app, block, DialError::Unreachable);
                true
            }
            Some(block) => {
                self.ended(app, block, End::Reset);
                true
            }
        }
    }
}
