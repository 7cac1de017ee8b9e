//! A socket whose kernel is played by the test, over rings in ordinary memory.

use std::os::fd::{AsFd, OwnedFd};

use mem::Batch;
use port::Pools;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::net::xdp::{XdpDesc, XdpDescOptions, XdpRingOffset};

use super::{Counted, FILL_ROOM, Socket};
use crate::ring::Ring;
use crate::umem::{Shape, Umem};

/// Memory for a ring, and both sides of it.
fn ring<T: Copy>(size: u32) -> (Ring<T>, Ring<T>, OwnedFd) {
    let memory = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memory, 64 + u64::from(size) * size_of::<T>() as u64).unwrap();
    let offsets = XdpRingOffset { producer: 0, consumer: 8, desc: 64, flags: Some(16) };
    // SAFETY: the memory is as long as the offsets say, and all zeros.
    let side = || unsafe { Ring::map(memory.as_fd(), 0, &offsets, size) }.unwrap();
    (side(), side(), memory)
}

/// The kernel shows frames before it says that their buffers are taken from the ring of those to be
/// filled (`xsk_flush`). Buffers that were given for them found no room there, and were lost.
#[test]
fn a_buffer_finds_room_though_the_kernel_is_late_to_say_that_it_took_one() {
    let shape = Shape::new(1500, false);
    let (umem, Pools { mut arrivals, .. }) = Umem::reserve(shape, 1).unwrap();
    let (receive, mut arrive, _one) = ring(shape.receive);
    let (transmit, _, descriptor) = ring(shape.transmit);
    let (fill, mut empty, _two) = ring::<u64>(shape.receive * FILL_ROOM);
    let (completion, _, _three) = ring(shape.transmit);
    let mut socket = Socket {
        receive,
        transmit,
        fill,
        completion,
        descriptor,
        shape,
        departures: umem.departures,
        leaving: 0,
        counted: Counted::default(),
        queue: 0,
        down: false,
        zero_copy: false,
        has_metadata: false,
        polls: false,
    };
    for _ in 0..shape.receive {
        let frame = arrivals.take().unwrap();
        socket.refill(&mut arrivals, frame);
    }
    socket.fill.publish();
    let options = XdpDescOptions::empty();
    for round in 0..3 * shape.receive / Batch::CAPACITY as u32 {
        for _ in 0..Batch::CAPACITY {
            let addr = empty.pop().expect("a buffer was lost");
            assert!(arrive.push(XdpDesc { addr, len: 60, options }));
        }
        arrive.publish();
        let mut batch = Batch::new();
        socket.take(&mut arrivals, &mut batch);
        assert_eq!(batch.len(), Batch::CAPACITY);
        batch.give_all(&mut arrivals);
        assert_eq!(arrivals.lent(), shape.receive, "round {round}");
        // Only now.
        empty.release();
    }
    let mut waiting = 0;
    while empty.pop().is_some() {
        waiting += 1;
    }
    assert_eq!(waiting, shape.receive, "the kernel has its share");
}
