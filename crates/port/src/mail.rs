//! Frames that one shard passes on to the next, because they belong to no connection of its own:
//! [`Mail`]. Invariant: a frame goes round at most once, and says how many shards it has been at.
//!
//! A client may move to another path when it has lost packets (Linux does, `net.core.txrehash`), and
//! its frames then arrive at another queue, whose shard knows nothing of the connection. What answers
//! a connection that we opened comes to whichever queue its sender's hash says.

use alloc::vec::Vec;

use mem::{Consumer, Frame, Pool, Producer, ReserveError, ring};

use crate::Alarm;

/// Bytes of frames that can wait for a shard. What finds no room is lost, as on any link.
const RING_BYTES: usize = 512 << 10;

/// Bytes of the longest frame, and the count before it.
const PARCEL_BYTES: usize = 64 << 10;

/// One shard's mailboxes: from the one before it and to the one after it, in a circle.
#[derive(Debug)]
pub struct Mail {
    shards: u16,
    into: Consumer,
    out: Producer,
    /// Wakes the one after.
    alarm: Alarm,
    /// A frame with the count before it, while it is put in.
    parcel: Vec<u8>,
}

impl Mail {
    /// The mailboxes of as many shards as there are alarms, each of which wakes one. None for one
    /// that is alone.
    ///
    /// # Errors
    /// [`ReserveError`] when there is no memory for what waits.
    pub fn circle(alarms: &[Alarm]) -> Result<Vec<Option<Self>>, ReserveError> {
        if alarms.len() < 2 {
            return Ok(alarms.iter().map(|_| None).collect());
        }
        // At most 65,535: the number of shards is a u16.
        let shards = alarms.len() as u16;
        let (outs, mut intos): (Vec<Producer>, Vec<Consumer>) = alarms
            .iter()
            .map(|_| ring(RING_BYTES))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .unzip();
        // What the first one puts in, the second takes out.
        intos.rotate_right(1);
        let next = alarms.iter().cycle().skip(1);
        let parts = outs.into_iter().zip(intos).zip(next);
        let mail = parts.map(|((out, into), alarm)| {
            Some(Self {
                shards,
                into,
                out,
                alarm: alarm.clone(),
                parcel: Vec::with_capacity(PARCEL_BYTES),
            })
        });
        Ok(mail.collect())
    }

    /// Gives a frame to the next shard, which hears of it after [`Mail::deliver`]. `false` when that
    /// is where it began.
    pub fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        let passed = passed + 1;
        if passed >= self.shards {
            return false;
        }
        self.parcel.clear();
        self.parcel.extend(passed.to_ne_bytes());
        self.parcel.extend(frame);
        // A shard that does not keep up loses frames, as it does those of the link.
        let _ = self.out.push(&self.parcel);
        true
    }

    /// Lets the next shard see what was passed on to it. Once for a batch: it costs a system call.
    pub fn deliver(&mut self) {
        if self.out.publish() {
            self.alarm.ring();
        }
    }

    /// Takes a frame, and how many shards have passed it on.
    pub fn take(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        if self.into.is_empty() {
            return None;
        }
        let mut frame = pool.take()?;
        let taken = self.into.pop(|parcel| {
            let (passed, data) = parcel.split_first_chunk()?;
            pool.buffer_mut(&mut frame).get_mut(..data.len())?.copy_from_slice(data);
            Some((data.len(), u16::from_ne_bytes(*passed)))
        });
        self.into.release();
        match taken.flatten() {
            Some((length, passed)) => {
                frame.set_range(0..length);
                Some((frame, passed))
            }
            // Longer than a buffer: lost.
            None => {
                pool.give(frame);
                None
            }
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&mut self) -> bool {
        self.into.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use mem::Pool;

    use super::Mail;
    use crate::Alarm;

    #[test]
    fn a_frame_goes_round_once() {
        let alarms = [(); 3].map(|()| Alarm::new().unwrap());
        let mut mail: Vec<Mail> = Mail::circle(&alarms).unwrap().into_iter().flatten().collect();
        let mut pool = Pool::new(4, 64).unwrap();
        assert!(mail[1].pass_on(b"frame", 0));
        assert!(mail[2].is_empty(), "nobody is rung for each frame");
        mail[1].deliver();
        assert!(mail[0].take(&mut pool).is_none() && mail[1].take(&mut pool).is_none());
        let (frame, passed) = mail[2].take(&mut pool).unwrap();
        assert_eq!((pool.data(&frame), passed), (&b"frame"[..], 1));
        pool.give(frame);
        assert!(mail[2].pass_on(b"frame", passed));
        mail[2].deliver();
        let (frame, passed) = mail[0].take(&mut pool).unwrap();
        pool.give(frame);
        assert_eq!(
            (passed, mail[0].pass_on(b"frame", passed), mail[1].is_empty()),
            (2, false, true)
        );
    }

    #[test]
    fn who_is_alone_has_nobody_to_pass_to() {
        let alone = Mail::circle(&[Alarm::new().unwrap()]).unwrap();
        assert!(alone[0].is_none());
    }
}
