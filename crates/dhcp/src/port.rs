//! A port whose stack learns its address from a lease: [`Leased`]. Invariant: what is for the client's
//! port never gets to the stack, which would answer that nobody is there; and the address is given back
//! when the last of the ports that share it goes.
//!
//! Of several queues of one link the first has the client. The others hand it what arrives at them and is
//! the client's, and hear from it what has changed.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use base::Instant;
use mem::{Batch, Frame, Pool, ReserveError};
use port::{Alarm, Caps, Lost, News, Pools, Port};
use wire::ethernet::Mac;

use crate::frame::{self, FRAME_MAX, Incoming, Outgoing};
use crate::{Client, Event, Lease};

/// Frames that the client sends at once at most.
const FRAMES: u32 = 4;
/// Frames for the client that wait at most. What finds no room is lost, as on any link.
const FORWARDED: usize = 16;

/// What is done with what the client tells.
pub type Listener = Box<dyn FnMut(&Event) + Send>;

/// One queue of a link whose address is leased, or just a queue.
pub struct Leased<P: Port> {
    inner: P,
    part: Option<Part>,
    /// Bytes of the longest packet: of the device, and what the lease says.
    mtu: (u16, u16),
    /// Held by all the queues.
    ended: Ended,
}

/// What there is to send when the last of the queues goes.
#[derive(Clone, Debug, Default)]
pub struct Ended(Option<Arc<Mutex<Option<Farewell>>>>);

#[derive(Debug)]
struct Farewell {
    own: Mac,
    message: Outgoing,
}

enum Part {
    Holder(Box<Holder>),
    Hearer { own: Mac, tell: SyncSender<Box<[u8]>>, alarm: Alarm, news: Receiver<News> },
}

/// The queue that has the client.
struct Holder {
    client: Client,
    /// Where its frames are built.
    frames: Pool,
    out: Batch,
    others: Vec<(Sender<News>, Alarm)>,
    told: Receiver<Box<[u8]>>,
    news: VecDeque<News>,
    in_use: Option<Lease>,
    listener: Listener,
}

impl<P: Port> Leased<P> {
    /// Queues of a link with addresses of its own.
    pub fn plain(ports: Vec<P>) -> Vec<Self> {
        let plain = |inner: P| {
            let mtu = (inner.caps().mtu, u16::MAX);
            Self { inner, part: None, mtu, ended: Ended::default() }
        };
        ports.into_iter().map(plain).collect()
    }

    /// Queues of a link whose stacks have begun with this lease of the client's. Each comes with the
    /// alarm that ends its wait.
    ///
    /// # Errors
    /// [`ReserveError`] when the memory for the client's frames is not to be had.
    pub fn share(
        queues: Vec<(P, Alarm)>,
        (client, lease): (Client, Lease),
        listener: Listener,
    ) -> Result<Vec<Self>, ReserveError> {
        let own = client.own();
        let (ports, alarms): (Vec<P>, Vec<Alarm>) = queues.into_iter().unzip();
        let mut shared = Self::plain(ports);
        let ended = Ended(Some(Arc::new(Mutex::new(None))));
        let (tell, told) = sync_channel(FORWARDED);
        let mut others = Vec::new();
        for (queue, alarm) in shared.iter_mut().zip(&alarms).skip(1) {
            let (sender, news) = channel();
            others.push((sender, alarm.clone()));
            let (tell, alarm) = (tell.clone(), alarms[0].clone());
            queue.part = Some(Part::Hearer { own, tell, alarm, news });
        }
        let mut holder = Holder {
            client,
            frames: Pool::new(FRAMES, FRAME_MAX)?,
            out: Batch::new(),
            others,
            told,
            news: VecDeque::new(),
            in_use: Some(lease),
            listener,
        };
        if let Some(mtu) = holder.in_use.as_ref().and_then(|lease| lease.mtu) {
            holder.publish(News::Mtu(mtu));
        }
        for queue in &mut shared {
            queue.ended = ended.clone();
        }
        if let Some(first) = shared.first_mut() {
            first.part = Some(Part::Holder(Box::new(holder)));
        }
        Ok(shared)
    }

    /// The port inside.
    pub const fn inner(&mut self) -> &mut P {
        &mut self.inner
    }

    /// Takes the client's frames out of what has arrived.
    fn pick(&mut self, now: Instant, pool: &mut Pool, frames: &mut Batch, before: usize) {
        let verified = self.inner.caps().checksums_verified;
        let Some(part) = &mut self.part else { return };
        let probes = match part {
            Part::Holder(holder) => holder.client.listens_for_conflicts(),
            // Only the holder knows; questions and answers of ARP are few.
            Part::Hearer { .. } => true,
        };
        let is_arp = |frame: &[u8]| probes && frame.get(12..14) == Some(&[0x08, 0x06]);
        let concerns = |frame: &[u8]| is_arp(frame) || frame::is_for_client(frame);
        if !frames.iter().skip(before).any(|frame| concerns(pool.data(frame))) {
            return;
        }
        for number in 0..frames.len() {
            let Some(frame) = frames.pop() else { return };
            let data = pool.data(&frame);
            if number >= before && concerns(data) {
                match part {
                    Part::Holder(holder) => holder.hear(now, data, verified),
                    Part::Hearer { own, tell, alarm, .. } => {
                        if frame::read(data, *own, verified).is_some()
                            && tell.try_send(data.into()).is_ok()
                        {
                            alarm.ring();
                        }
                    }
                }
                if !is_arp(data) {
                    pool.give(frame);
                    continue;
                }
            }
            // There is room: one was just taken out.
            if let Err(frame) = frames.push(frame) {
                pool.give(frame);
            }
        }
    }
}

impl Holder {
    fn hear(&mut self, now: Instant, frame: &[u8], verified: bool) {
        match frame::read(frame, self.client.own(), verified) {
            Some(Incoming::Message(station, message)) => {
                self.client.message(now, station, message);
            }
            Some(Incoming::Arp(packet)) => self.client.arp(now, &packet),
            None => {}
        }
    }

    /// Does what is due, and tells what has come of it.
    fn work<P: Port>(
        &mut self,
        now: Instant,
        port: &mut P,
        verified: bool,
    ) -> Result<(), P::Error> {
        while let Ok(frame) = self.told.try_recv() {
            self.hear(now, &frame, verified);
        }
        if self.client.deadline() <= now {
            while let Some(outgoing) = self.client.poll(now) {
                build(&mut self.frames, &mut self.out, self.client.own(), &outgoing);
            }
            port.tx(now, &mut self.frames, &mut self.out)?;
        }
        while let Some(event) = self.client.event() {
            (self.listener)(&event);
            match event {
                Event::Bound(lease) | Event::Renewed(lease) => self.put_in_use(Some(lease)),
                Event::Lost(..) => self.put_in_use(None),
                Event::Declined(_) | Event::Refused(_) => {}
            }
        }
        Ok(())
    }

    /// Tells all stacks what is different from now on.
    fn put_in_use(&mut self, lease: Option<Lease>) {
        let before = std::mem::replace(&mut self.in_use, lease);
        let (before, lease) = (before.as_ref(), self.in_use.as_ref());
        let address = |lease: Option<&Lease>| lease.map(|lease| IpAddr::V4(lease.address));
        let mtu = |lease: Option<&Lease>| lease.and_then(|lease| lease.mtu).unwrap_or(u16::MAX);
        let routes = |lease: Option<&Lease>| lease.map(Lease::routes).unwrap_or_default();
        let (old, new) = (routes(before), routes(lease));
        let (addresses, mtus) = ((address(before), address(lease)), (mtu(before), mtu(lease)));
        for route in old.iter().filter(|route| !new.contains(route)) {
            self.publish(news_of(route, false));
        }
        for route in new.iter().filter(|route| !old.contains(route)) {
            self.publish(news_of(route, true));
        }
        if addresses.0 != addresses.1 {
            if let Some(lost) = addresses.0 {
                self.publish(News::Expired(lost));
            }
            if let Some(address) = addresses.1 {
                self.publish(News::Address { address, present: true });
            }
        }
        if mtus.0 != mtus.1 {
            self.publish(News::Mtu(mtus.1));
        }
    }

    fn publish(&mut self, news: News) {
        self.news.push_back(news);
        for (other, alarm) in &self.others {
            // One that is gone needs no news.
            if other.send(news).is_ok() {
                alarm.ring();
            }
        }
    }
}

fn news_of(route: &crate::Route, present: bool) -> News {
    let (prefix, gateway) = (IpAddr::V4(route.prefix), route.gateway.map(IpAddr::V4));
    News::Route { prefix, length: route.length, gateway, present }
}

/// Puts a frame into a batch; without room it is lost, and the client asks again.
pub(crate) fn build(frames: &mut Pool, out: &mut Batch, own: Mac, outgoing: &Outgoing) {
    let Some(mut frame) = frames.take() else { return };
    let length = outgoing.emit(own, frames.buffer_mut(&mut frame)).unwrap_or(0);
    frame.set_range(0..length);
    let refused = if length > 0 { out.push(frame).err() } else { Some(frame) };
    if let Some(frame) = refused {
        frames.give(frame);
    }
}

impl<P: Port> Port for Leased<P> {
    type Error = P::Error;

    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn pools(&mut self) -> Option<Pools> {
        self.inner.pools()
    }

    fn rx(&mut self, now: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), P::Error> {
        let before = into.len();
        self.inner.rx(now, pool, into)?;
        if self.part.is_some() {
            self.pick(now, pool, into, before);
        }
        if let Some(Part::Holder(holder)) = &mut self.part {
            let verified = self.inner.caps().checksums_verified;
            holder.work(now, &mut self.inner, verified)?;
        }
        Ok(())
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
        // What the others told has rung the alarm that this waits by.
        let due = self.deadline();
        let until = [until, due].into_iter().flatten().min();
        self.inner.wait(until)
    }

    fn deadline(&self) -> Option<Instant> {
        let due = match &self.part {
            Some(Part::Holder(holder)) => Some(holder.client.deadline()),
            _ => None,
        };
        [due, self.inner.deadline()].into_iter().flatten().min()
    }

    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        self.inner.pass_on(frame, passed)
    }

    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.inner.passed(pool)
    }

    fn lost(&self) -> Lost {
        self.inner.lost()
    }

    fn find(&mut self, neighbor: IpAddr) {
        self.inner.find(neighbor);
    }

    fn news(&mut self) -> Option<News> {
        match self.inner.news() {
            Some(News::Mtu(mtu)) => {
                self.mtu.0 = mtu;
                return Some(News::Mtu(mtu.min(self.mtu.1)));
            }
            Some(other) => return Some(other),
            None => {}
        }
        let news = match self.part.as_mut()? {
            Part::Holder(holder) => holder.news.pop_front()?,
            Part::Hearer { news, .. } => news.try_recv().ok()?,
        };
        Some(match news {
            News::Mtu(mtu) => {
                self.mtu.1 = mtu;
                News::Mtu(mtu.min(self.mtu.0))
            }
            other => other,
        })
    }
}

impl<P: Port> Drop for Leased<P> {
    fn drop(&mut self) {
        let Ended(Some(ended)) = std::mem::take(&mut self.ended) else { return };
        if let Some(Part::Holder(holder)) = &mut self.part {
            let message = holder.client.release(Instant::ZERO);
            let own = holder.client.own();
            let farewell = message.map(|message| Farewell { own, message });
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = farewell;
        }
        // The others may still have connections on the address.
        let Some(last) = Arc::into_inner(ended) else { return };
        let farewell = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(Farewell { own, message }) = farewell else { return };
        if let Ok(mut frames) = Pool::new(1, FRAME_MAX) {
            let mut out = Batch::new();
            build(&mut frames, &mut out, own, &message);
            // Who cannot be told waits for the lease to end.
            let _ = self.inner.tx(Instant::ZERO, &mut frames, &mut out);
            out.give_all(&mut frames);
        }
    }
}

impl<P: Port + fmt::Debug> fmt::Debug for Leased<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.out.give_all(&mut self.frames);
    }
}
