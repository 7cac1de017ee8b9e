//! Waits for the first lease, before there is a stack to do anything else: [`acquire`]. Invariant: it ends
//! within the time that it is given.

use std::fmt;
use std::time::Duration;

use base::Instant;
use mem::{Batch, Pool, ReserveError};
use port::Port;

use crate::frame::{self, FRAME_MAX, Incoming};
use crate::port::build;
use crate::{Client, Event, Lease};

/// How long to sleep at one queue: answers may come to any of several, and whoever waits may be told
/// not to.
const LOOK: Duration = Duration::from_millis(20);

/// How long a lease is waited for.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// For so long at most.
    pub within: Duration,
    /// And while this says so.
    pub go_on: &'a dyn Fn() -> bool,
}

/// A client that has an address, and the lease of it.
pub type Acquired = (Client, Lease);

/// Why there is no lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AcquireError<E> {
    /// No server has offered anything in all that time.
    NoAnswer,
    /// Servers have offered addresses, and none could be had; this is what happened last.
    Failed(Box<Event>),
    /// A server has answered, and the time was not enough to go on.
    TooLate,
    /// Whoever waited was told to stop.
    Stopped,
    /// The link cannot be used.
    Port(E),
    /// There is no memory for packets.
    Memory(ReserveError),
}

/// Asks for an address at the queues of one link until there is one, or patience ends. `clock` tells the
/// time.
///
/// # Errors
/// [`AcquireError`].
pub fn acquire<P: Port>(
    ports: &mut [P],
    mut client: Client,
    patience: Patience<'_>,
    clock: impl Fn() -> Instant,
    mut hear: impl FnMut(&Event),
) -> Result<Acquired, AcquireError<P::Error>> {
    let mtu = ports.first().map_or(0, |port| usize::from(port.caps().mtu));
    let bytes = (mtu + 164).clamp(FRAME_MAX, Pool::BUFFER_BYTES_MAX);
    let mut frames = Pool::new(2 * Batch::CAPACITY as u32, bytes).map_err(AcquireError::Memory)?;
    let until = clock() + patience.within;
    let (mut last, mut answered) = (None, false);
    loop {
        let now = clock();
        for port in ports.iter_mut() {
            answered |= listen(port, &mut frames, &mut client, now)?;
        }
        if let Some(port) = ports.first_mut() {
            send(port, &mut frames, &mut client, now)?;
        }
        while let Some(event) = client.event() {
            hear(&event);
            match event {
                Event::Bound(lease) => return Ok((client, lease)),
                event => last = Some(event),
            }
        }
        if !(patience.go_on)() {
            return Err(AcquireError::Stopped);
        }
        if now >= until {
            return Err(match last {
                Some(event) => AcquireError::Failed(Box::new(event)),
                None if answered => AcquireError::TooLate,
                None => AcquireError::NoAnswer,
            });
        }
        let next = client.deadline().min(until).min(now + LOOK);
        if let Some(port) = ports.first_mut() {
            port.wait(Some(next)).map_err(AcquireError::Port)?;
        }
    }
}

/// Takes what has arrived. Says whether an answer was among it.
fn listen<P: Port>(
    port: &mut P,
    frames: &mut Pool,
    client: &mut Client,
    now: Instant,
) -> Result<bool, AcquireError<P::Error>> {
    let verified = port.caps().checksums_verified;
    let mut batch = Batch::new();
    let result = port.rx(now, frames, &mut batch);
    let mut answered = false;
    for frame in batch.iter() {
        match frame::read(frames.data(frame), client.own(), verified) {
            Some(Incoming::Message(station, message)) => {
                answered |= client.message(now, station, message);
            }
            Some(Incoming::Arp(packet)) => client.arp(now, &packet),
            None => {}
        }
    }
    batch.give_all(frames);
    result.map_err(AcquireError::Port)?;
    Ok(answered)
}

fn send<P: Port>(
    port: &mut P,
    frames: &mut Pool,
    client: &mut Client,
    now: Instant,
) -> Result<(), AcquireError<P::Error>> {
    let mut batch = Batch::new();
    while let Some(outgoing) = client.poll(now) {
        build(frames, &mut batch, client.own(), &outgoing);
    }
    let result = port.tx(now, frames, &mut batch);
    batch.give_all(frames);
    result.map_err(AcquireError::Port)
}

impl<E: fmt::Display> fmt::Display for AcquireError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("no DHCP server has answered"),
            Self::Failed(event) => write!(f, "no address could be leased: {event}"),
            Self::Stopped => f.write_str("told to stop while waiting for a DHCP server"),
            Self::TooLate => f.write_str("a DHCP server has answered and not gone on in time"),
            Self::Port(error) => write!(f, "the link failed: {error}"),
            Self::Memory(error) => write!(f, "no memory for packets ({} bytes)", error.bytes),
        }
    }
}
