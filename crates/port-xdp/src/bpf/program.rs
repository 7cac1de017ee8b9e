//! What is ours of the frames that arrive: the XDP program. Invariant: it gives to us TCP segments for an
//! address and port that we listen on or an address and port that we open connections from, and ICMP
//! errors about segments from there; everything else goes on to the kernel, untouched.
//!
//! Of a segment in fragments the first has the ports and is ours, which drops and counts it (no fragments
//! are put together for TCP); the others have none and go to the kernel, which never gets the whole. So it
//! does not answer with a reset for a port that it knows nobody at, which would end the connection.

use std::os::fd::BorrowedFd;

use super::assembler::Register::{R0, R1, R2, R3, R6, R7, R8, R9, R10};
use super::assembler::{Assembler, Label, Operation, Size, When};

/// Goes on to the kernel.
pub(super) const XDP_PASS: i32 = 2;

/// Helpers, by their numbers.
const MAP_LOOKUP: i32 = 1;
const REDIRECT_MAP: i32 = 51;

/// Where the fields of `struct xdp_md` are.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const QUEUE: i16 = 16;

/// On the stack: how many bits of the address count, the address as an IPv6 one, and behind it a
/// port, as the tables have them.
const LENGTH: i16 = -28;
const ADDRESS: i16 = -24;
const PORT: i16 = -8;

const ETHERNET: i32 = 14;
const TAG: i32 = 4;
const IPV4_MIN: i32 = 20;
const IPV6: i32 = 40;
/// The part of a TCP header that has to be there: a first fragment may have no more.
const TCP_MIN: i32 = 8;
const PROTOCOL_TCP: i32 = 6;
const PROTOCOL_ICMPV4: i32 = 1;
const PROTOCOL_ICMPV6: i32 = 58;
/// IPv6 extension headers that come before a TCP segment (RFC 8200 section 4): hop-by-hop options, routing,
/// fragment, destination options. Any other is the kernel's.
const HOP_BY_HOP: i32 = 0;
const ROUTING: i32 = 43;
const FRAGMENT: i32 = 44;
const DESTINATION_OPTIONS: i32 = 60;
/// How many of them are looked behind: as many as there are kinds. What has more is the kernel's.
const EXTENSIONS_MAX: usize = 4;
/// Bytes of the shortest.
const EXTENSION_MIN: i32 = 8;
/// What an ICMP error has before the packet it quotes (RFC 792, RFC 4443).
const ICMP: i32 = 8;
/// What an ICMP error quotes of a TCP header at least: ports and sequence number.
const TCP_QUOTED: i32 = 8;
/// Destination unreachable, time exceeded, parameter problem (RFC 792).
const ICMPV4_ERRORS: [i32; 3] = [3, 11, 12];
/// The same and packet too big are 1 to 4 (RFC 4443).
const ICMPV6_ERROR_MAX: i32 = 4;

/// The maps that the program looks into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maps<'a> {
    /// Addresses and ports listened on: 16 bytes (IPv4 mapped, RFC 4291 section 2.5.5.2), and the
    /// port in network order, padded to four.
    pub listeners: BorrowedFd<'a>,
    /// The first and the last port that connections are opened from, two bytes each, by network of
    /// addresses; the narrowest network counts.
    pub clients: BorrowedFd<'a>,
    /// The socket of each queue.
    pub sockets: BorrowedFd<'a>,
}

/// A constant as it is loaded from the frame in one piece.
const fn network(value: u16) -> i32 {
    value.to_be() as i32
}

/// The program. `otherwise` is what becomes of a frame of ours at a queue without a socket.
pub(super) fn assemble(maps: Maps<'_>, otherwise: i32) -> Vec<u64> {
    let mut code = Assembler::default();
    let pass = code.label();
    let [ipv6, segment, quoted_ipv4, quoted_ipv6, ours] = [(); 5].map(|()| code.label());
    code.set(R6, R1);
    code.load(Size::U32, R9, R6, DATA);
    code.load(Size::U32, R8, R6, DATA_END);
    ethernet(&mut code, ipv6, pass);
    ipv4(&mut code, pass);
    code.jump_if(R7, When::Equal, PROTOCOL_ICMPV4, quoted_ipv4);
    code.jump(segment);
    code.place(ipv6);
    ip6(&mut code, pass);
    code.jump_if(R7, When::Equal, PROTOCOL_ICMPV6, quoted_ipv6);
    code.place(segment);
    require(&mut code, TCP_MIN, pass);
    code.load(Size::U16, R7, R9, 2);
    code.jump(ours);
    code.place(quoted_ipv4);
    icmpv4(&mut code, pass);
    code.jump(ours);
    code.place(quoted_ipv6);
    icmpv6(&mut code, pass);
    code.place(ours);
    redirect(&mut code, maps, otherwise, pass);
    code.place(pass);
    code.set(R0, XDP_PASS);
    code.exit();
    code.finish()
}

/// Jumps to `pass` unless `bytes` from R9 on are in the frame. R8 is the frame's end.
fn require(code: &mut Assembler, bytes: i32, pass: Label) {
    code.set(R2, R9);
    code.operate(Operation::Add, R2, bytes);
    code.jump_if(R2, When::Greater, R8, pass);
}

/// Leaves R9 at the IP header. A frame with a tag for another VLAN is another interface's.
fn ethernet(code: &mut Assembler, ipv6: Label, pass: Label) {
    require(code, ETHERNET, pass);
    code.load(Size::U16, R3, R9, 12);
    code.operate(Operation::Add, R9, ETHERNET);
    let untagged = code.label();
    code.jump_if(R3, When::NotEqual, network(0x8100), untagged);
    require(code, TAG, pass);
    code.load(Size::U16, R2, R9, 0);
    code.operate(Operation::And, R2, network(0x0fff));
    code.jump_if(R2, When::NotEqual, 0, pass);
    code.load(Size::U16, R3, R9, 2);
    code.operate(Operation::Add, R9, TAG);
    code.place(untagged);
    code.jump_if(R3, When::Equal, network(0x86dd), ipv6);
    code.jump_if(R3, When::NotEqual, network(0x0800), pass);
}

/// Goes on if R7 is one of two protocols.
fn is_one_of(code: &mut Assembler, protocols: [i32; 2], pass: Label) {
    let fits = code.label();
    code.jump_if(R7, When::Equal, protocols[0], fits);
    code.jump_if(R7, When::NotEqual, protocols[1], pass);
    code.place(fits);
}

/// Leaves R9 behind the IP header, the destination on the stack, and the protocol, TCP or ICMP, in
/// R7.
fn ipv4(code: &mut Assembler, pass: Label) {
    require(code, IPV4_MIN, pass);
    code.load(Size::U8, R3, R9, 0);
    code.set(R2, R3);
    code.operate(Operation::ShiftRight, R2, 4);
    code.jump_if(R2, When::NotEqual, 4, pass);
    code.load(Size::U8, R7, R9, 9);
    is_one_of(code, [PROTOCOL_TCP, PROTOCOL_ICMPV4], pass);
    // A fragment that is not the first has no ports.
    code.load(Size::U16, R2, R9, 6);
    code.operate(Operation::And, R2, network(0x1fff));
    code.jump_if(R2, When::NotEqual, 0, pass);
    code.load(Size::U32, R2, R9, 16);
    code.store_constant(Size::U64, R10, ADDRESS, 0);
    code.store_constant(Size::U32, R10, ADDRESS + 8, 0xffff_u32.to_be() as i32);
    code.store(Size::U32, R10, ADDRESS + 12, R2);
    skip_ipv4(code, pass);
}

/// Moves R9 behind an IPv4 header whose first byte is in R3; options are skipped.
fn skip_ipv4(code: &mut Assembler, pass: Label) {
    // The header's length in words.
    code.operate(Operation::And, R3, 0x0f);
    code.jump_if(R3, When::Less, IPV4_MIN / 4, pass);
    code.operate(Operation::ShiftLeft, R3, 2);
    code.operate(Operation::Add, R9, R3);
}

/// Leaves R9 behind the IP header, the destination on the stack, and the protocol, TCP or ICMP, in
/// R7.
fn ip6(code: &mut Assembler, pass: Label) {
    require(code, IPV6, pass);
    code.load(Size::U8, R7, R9, 6);
    store_ipv6(code, 24);
    code.operate(Operation::Add, R9, IPV6);
    let upper = code.label();
    for _ in 0..EXTENSIONS_MAX {
        skip_extension(code, upper, pass);
    }
    code.place(upper);
    is_one_of(code, [PROTOCOL_TCP, PROTOCOL_ICMPV6], pass);
}

/// Moves R9 behind an extension header and puts what follows into R7; jumps to `upper` where there is none.
/// A route with stops left, and a fragment that is not the first, are the kernel's.
fn skip_extension(code: &mut Assembler, upper: Label, pass: Label) {
    let [any, routing, fragment, next] = [(); 4].map(|()| code.label());
    code.jump_if(R7, When::Equal, HOP_BY_HOP, any);
    code.jump_if(R7, When::Equal, DESTINATION_OPTIONS, any);
    code.jump_if(R7, When::Equal, ROUTING, routing);
    code.jump_if(R7, When::Equal, FRAGMENT, fragment);
    code.jump(upper);
    code.place(routing);
    require(code, EXTENSION_MIN, pass);
    code.load(Size::U8, R2, R9, 3);
    code.jump_if(R2, When::NotEqual, 0, pass);
    code.place(any);
    require(code, EXTENSION_MIN, pass);
    code.load(Size::U8, R7, R9, 0);
    // In units of eight bytes, the first not counted.
    code.load(Size::U8, R3, R9, 1);
    code.operate(Operation::Add, R3, 1);
    code.operate(Operation::ShiftLeft, R3, 3);
    code.operate(Operation::Add, R9, R3);
    code.jump(next);
    code.place(fragment);
    require(code, EXTENSION_MIN, pass);
    code.load(Size::U16, R2, R9, 2);
    code.operate(Operation::And, R2, network(0xfff8));
    code.jump_if(R2, When::NotEqual, 0, pass);
    code.load(Size::U8, R7, R9, 0);
    code.operate(Operation::Add, R9, EXTENSION_MIN);
    code.place(next);
}

/// Puts the IPv6 address at so many bytes from R9 on the stack.
fn store_ipv6(code: &mut Assembler, at: i16) {
    for word in [0, 4, 8, 12] {
        // In words: the header lies at an odd multiple of two bytes.
        code.load(Size::U32, R2, R9, at + word);
        code.store(Size::U32, R10, ADDRESS + word, R2);
    }
}

/// Of an ICMP error about a TCP segment, leaves the source that it quotes: the address on the stack
/// and the port in R7.
fn icmpv4(code: &mut Assembler, pass: Label) {
    require(code, ICMP + IPV4_MIN, pass);
    code.load(Size::U8, R2, R9, 0);
    let error = code.label();
    for kind in ICMPV4_ERRORS {
        code.jump_if(R2, When::Equal, kind, error);
    }
    code.jump(pass);
    code.place(error);
    code.operate(Operation::Add, R9, ICMP);
    code.load(Size::U8, R2, R9, 9);
    code.jump_if(R2, When::NotEqual, PROTOCOL_TCP, pass);
    // A fragment that is not the first has no ports.
    code.load(Size::U16, R2, R9, 6);
    code.operate(Operation::And, R2, network(0x1fff));
    code.jump_if(R2, When::NotEqual, 0, pass);
    code.load(Size::U32, R2, R9, 12);
    code.store(Size::U32, R10, ADDRESS + 12, R2);
    code.load(Size::U8, R3, R9, 0);
    skip_ipv4(code, pass);
    quoted_port(code, pass);
}

/// The same of ICMPv6.
fn icmpv6(code: &mut Assembler, pass: Label) {
    require(code, ICMP + IPV6, pass);
    code.load(Size::U8, R2, R9, 0);
    code.jump_if(R2, When::Equal, 0, pass);
    code.jump_if(R2, When::Greater, ICMPV6_ERROR_MAX, pass);
    code.operate(Operation::Add, R9, ICMP);
    code.load(Size::U8, R2, R9, 6);
    code.jump_if(R2, When::NotEqual, PROTOCOL_TCP, pass);
    store_ipv6(code, 8);
    code.operate(Operation::Add, R9, IPV6);
    quoted_port(code, pass);
}

fn quoted_port(code: &mut Assembler, pass: Label) {
    require(code, TCP_QUOTED, pass);
    code.load(Size::U16, R7, R9, 0);
}

/// Looks the address on the stack and the port in R7 up, and gives the frame to the queue's socket,
/// or to the kernel where the queue has none: `otherwise`.
fn redirect(code: &mut Assembler, maps: Maps<'_>, otherwise: i32, pass: Label) {
    code.store_constant(Size::U32, R10, PORT, 0);
    code.store(Size::U16, R10, PORT, R7);
    let ours = code.label();
    look_up(code, maps.listeners, ADDRESS);
    code.jump_if(R0, When::NotEqual, 0, ours);
    code.store_constant(Size::U32, R10, LENGTH, 128);
    look_up(code, maps.clients, LENGTH);
    code.jump_if(R0, When::Equal, 0, pass);
    code.network_u16(R7);
    code.load(Size::U16, R2, R0, 0);
    code.jump_if(R7, When::Less, R2, pass);
    code.load(Size::U16, R2, R0, 2);
    code.jump_if(R7, When::Greater, R2, pass);
    code.place(ours);
    code.load_map(R1, maps.sockets);
    code.load(Size::U32, R2, R6, QUEUE);
    code.set(R3, otherwise);
    code.call(REDIRECT_MAP);
    code.exit();
}

/// Looks up what is on the stack from a place on.
fn look_up(code: &mut Assembler, map: BorrowedFd<'_>, from: i16) {
    code.load_map(R1, map);
    code.set(R2, R10);
    code.operate(Operation::Add, R2, i32::from(from));
    code.call(MAP_LOOKUP);
}
