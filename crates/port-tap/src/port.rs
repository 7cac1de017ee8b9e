//! Frames in and out of one queue of a device: [`TapPort`]. Invariant: a frame is read whole or lost
//! whole; what is read and longer than a buffer waits here until it has been cut.

use std::io::{IoSlice, IoSliceMut};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};

use ::port::vnet::{self, HEADERS_MAX, Header, Segment};
use ::port::{Alarm, Caps, Cut, Lost, News, Pools, Port};
use base::Instant;
use mem::{Batch, Frame, Pool};
use netlink::{Netlink, Table, Watched};
use rustix::io::{Errno, readv, writev};
use wire::ethernet::EtherType;
use wire::protocol::TCP;
use wire::{checksum::Sum, ethernet, ipv4, ipv6, tcp};

use crate::{Device, PortError};

/// Bytes of the longest frame that the kernel hands over: a packet of 65,535, and its header.
const UNCUT_MAX: usize = 65_535 + ethernet::HEADER_LENGTH + 2 * ethernet::TAG_LENGTH;
/// Bytes of the longest packet that the kernel is given to be cut.
const TSO: u16 = u16::MAX;
/// Bytes of the longest packet that fits the longest buffer.
const LRO: u16 = (Pool::BUFFER_BYTES_MAX - 164) as u16;
/// Bytes after which a batch that arrives is handed on: a part of the second-level cache.
const BATCH_BYTES: usize = 128 << 10;

/// Calls of [`Port::rx`] between two looks at what has become of the device, while there is no time to
/// sleep.
const LOOK_EVERY: u32 = 256;

/// One queue of a TAP device.
#[derive(Debug)]
pub struct TapPort {
    queue: OwnedFd,
    alarm: Alarm,
    mtu: u16,
    /// Where what does not fit a buffer is read to: after the buffer's part, which is put before it.
    long: Box<[u8]>,
    /// What is in `long`, while it is being cut.
    uncut: Option<Cut>,
    /// Frames dropped.
    lost: Lost,
    /// Whether frames are sent one by one and with the checksums that they have.
    as_given: bool,
    /// What becomes of the device. None for a port that only sends, and where the kernel does not say.
    watch: Option<Watch>,
}

/// Hears of the device's MTU.
#[derive(Debug)]
pub(crate) struct Watch {
    netlink: Netlink,
    index: u32,
    /// Calls of [`Port::rx`] since the kernel was last asked.
    calls: u32,
    /// What has not been told yet.
    mtu: Option<u16>,
}

impl Watch {
    /// Takes in what has changed.
    fn look(&mut self) {
        let Self { netlink, index, mtu, calls } = self;
        *calls = 0;
        let mut hear = |news| match news {
            netlink::News::Link(link) if link.index == *index => {
                *mtu = Some(u16::try_from(link.mtu).unwrap_or(u16::MAX));
            }
            _ => {}
        };
        if !netlink.changes(&mut hear) {
            // Some of it was dropped.
            let all = Netlink::open().and_then(|mut netlink| netlink.table(Table::Links));
            all.unwrap_or_default().into_iter().for_each(hear);
        }
    }
}

impl TapPort {
    /// A port for each queue of a device.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn all_of(device: Device) -> Result<Vec<Self>, Errno> {
        let (mtu, index) = (device.mtu(), device.index());
        let port = |queue| {
            let watch = Netlink::watch(Watched::Links).ok();
            let watch = watch.map(|netlink| Watch { netlink, index, calls: 0, mtu: None });
            Self::new(queue, mtu, watch)
        };
        device.into_queues().into_iter().map(port).collect()
    }

    /// A port on whatever gives and takes frames as a device's queue does.
    pub(crate) fn new(queue: OwnedFd, mtu: u16, watch: Option<Watch>) -> Result<Self, Errno> {
        Ok(Self {
            queue,
            alarm: Alarm::new()?,
            mtu,
            long: vec![0; Pool::BUFFER_BYTES_MAX + UNCUT_MAX].into(),
            uncut: None,
            lost: Lost::default(),
            as_given: false,
            watch,
        })
    }

    /// Another port on the same queue, for a thread that only sends. What either receives, the other
    /// does not.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn try_clone(&self) -> Result<Self, Errno> {
        let queue = rustix::io::fcntl_dupfd_cloexec(&self.queue, 0)?;
        let long = vec![0; self.long.len()].into();
        let alarm = Alarm::new()?;
        let lost = Lost::default();
        Ok(Self { queue, alarm, long, uncut: None, lost, watch: None, ..*self })
    }

    /// Has frames sent as they are given, without a checksum filled in, and handed over as they would
    /// be on a wire. For what only carries frames from one device to another, right or wrong.
    #[must_use]
    pub fn as_given(self) -> Self {
        Self { as_given: true, ..self }
    }

    /// What ends this port's [`Port::wait`] from another thread.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        self.alarm.clone()
    }

    /// Reads one frame and gives its length. `Ok(None)`: there is none.
    fn read(&mut self, pool: &mut Pool, into: &mut Batch) -> Result<Option<usize>, Errno> {
        let Some(mut frame) = pool.take() else { return Ok(None) };
        let buffer = pool.buffer_mut(&mut frame);
        let room = buffer.len();
        let mut header = [0; vnet::LENGTH];
        let parts = &mut [
            IoSliceMut::new(&mut header),
            IoSliceMut::new(buffer),
            IoSliceMut::new(&mut self.long[room..]),
        ];
        let read = loop {
            match readv(&self.queue, parts) {
                Err(Errno::INTR) => {}
                read => break read,
            }
        };
        let length = match read {
            Ok(length) => length.saturating_sub(vnet::LENGTH),
            Err(error) => {
                pool.give(frame);
                // The interface is down: nothing arrives until it is up again.
                return if matches!(error, Errno::AGAIN | Errno::IO) {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        };
        let header = Header::from_bytes(header);
        frame.set_range(0..length.min(room));
        let is_cut = self.as_given && header.is_to_be_cut();
        let is_vouched_for = header.vouches_for_checksum() || header.is_to_be_cut();
        if length > room || is_cut && length > self.longest() {
            self.begin_to_cut(pool, frame, length, header);
        } else if !is_vouched_for && !verifies(pool.data(&frame)) {
            self.lost.checksum += 1;
            pool.give(frame);
        } else if let Err(frame) = into.push(frame) {
            pool.give(frame);
        }
        Ok(Some(length))
    }

    /// Bytes of the longest frame on the link.
    fn longest(&self) -> usize {
        usize::from(self.mtu) + ethernet::HEADER_LENGTH + 2 * ethernet::TAG_LENGTH
    }

    /// Puts the part of a long frame that is in a buffer before the rest of it.
    fn begin_to_cut(&mut self, pool: &mut Pool, frame: Frame, length: usize, header: Header) {
        let data = pool.data(&frame);
        self.long[..data.len()].copy_from_slice(data);
        pool.give(frame);
        let segment = NonZeroU16::new(header.segment);
        let cut = segment.and_then(|segment| Cut::new(&self.long[..length], segment));
        self.lost.frames += u64::from(cut.is_none());
        let one_by_one = self.as_given;
        self.uncut =
            cut.map(|cut| if one_by_one { cut } else { cut.for_buffers_of(pool.buffer_bytes()) });
    }

    /// Adds segments of a long frame. False when there are more than can be taken now.
    fn cut(&mut self, pool: &mut Pool, into: &mut Batch) -> bool {
        while let Some(uncut) = &mut self.uncut {
            if into.is_full() {
                return false;
            }
            let Some(mut frame) = pool.take() else { return false };
            let cut = uncut.next(&self.long[..uncut.length()], pool.buffer_mut(&mut frame));
            frame.set_range(0..cut.unwrap_or(0));
            let refused = if cut.is_some() { into.push(frame).err() } else { Some(frame) };
            if let Some(frame) = refused {
                pool.give(frame);
                self.uncut = None;
            }
        }
        true
    }

    /// Sends a frame, which stands for several segments if `cut` says so. False when the device takes
    /// nothing now.
    fn write(&mut self, frame: &[u8], cut: Option<NonZeroU16>) -> Result<bool, Errno> {
        let mut head = [0; vnet::LENGTH + HEADERS_MAX];
        // Any other frame is neither cut nor summed by the kernel.
        let segment = Segment::of(frame).filter(|_| !self.as_given);
        let (written, headers) = segment.map_or((vnet::LENGTH, 0), |segment| {
            (segment.write_head(frame, cut, &mut head), segment.headers)
        });
        self.write_parts(&[IoSlice::new(&head[..written]), IoSlice::new(&frame[headers..])])
    }

    /// False when the device takes nothing now.
    fn write_parts(&mut self, parts: &[IoSlice<'_>]) -> Result<bool, Errno> {
        loop {
            match writev(&self.queue, parts) {
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                // The device is gone.
                Err(Errno::BADFD) => return Err(Errno::BADFD),
                // The interface is down, or the kernel short of memory: lost on the way.
                Err(_) => {
                    self.lost.frames += 1;
                    return Ok(true);
                }
            }
        }
    }
}

impl Port for TapPort {
    type Error = PortError;

    fn caps(&self) -> Caps {
        let caps = Caps { mtu: self.mtu, checksums_verified: true, ..Caps::ETHERNET };
        if self.as_given {
            return caps;
        }
        Caps { checksums_filled: true, tso: Some(TSO), lro: Some(LRO), ..caps }
    }

    fn rx(&mut self, _: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), PortError> {
        if let Some(watch) = &mut self.watch {
            watch.calls += 1;
            if watch.calls >= LOOK_EVERY {
                watch.look();
            }
        }
        let mut bytes = 0;
        while self.cut(pool, into)
            && !into.is_full()
            && bytes < BATCH_BYTES
            && let Some(length) = self.read(pool, into)?
        {
            bytes += length;
        }
        Ok(())
    }

    fn tx(&mut self, _: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), PortError> {
        while let Some(frame) = frames.first() {
            if !self.write(pool.data(frame), None)? {
                break;
            }
            if let Some(frame) = frames.pop() {
                pool.give(frame);
            }
        }
        Ok(())
    }

    fn tx_uncut(
        &mut self,
        _: Instant,
        frame: &[u8],
        segment: NonZeroU16,
    ) -> Result<bool, PortError> {
        Ok(self.write(frame, Some(segment))?)
    }

    fn lost(&self) -> Lost {
        self.lost
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), PortError> {
        if self.uncut.is_some() {
            return Ok(());
        }
        let other = self.watch.as_ref().map(|watch| watch.netlink.as_fd());
        if self.alarm.sleep(self.queue.as_fd(), other, until)?
            && let Some(watch) = &mut self.watch
        {
            watch.look();
        }
        Ok(())
    }

    fn news(&mut self) -> Option<News> {
        self.watch.as_mut()?.mtu.take().map(News::Mtu)
    }

    fn pools(&mut self) -> Option<Pools> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn pass_on(&mut self, _: &[u8], _: u16) -> bool {
        false
    }

    fn passed(&mut self, _: &mut Pool) -> Option<(Frame, u16)> {
        None
    }

    fn find(&mut self, _: IpAddr) {}
}

/// Whether a frame is no TCP segment, or one with the right checksum.
fn verifies(frame: &[u8]) -> bool {
    tcp_sum(frame).is_none_or(|(segment, pseudo)| segment.verifies(pseudo))
}

/// The TCP segment in a frame, and the sum of its pseudo-header.
fn tcp_sum(frame: &[u8]) -> Option<(tcp::View<'_>, Sum)> {
    let view = ethernet::View::new(frame).ok()?;
    let (segment, pseudo) = match view.repr().kind {
        EtherType::IPV4 => {
            let packet = ipv4::View::new(view.payload()).ok()?;
            let header = packet.repr();
            let pseudo =
                Sum::pseudo_v4(header.source, header.destination, TCP, header.payload_length);
            (header.protocol == TCP && !packet.is_fragment()).then(|| (packet.payload(), pseudo))?
        }
        EtherType::IPV6 => {
            let packet = ipv6::View::new(view.payload()).ok()?;
            let header = packet.repr();
            let length = header.payload_length.into();
            let pseudo = Sum::pseudo_v6(header.source, header.destination, TCP, length);
            (header.protocol == TCP && !packet.is_fragment()).then(|| (packet.payload(), pseudo))?
        }
        _ => return None,
    };
    Some((tcp::View::new(segment).ok()?, pseudo))
}
