//! The wire's side of a script: segments in the script's numbers against those on the wire.
//! Invariant: as packetdrill has it, numbers of a script count from the initial ones, but on SYNs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use base::Seq;
use wire::checksum::Sum;
use wire::protocol::{self, Ecn};
use wire::tcp::{Flags, Repr};
use wire::{ipv4, ipv6};

use crate::script::{Icmp, Segment};

/// The connection under test.
#[derive(Debug, Default)]
pub struct Peer {
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    /// Initial numbers, of the script and on the wire.
    pub local_isn: (u32, u32),
    pub remote_isn: u32,
    /// Timestamps of the script and on the wire.
    pub stamps: HashMap<u32, u32>,
    pub first_stamp: Option<(u32, u32)>,
}

/// A segment that was sent.
#[derive(Debug)]
pub struct Sent {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub header: Repr,
    pub options: Vec<u8>,
    pub length: u32,
    pub ecn: u8,
}

fn bits(letters: &str) -> Result<Flags, String> {
    let mut flags = Flags::NONE;
    for letter in letters.chars() {
        flags = flags.with(match letter {
            'S' => Flags::SYN,
            'F' => Flags::FIN,
            'R' => Flags::RST,
            'P' => Flags::PSH,
            '.' => Flags::ACK,
            'U' => Flags::URG,
            'E' => Flags::ECE,
            'W' => Flags::CWR,
            '-' => Flags::NONE,
            _ => return Err(format!("{letter}: no flag")),
        });
    }
    Ok(flags)
}

impl Peer {
    /// A segment of the script, for the wire.
    pub fn build(&mut self, segment: &Segment) -> Result<Vec<u8>, String> {
        let (local, remote) = self.ends()?;
        let flags = bits(&segment.flags)?;
        let syn = flags.any(Flags::SYN);
        if syn {
            self.remote_isn = segment.sequence;
        }
        let sequence =
            if syn { segment.sequence } else { self.remote_isn.wrapping_add(segment.sequence) };
        let offset = self.local_isn.1.wrapping_sub(if syn { self.local_isn.0 } else { 0 });
        let acknowledgment = segment.acknowledgment.unwrap_or(0).wrapping_add(offset);
        let header = Repr {
            source_port: remote.port(),
            destination_port: local.port(),
            sequence: Seq(sequence),
            acknowledgment: if flags.any(Flags::ACK) { Seq(acknowledgment) } else { Seq(0) },
            flags,
            window: segment.window.unwrap_or(0),
            urgent: segment.urgent,
            options: wire::tcp::Options::default(),
        };
        let text = segment.options.as_deref().unwrap_or_default();
        let options = self.options(text, self.local_isn.1)?;
        let mut bytes = vec![0; header.length()];
        header.emit(&mut bytes).map_err(|_| "no room")?;
        bytes.extend(&options);
        bytes[12] = ((bytes.len() / 4) as u8) << 4;
        bytes.extend(std::iter::repeat_n(0, segment.length as usize));
        let pseudo = pseudo((remote.ip(), local.ip()), protocol::TCP, bytes.len());
        wire::tcp::fill_checksum(&mut bytes, pseudo);
        let ecn = Ecn::from_bits(segment.ecn.unwrap_or(0));
        Ok(packet((remote.ip(), local.ip()), protocol::TCP, ecn, &bytes))
    }

    /// An ICMP error about a segment of the script's.
    pub fn build_icmp(&self, icmp: &Icmp) -> Result<Vec<u8>, String> {
        let (local, remote) = self.ends()?;
        let header = Repr {
            source_port: local.port(),
            destination_port: remote.port(),
            sequence: Seq(self.local_isn.1.wrapping_add(icmp.sequence)),
            ..Repr::default()
        };
        let mut quoted = vec![0; header.length()];
        header.emit(&mut quoted).map_err(|_| "no room")?;
        let quoted = packet((local.ip(), remote.ip()), protocol::TCP, Ecn::NotCapable, &quoted);
        let code = match icmp.kind.as_str() {
            "net_unreachable" => 0,
            "host_unreachable" => 1,
            "protocol_unreachable" => 2,
            "port_unreachable" => 3,
            "frag_needed" => 4,
            other => return Err(format!("icmp {other} is not understood")),
        };
        let mtu = icmp.mtu as u16;
        let message = wire::icmpv4::Repr::Unreachable { code, mtu, quoted: &quoted };
        let mut bytes = vec![0; message.length()];
        message.emit(&mut bytes).map_err(|_| "no room")?;
        Ok(packet((remote.ip(), local.ip()), protocol::ICMPV4, Ecn::NotCapable, &bytes))
    }

    fn ends(&self) -> Result<(SocketAddr, SocketAddr), String> {
        self.local.zip(self.remote).ok_or_else(|| "no connection yet".into())
    }

    /// Options as they are written, as bytes.
    fn options(&self, text: &str, isn: u32) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            let mut words = option.split_whitespace();
            let kind = words.next().unwrap_or_default();
            let words: Vec<&str> = words.collect();
            let number = |index: usize| -> Result<u32, String> {
                let word = words.get(index).ok_or_else(|| format!("{option}: too short"))?;
                word.parse().map_err(|_| format!("{option}: no number"))
            };
            match kind {
                "nop" => bytes.push(1),
                "eol" => bytes.push(0),
                "mss" => {
                    bytes.extend([2, 4]);
                    bytes.extend((number(0)? as u16).to_be_bytes());
                }
                "wscale" => bytes.extend([3, 3, number(0)? as u8]),
                "sackOK" => bytes.extend([4, 2]),
                "TS" => {
                    bytes.extend([8, 10]);
                    bytes.extend(number(1)?.to_be_bytes());
                    bytes.extend(self.live_stamp(number(3)?).to_be_bytes());
                }
                "sack" => {
                    bytes.extend([5, (2 + 8 * words.len()) as u8]);
                    for block in &words {
                        let (start, end) = block.split_once(':').ok_or("no block")?;
                        for edge in [start, end] {
                            let edge: u32 = edge.parse().map_err(|_| "no block")?;
                            bytes.extend(edge.wrapping_add(isn).to_be_bytes());
                        }
                    }
                }
                _ => return Err(format!("option {kind} is not understood")),
            }
        }
        while bytes.len() % 4 != 0 {
            bytes.push(0);
        }
        Ok(bytes)
    }

    fn live_stamp(&self, script: u32) -> u32 {
        let (first, live) = self.first_stamp.unwrap_or((script, script));
        self.stamps
            .get(&script)
            .copied()
            .unwrap_or_else(|| script.wrapping_sub(first).wrapping_add(live))
    }

    /// What is wrong with a segment that was sent, but for its length.
    pub fn compare(&mut self, wanted: &Segment, sent: &Sent) -> Result<(), String> {
        let flags = bits(&wanted.flags)?;
        let syn = flags.any(Flags::SYN);
        if syn {
            self.local_isn = (wanted.sequence, sent.header.sequence.0);
        }
        let (script, live) = self.local_isn;
        let offset = live.wrapping_sub(if syn { script } else { 0 });
        let reset = flags.any(Flags::RST) && !flags.any(Flags::ACK) && self.local_isn == (0, 0);
        let sequence = if reset { wanted.sequence } else { wanted.sequence.wrapping_add(offset) };
        same("flags", flags, sent.header.flags)?;
        same("sequence", Seq(sequence), sent.header.sequence)?;
        if let Some(number) = wanted.acknowledgment {
            let isn = if syn { 0 } else { self.remote_isn };
            same("ack", Seq(number.wrapping_add(isn)), sent.header.acknowledgment)?;
        }
        if let Some(window) = wanted.window {
            same("window", window, sent.header.window)?;
        }
        if let Some(ecn) = wanted.ecn {
            same("ecn", ecn, sent.ecn)?;
        }
        if let Some(text) = &wanted.options {
            self.compare_options(text, sent)?;
        }
        Ok(())
    }

    fn compare_options(&mut self, text: &str, sent: &Sent) -> Result<(), String> {
        let wanted = self.options(text, self.remote_isn)?;
        let (wanted_stamp, wanted) = without_stamps(&wanted);
        let (stamp, options) = without_stamps(&sent.options);
        if wanted != options {
            return Err(format!("options: {options:?} instead of {wanted:?} ({text})"));
        }
        if let (Some(script), Some(live)) = (wanted_stamp, stamp) {
            self.stamps.insert(script, live);
            self.first_stamp.get_or_insert((script, live));
        }
        Ok(())
    }
}

/// The timestamp of options, and them without their stamps' values.
fn without_stamps(options: &[u8]) -> (Option<u32>, Vec<u8>) {
    let mut copy = options.to_vec();
    let mut at = 0;
    let mut stamp = None;
    while at < copy.len() && copy[at] != 0 {
        let length = if copy[at] == 1 { 1 } else { usize::from(copy[at + 1]).max(2) };
        if copy[at] == 8 {
            stamp = copy[at + 2..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            copy[at + 2..at + 10].fill(0);
        }
        at += length;
    }
    (stamp, copy)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, is: T) -> Result<(), String> {
    if wanted == is { Ok(()) } else { Err(format!("{what}: {is:?} instead of {wanted:?}")) }
}

fn pseudo(ends: (IpAddr, IpAddr), protocol: u8, length: usize) -> Sum {
    match ends {
        (IpAddr::V4(from), IpAddr::V4(to)) => Sum::pseudo_v4(from, to, protocol, length as u16),
        (IpAddr::V6(from), IpAddr::V6(to)) => Sum::pseudo_v6(from, to, protocol, length as u32),
        _ => Sum::default(),
    }
}

fn packet(ends: (IpAddr, IpAddr), protocol: u8, ecn: Ecn, body: &[u8]) -> Vec<u8> {
    let payload_length = body.len() as u16;
    let mut bytes = vec![0; if ends.0.is_ipv4() { 20 } else { 40 }];
    match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = ipv4::Repr {
                source,
                destination,
                protocol,
                time_to_live: 64,
                dscp: 0,
                ecn,
                identification: 0,
                dont_fragment: false,
                payload_length,
            };
            header.emit(&mut bytes).expect("room for a header");
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = ipv6::Repr {
                source,
                destination,
                protocol,
                hop_limit: 64,
                dscp: 0,
                ecn,
                flow_label: 0,
                payload_length,
            };
            header.emit(&mut bytes).expect("room for a header");
        }
        _ => panic!("addresses of two families"),
    }
    bytes.extend(body);
    bytes
}

/// Reads a packet that was sent, checksums and all.
pub fn read(bytes: &[u8]) -> Option<Sent> {
    let (ends, ecn, payload, sum): ((IpAddr, IpAddr), _, _, _) = match bytes.first()? >> 4 {
        4 => {
            let view = ipv4::View::new(bytes).ok().filter(ipv4::View::verifies)?;
            let header = view.repr();
            let (from, to) = (header.source, header.destination);
            let sum = Sum::pseudo_v4(from, to, protocol::TCP, header.payload_length);
            ((from.into(), to.into()), header.ecn, view.payload(), sum)
        }
        _ => {
            let view = ipv6::View::new(bytes).ok()?;
            let header = view.repr();
            let (from, to) = (header.source, header.destination);
            let length = u32::from(header.payload_length);
            let sum = Sum::pseudo_v6(from, to, protocol::TCP, length);
            ((from.into(), to.into()), header.ecn, view.payload(), sum)
        }
    };
    let segment = wire::tcp::View::new(payload).ok().filter(|segment| segment.verifies(sum))?;
    let header = segment.repr();
    let options = payload[20..payload.len() - segment.payload().len()].to_vec();
    Some(Sent {
        source: SocketAddr::new(ends.0, header.source_port),
        destination: SocketAddr::new(ends.1, header.destination_port),
        header,
        options,
        length: segment.payload().len() as u32,
        ecn: ecn.bits(),
    })
}
