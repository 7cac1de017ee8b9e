//! A wire between two hosts that loses, repeats, corrupts, reorders and delays frames on purpose:
//! [`Wire`]. It is a TAP device on each host and a thread for each direction, which carries frames
//! through [`port::Faulty`]. Invariant: the threads have ended and the devices are gone when it is
//! dropped.
//!
//! Rules of a packet filter cannot corrupt what a host sends over a veth pair: the checksum is still
//! to be computed then, over whatever is there. These devices compute it first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base::Instant;
use mem::{Batch, Pool};
pub use port::Faults;
use port::{Alarm, Faulty, Port};
use port_tap::{Device, TapPort};
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;
use crate::namespace::Namespace;

/// Frames on their way in one direction at most; more are lost, as in a queue that is full. At 20 ms
/// it is 2 Gbit/s of frames of 1,500 bytes.
const HELD: usize = 4096;
/// The queue of each device: as much as may come at once after a pause.
const QUEUE: u32 = 4096;

/// The wire. Cut when dropped.
#[derive(Debug)]
pub struct Wire {
    cut: Arc<AtomicBool>,
    alarms: Vec<Alarm>,
    carriers: Vec<JoinHandle<()>>,
}

impl Wire {
    /// Lays it between two hosts, each of which gets a device of this name for its end. What is done
    /// to frames towards the second host comes first.
    ///
    /// # Errors
    /// When a device cannot be made: it needs root.
    pub fn between(
        hosts: [&Namespace; 2],
        device: &str,
        mtu: u16,
        faults: [Faults; 2],
        seed: u64,
    ) -> Outcome<Self> {
        let [first, second] = [end(hosts[0], device, mtu)?, end(hosts[1], device, mtu)?];
        let ways = [(first.try_clone()?, second.try_clone()?), (second, first)];
        let cut = Arc::new(AtomicBool::new(false));
        let mut wire = Self { cut, alarms: Vec::new(), carriers: Vec::new() };
        for ((from, to), faults) in ways.into_iter().zip(faults) {
            wire.alarms.push(from.alarm());
            // A frame's buffer holds its header, too.
            let bytes = (usize::from(mtu) + 64).next_multiple_of(64);
            let pool = Pool::new(2 * HELD as u32, bytes)?;
            let from = Faulty::new(from, faults, seed + wire.carriers.len() as u64, HELD);
            let cut = wire.cut.clone();
            wire.carriers.push(thread::spawn(move || carry(from, to, pool, &cut)));
        }
        Ok(wire)
    }
}

/// The device at one end of it.
fn end(host: &Namespace, device: &str, mtu: u16) -> Outcome<TapPort> {
    host.run(&format!("ip tuntap add dev {device} mode tap"))?;
    host.run(&format!("ip link set {device} mtu {mtu} txqueuelen {QUEUE}"))?;
    let opened = host.inside(|| Ok(Device::open(device, 1)?))?;
    // Whole frames with their checksums, as on a wire.
    host.run(&format!("ethtool -K {device} tx off tso off gso off"))?;
    let port = TapPort::all_of(opened)?.pop().ok_or("a device without a queue")?;
    Ok(port.as_given())
}

/// Carries frames one way until the wire is cut, or the device at an end of it is gone.
fn carry(mut from: Faulty<TapPort>, mut to: TapPort, mut pool: Pool, cut: &AtomicBool) {
    let mut batch = Batch::new();
    while !cut.load(Ordering::Relaxed) {
        let now = now();
        let arrived = from.rx(now, &mut pool, &mut batch);
        if arrived.is_err() || to.tx(now, &mut pool, &mut batch).is_err() {
            break;
        }
        // What the other end has no room for is lost.
        while let Some(frame) = batch.pop() {
            pool.give(frame);
        }
        if from.wait(None).is_err() {
            break;
        }
    }
    from.close(&mut pool);
}

/// The clock that ports sleep by.
fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    let since_boot = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32);
    Instant::from_nanos(since_boot.as_nanos() as u64)
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut.store(true, Ordering::Relaxed);
        for alarm in &self.alarms {
            alarm.ring();
        }
        for carrier in self.carriers.drain(..) {
            // One that panicked has said so.
            let _ = carrier.join();
        }
    }
}
