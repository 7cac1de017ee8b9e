//! Any bytes as each kind of packet: no parser panics, and what was read can be written and reads
//! the same.

#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use wire::{arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, quoted::Quoted, tcp, udp};

const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

fuzz_target!(|bytes: &[u8]| {
    let mut out = [0; 2048];
    if let Ok(view) = ethernet::View::new(bytes) {
        let length = view.repr().emit(&mut out).unwrap();
        assert_eq!(ethernet::View::new(&out[..length]).unwrap().repr(), view.repr());
    }
    if let Ok(repr) = arp::Repr::parse(bytes) {
        repr.emit(&mut out).unwrap();
        assert_eq!(arp::Repr::parse(&out), Ok(repr));
    }
    if let Ok(view) = ipv4::View::new(bytes) {
        let _ = (view.repr(), view.verifies(), view.is_fragment(), view.options());
    }
    if let Ok(view) = ipv6::View::new(bytes) {
        let _ = (view.repr(), view.is_fragment());
    }
    if let Ok(view) = udp::View::new(bytes) {
        let _ = (view.repr(), view.payload());
    }
    if let Ok(view) = tcp::View::new(bytes) {
        // We align what others pack: SACK blocks that fit without padding may not all fit with it.
        let mut repr = view.repr();
        repr.options.sack.truncate(repr.options.sack_room());
        let length = repr.emit(&mut out).unwrap();
        assert_eq!(tcp::View::new(&out[..length]).unwrap().repr(), repr);
    }
    if let Ok(repr) = icmpv4::Repr::parse(bytes)
        && repr.length() <= out.len()
    {
        let length = repr.emit(&mut out).unwrap();
        assert_eq!(icmpv4::Repr::parse(&out[..length]), Ok(repr));
    }
    if let Ok(repr) = icmpv6::Repr::parse(bytes, ANY, ANY)
        && repr.length() <= out.len()
    {
        let length = repr.emit(&mut out, ANY, ANY).unwrap();
        assert_eq!(icmpv6::Repr::parse(&out[..length], ANY, ANY), Ok(repr));
    }
    let _ = (Quoted::parse_v4(bytes), Quoted::parse_v6(bytes));
});
