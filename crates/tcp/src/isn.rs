//! Initial sequence numbers, RFC 6528: ISN = M + F(connection, secret). Invariant: they grow with
//! time for one pair of ends, and nothing about one pair's can be told from another's.

use core::net::IpAddr;

use base::{Instant, Seq, SipKey};

/// Both ends of a connection, as they go into keyed functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tuple {
    /// The address at this end.
    pub local: IpAddr,
    /// The port at this end.
    pub local_port: u16,
    /// The peer's address.
    pub remote: IpAddr,
    /// The peer's port.
    pub remote_port: u16,
}

impl Tuple {
    /// Five words that no other pair of ends has.
    pub(crate) fn words(&self) -> [u64; 5] {
        let [a, b] = address_words(self.local);
        let [c, d] = address_words(self.remote);
        [a, b, c, d, u64::from(self.local_port) << 16 | u64::from(self.remote_port)]
    }
}

fn address_words(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

/// The initial sequence number for a connection opened now.
#[must_use]
pub fn initial_sequence_number(key: SipKey, tuple: &Tuple, now: Instant) -> Seq {
    //= specs/rfc9293.txt#section-3.4.1
    //# A TCP implementation MUST use the above type of "clock" for clock-driven selection of
    //# initial sequence numbers (MUST-8)
    let clock = (now.as_micros() / 4) as u32;
    //= specs/rfc9293.txt#section-3.4.1
    //# F(localip, localport, remoteip, remoteport, secretkey) where M is the 4 microsecond timer,
    //# and F() is a pseudorandom function (PRF) of the connection's identifying parameters
    //# ("localip, localport, remoteip, remoteport") and a secret key ("secretkey") (SHLD-1).
    //= specs/rfc9293.txt#section-3.4.1
    //# F() MUST NOT be computable from the outside (MUST-9)
    Seq(key.secret_hash(tuple.words()) as u32) + clock
}

#[cfg(test)]
mod tests {
    use super::{Tuple, initial_sequence_number};
    use base::{Instant, SipKey};

    const TUPLE: Tuple = Tuple {
        local: core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)),
        local_port: 80,
        remote: core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2)),
        remote_port: 50_000,
    };

    #[test]
    fn it_grows_by_one_every_four_microseconds() {
        //= specs/rfc9293.txt#section-3.4.1
        //= type=test
        //# A TCP implementation MUST use the above type of "clock" for clock-driven selection of
        //# initial sequence numbers (MUST-8)
        let at = |micros| {
            initial_sequence_number(SipKey::new([1, 2]), &TUPLE, Instant::from_micros(micros))
        };
        assert_eq!(at(4_000).distance(at(0)), 1_000);
        assert_eq!(at(7), at(4));
    }

    #[test]
    fn it_depends_on_every_part_of_the_connection_and_on_the_secret() {
        //= specs/rfc9293.txt#section-3.4.1
        //= type=test
        //# F(localip, localport, remoteip, remoteport, secretkey) where M is the 4 microsecond timer,
        //# and F() is a pseudorandom function (PRF) of the connection's identifying parameters
        //# ("localip, localport, remoteip, remoteport") and a secret key ("secretkey") (SHLD-1).
        //= specs/rfc9293.txt#section-3.4.1
        //= type=test
        //# F() MUST NOT be computable from the outside (MUST-9)
        let now = Instant::from_millis(5);
        let first = initial_sequence_number(SipKey::new([1, 2]), &TUPLE, now);
        let others = [
            Tuple { local: [10, 0, 0, 3].into(), ..TUPLE },
            Tuple { local_port: 81, ..TUPLE },
            Tuple { remote: [10, 0, 0, 3].into(), ..TUPLE },
            Tuple { remote_port: 50_001, ..TUPLE },
        ];
        for other in others {
            assert_ne!(initial_sequence_number(SipKey::new([1, 2]), &other, now), first);
        }
        let over_ipv6 = |remote: &str| {
            let remote = remote.parse().unwrap();
            initial_sequence_number(SipKey::new([1, 2]), &Tuple { remote, ..TUPLE }, now)
        };
        assert_ne!(over_ipv6("2001:db8::1"), over_ipv6("2001:db9::1"));
        assert_ne!(over_ipv6("2001:db8::1"), over_ipv6("2001:db8::2"));
        assert_ne!(initial_sequence_number(SipKey::new([1, 3]), &TUPLE, now), first);
        assert_ne!(initial_sequence_number(SipKey::new([0, 2]), &TUPLE, now), first);
    }
}
