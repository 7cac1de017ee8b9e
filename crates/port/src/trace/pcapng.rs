//! The blocks of a pcapng file that a capture needs, draft-ietf-opsawg-pcapng. Invariant: each call
//! leaves exactly the blocks it names in `into`, in little-endian order, padded to 32 bits.

use alloc::vec::Vec;

/// Section header block, section 4.1.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Interface description block, section 4.2.
const INTERFACE: u32 = 1;
/// LINKTYPE_ETHERNET.
const ETHERNET: u32 = 1;
/// Option if_tsresol: timestamps count units of 10^-9 s.
const NANOSECONDS: [u8; 8] = [9, 0, 1, 0, 9, 0, 0, 0];
/// Enhanced packet block, section 4.3.
const PACKET: u32 = 6;
/// Option epb_flags, whose lowest two bits say the direction.
const FLAGS: [u8; 4] = [2, 0, 4, 0];
/// Option epb_dropcount: how many were lost before this one.
const LOST: [u8; 4] = [4, 0, 8, 0];
const END_OF_OPTIONS: u32 = 0;

/// Which way a frame went.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Inbound = 1,
    Outbound = 2,
}

/// What is said of a frame.
pub(super) struct Place {
    /// Where it passed.
    pub(super) interface: u32,
    /// Nanoseconds since the Unix epoch.
    pub(super) time: u64,
    pub(super) direction: Direction,
    /// Frames lost to the capture just before it.
    pub(super) lost: u32,
}

/// The blocks that a file starts with, for so many interfaces.
pub(super) fn start(interfaces: u32) -> Vec<u8> {
    let mut into = Vec::new();
    block(&mut into, SECTION_HEADER, |body| {
        put(body, BYTE_ORDER_MAGIC);
        put(body, 1); // version 1.0
        body.extend_from_slice(&u64::MAX.to_le_bytes()); // length of the section: not known
    });
    for _ in 0..interfaces {
        block(&mut into, INTERFACE, |body| {
            put(body, ETHERNET);
            put(body, 0); // no limit to the length captured
            body.extend_from_slice(&NANOSECONDS);
            put(body, END_OF_OPTIONS);
        });
    }
    into
}

/// One frame.
pub(super) fn packet(into: &mut Vec<u8>, place: &Place, data: &[u8]) {
    into.clear();
    block(into, PACKET, |body| {
        put(body, place.interface);
        put(body, (place.time >> 32) as u32);
        put(body, place.time as u32);
        // A frame is at most 32 KiB long.
        put(body, data.len() as u32);
        put(body, data.len() as u32);
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(&FLAGS);
        put(body, place.direction as u32);
        if place.lost > 0 {
            body.extend_from_slice(&LOST);
            body.extend_from_slice(&u64::from(place.lost).to_le_bytes());
        }
        put(body, END_OF_OPTIONS);
    });
}

fn put(into: &mut Vec<u8>, value: u32) {
    into.extend_from_slice(&value.to_le_bytes());
}

/// A block: its kind, its length, the body, its length again.
fn block(into: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = into.len();
    put(into, kind);
    put(into, 0);
    body(into);
    let length = (into.len() - start + 4) as u32;
    put(into, length);
    into[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}
