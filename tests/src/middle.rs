//! A host between two hosts that carries frames from one to the other, and whose packet filter does to
//! some of them what it is told: [`Middle`]. Invariant: a frame is harmed, if at all, where it comes in,
//! so what the filter counts is what was done.
//!
//! A filter on the sender's host would not do: what leaves a host over a veth pair has its checksum
//! still to be computed, over whatever is there by then. The hosts at the ends are told to compute
//! theirs, so that here they are complete. A bridge carries the frames: the filter's own `fwd` marks
//! them as redirected, and XDP in generic mode looks at no such frame.

use std::fmt::Write as _;

use crate::Outcome;
use crate::namespace::{Namespace, output};

/// Its interfaces: towards the first host and towards the second.
const INTERFACES: [&str; 2] = ["first", "second"];

/// Segments harmed in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Harmed {
    /// Not passed on.
    pub lost: u64,
    /// Passed on with a wrong byte.
    pub corrupted: u64,
    /// Passed on twice.
    pub repeated: u64,
}

/// The host. Gone when dropped.
#[derive(Debug)]
pub struct Middle {
    host: Namespace,
}

impl Middle {
    /// Makes one between two hosts, each of which gets an interface of this name, with so many queues
    /// and this MTU. It harms nothing yet.
    ///
    /// # Errors
    /// When that fails: it needs root, iproute2, ethtool and nft.
    pub fn between(hosts: [&Namespace; 2], device: &str, queues: u32, mtu: u32) -> Outcome<Self> {
        let host = Namespace::new()?;
        host.run("ip link add br0 type bridge")?;
        host.run("ip link set br0 up")?;
        let many = format!("numrxqueues {queues} numtxqueues {queues} mtu {mtu}");
        for (end, interface) in hosts.into_iter().zip(INTERFACES) {
            let line = format!(
                "ip link add {interface} netns {} {many} type veth peer name {device} netns {} {many}",
                host.name(),
                end.name()
            );
            let mut words = line.split_whitespace();
            output(std::process::Command::new(words.next().unwrap_or_default()).args(words))?;
            host.run(&format!("ip link set {interface} master br0 up"))?;
            end.run(&format!("ethtool -K {device} tx off tso off gso off"))?;
        }
        let made = Self { host };
        made.harm(0)?;
        Ok(made)
    }

    /// From now on, of a hundred TCP segments in either direction so many are lost, so many are
    /// corrupted and so many come twice; nothing is counted yet.
    ///
    /// # Errors
    /// When the filter does not take it; the message says why.
    pub fn harm(&self, percent: u32) -> Outcome {
        // The table is there at first, or deleting it would fail.
        let mut rules = String::from("table netdev harm\ndelete table netdev harm\n");
        rules += "table netdev harm {\n";
        for (from, to) in [(INTERFACES[0], INTERFACES[1]), (INTERFACES[1], INTERFACES[0])] {
            writeln!(rules, "chain harm_{from} {{")?;
            let some = |of: u32| format!("numgen random mod {} < {percent}", 100 * of);
            if percent > 0 {
                writeln!(rules, "{} counter drop", some(1))?;
                // A byte of the sequence number, of the payload behind a header with timestamps, of
                // an IPv6 address or, over IPv4, the time to live. Where there is no such byte
                // nothing is done, and nothing counted.
                for place in ["@th,40,8", "@th,288,8", "@nh,64,8"] {
                    writeln!(rules, "{} {place} set 0x5a counter", some(3))?;
                }
                writeln!(rules, "{} counter dup to {to}", some(1))?;
            }
            writeln!(rules, "}}\nchain from_{from} {{")?;
            writeln!(rules, "type filter hook ingress device {from} priority 0;")?;
            writeln!(rules, "meta l4proto tcp jump harm_{from}\n}}")?;
        }
        rules += "}\n";
        self.host.feed("nft -f -", &rules)
    }

    /// How many segments have been harmed since it was told to: towards the second host, then towards
    /// the first.
    ///
    /// # Errors
    /// When the filter cannot be asked.
    pub fn harmed(&self) -> Outcome<[Harmed; 2]> {
        let said = self.host.run("nft list table netdev harm")?;
        let counts = said.split("counter packets ").skip(1);
        let counts = counts.map(|rest| rest.split(' ').next().unwrap_or_default().parse());
        let counts = counts.collect::<Result<Vec<u64>, _>>()?;
        // In the order of the rules.
        let harmed = |counts: &[u64]| match *counts {
            [lost, sequence, payload, address, repeated] => {
                Some(Harmed { lost, corrupted: sequence + payload + address, repeated })
            }
            _ => None,
        };
        let (there, back) = counts.split_at(counts.len() / 2);
        let both = harmed(there).zip(harmed(back)).ok_or(said)?;
        Ok(both.into())
    }
}
