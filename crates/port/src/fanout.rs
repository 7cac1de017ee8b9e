//! Several queues of one link, each with a stack of its own: [`Fanout`]. What a queue gets that
//! every stack has to know, the others get too; what belongs to the connection of another goes round
//! until it is there. Invariant: nothing that all get is ever answered, so that a question gets one
//! answer however many stacks there are.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU16;

use base::Instant;
use mem::{Batch, Consumer, Frame, Pool, Producer, ReserveError, ring};
use wire::ethernet::EtherType;
use wire::{arp, ethernet, ipv4, ipv6, protocol};

use crate::{Alarm, Caps, Lost, Mail, News, Pools, Port};

/// Bytes of frames that wait for a stack from each other one. What does not fit is lost; it was
/// news that is asked for again.
const RING_BYTES: usize = 64 << 10;

/// ICMP messages about packets that we sent (RFC 792): destination unreachable, time exceeded,
/// parameter problem.
const ICMPV4_ERRORS: [u8; 3] = [3, 11, 12];
/// ICMPv6 messages about packets that we sent (RFC 4443 section 2.1): all below 128 are errors.
const ICMPV6_ERROR_MAX: u8 = 127;
/// A neighbour says where it is (RFC 4861 section 4.4).
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// One queue of several. What arrives at it and concerns every stack (who a neighbour is, what
/// became of a packet) is told to the other queues.
#[derive(Debug)]
pub struct Fanout<P> {
    inner: P,
    others: Vec<(Producer, Alarm)>,
    told: Vec<Consumer>,
    /// Segments that belong to one of the others. None where there is no other.
    mail: Option<Mail>,
}

impl<P: Port> Fanout<P> {
    /// Joins the queues of a link. Each comes with the alarm that ends its wait.
    ///
    /// # Errors
    /// [`ReserveError`] when the memory for what is passed on is not to be had.
    pub fn join(queues: Vec<(P, Alarm)>) -> Result<Vec<Self>, ReserveError> {
        let (ports, alarms): (Vec<P>, Vec<Alarm>) = queues.into_iter().unzip();
        let alone = |(inner, mail)| Self { inner, others: Vec::new(), told: Vec::new(), mail };
        let mut joined: Vec<Self> =
            ports.into_iter().zip(Mail::circle(&alarms)?).map(alone).collect();
        for from in 0..joined.len() {
            for (to, alarm) in alarms.iter().enumerate().filter(|(to, _)| *to != from) {
                let (producer, consumer) = ring(RING_BYTES)?;
                joined[from].others.push((producer, alarm.clone()));
                joined[to].told.push(consumer);
            }
        }
        Ok(joined)
    }

    /// The port inside.
    pub const fn inner(&mut self) -> &mut P {
        &mut self.inner
    }

    /// Takes what the other queues told.
    fn take_told(&mut self, pool: &mut Pool, into: &mut Batch) {
        for queue in &mut self.told {
            while !into.is_full() && !queue.is_empty() {
                let Some(mut frame) = pool.take() else { return };
                let length = queue.pop(|packet| {
                    let place = pool.buffer_mut(&mut frame).get_mut(..packet.len())?;
                    place.copy_from_slice(packet);
                    Some(packet.len())
                });
                frame.set_range(0..length.flatten().unwrap_or(0));
                if let Err(frame) = into.push(frame) {
                    pool.give(frame);
                }
            }
            queue.release();
        }
    }

    fn tell(&mut self, frame: &[u8]) {
        for (other, _) in &mut self.others {
            // One that cannot keep up asks for itself.
            let _ = other.push(frame);
        }
    }
}

impl<P: Port> Port for Fanout<P> {
    type Error = P::Error;

    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn pools(&mut self) -> Option<Pools> {
        self.inner.pools()
    }

    fn rx(&mut self, now: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), P::Error> {
        let Some(mail) = &mut self.mail else { return self.inner.rx(now, pool, into) };
        // What was passed on while the last batch was dealt with.
        mail.deliver();
        self.take_told(pool, into);
        let before = into.len();
        let result = self.inner.rx(now, pool, into);
        for frame in into.iter().skip(before) {
            let frame = pool.data(frame);
            if concerns_all(frame) {
                self.tell(frame);
            }
        }
        for (other, alarm) in &mut self.others {
            if other.publish() {
                alarm.ring();
            }
        }
        result
    }

    fn tx(&mut self, now: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), P::Error> {
        self.inner.tx(now, pool, frames)
    }

    fn tx_uncut(
        &mut self,
        now: Instant,
        frame: &[u8],
        segment: NonZeroU16,
    ) -> Result<bool, P::Error> {
        self.inner.tx_uncut(now, frame, segment)
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), P::Error> {
        if let Some(mail) = &mut self.mail {
            mail.deliver();
        }
        // What comes from the others from now on rings.
        let nothing = self.told.iter_mut().all(Consumer::is_empty)
            && self.mail.as_mut().is_none_or(Mail::is_empty);
        if nothing { self.inner.wait(until) } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        self.inner.deadline()
    }

    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        // What all were told already has been everywhere.
        !concerns_all(frame) && self.mail.as_mut().is_some_and(|mail| mail.pass_on(frame, passed))
    }

    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.mail.as_mut()?.take(pool)
    }

    fn lost(&self) -> Lost {
        self.inner.lost()
    }

    fn find(&mut self, neighbor: IpAddr) {
        self.inner.find(neighbor);
    }

    fn news(&mut self) -> Option<News> {
        self.inner.news()
    }
}

/// Whether a frame tells something that every stack of the link has to know and none answers.
fn concerns_all(frame: &[u8]) -> bool {
    let Ok(view) = ethernet::View::new(frame) else { return false };
    let packet = view.payload();
    match view.repr().kind {
        EtherType::ARP => {
            arp::Repr::parse(packet).is_ok_and(|arp| arp.operation == arp::Operation::Reply)
        }
        EtherType::IPV4 => ipv4::View::new(packet).is_ok_and(|packet| {
            packet.repr().protocol == protocol::ICMPV4
                && packet.payload().first().is_some_and(|kind| ICMPV4_ERRORS.contains(kind))
        }),
        EtherType::IPV6 => ipv6::View::new(packet).is_ok_and(|packet| {
            let kind = packet.payload().first().copied().unwrap_or(u8::MAX);
            packet.repr().protocol == protocol::ICMPV6
                && (kind <= ICMPV6_ERROR_MAX || kind == NEIGHBOR_ADVERTISEMENT)
        }),
        _ => false,
    }
}
