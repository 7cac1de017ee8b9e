//! A client made by hand: it knows of each connection two sequence numbers and says what has to be
//! said. Invariant: every frame the server sends is looked at, and an answer that is not the question
//! is an error.

use std::net::Ipv4Addr;

use base::{Instant, Prng, Seq};
use mem::{Batch, Pool};
use port::{MemPort, Port};
use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::tcp::{Flags, Options};
use wire::{arp, ipv4, tcp};

use crate::{BATCH, LENGTH};

pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const SERVER_PORT: u16 = 80;
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OWN_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// The port of the first connection.
pub const FIRST_PORT: u16 = 1_024;
const HEADERS: usize = ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH;
const BUFFER: usize = 2_048;

#[derive(Clone, Copy)]
struct Connection {
    /// The number of the next byte to send.
    next: Seq,
    /// The number of the next byte to come.
    expected: Seq,
    owes_ack: bool,
}

pub struct Peer {
    port: MemPort,
    pool: Pool,
    out: Batch,
    into: Batch,
    connections: Vec<Connection>,
    asked: Vec<u32>,
    answered: Vec<u32>,
    prng: Prng,
}

impl Peer {
    pub fn new(port: MemPort) -> Self {
        let pool = Pool::new(4 * Batch::CAPACITY as u32, BUFFER).expect("a small pool");
        Self {
            port,
            pool,
            out: Batch::new(),
            into: Batch::new(),
            connections: Vec::new(),
            asked: Vec::new(),
            answered: Vec::new(),
            prng: Prng::new(1),
        }
    }

    /// Opens connections, some at a time; `turn` lets the server work.
    pub fn open(&mut self, count: u32, mut turn: impl FnMut(&[u32])) -> Result<(), String> {
        self.introduce();
        turn(&[]);
        for first in (0..count).step_by(BATCH) {
            let last = count.min(first + BATCH as u32);
            for index in first..last {
                let next = Seq(index.wrapping_mul(7_919));
                self.connections.push(Connection { next, expected: Seq(0), owes_ack: false });
                self.send(index, Flags::SYN, &[]);
                self.connections[index as usize].next += 1;
            }
            self.flush();
            turn(&[]);
            self.take(|_, _| Ok(()))?;
            self.acknowledge();
            self.flush();
            turn(&[]);
            self.take(|_, _| Ok(()))?;
        }
        let open = |connection: &Connection| connection.expected != Seq(0);
        if self.connections.iter().all(open) { Ok(()) } else { Err("not all opened".into()) }
    }

    /// Acknowledges the answers before, and asks over that many other connections, or over all there
    /// are. Gives how many packets that is.
    pub fn ask(&mut self, count: usize) -> u32 {
        let mut packets = self.acknowledge();
        self.asked.clear();
        let most = count.min(self.connections.len());
        while self.asked.len() < most {
            let index = self.prng.below(self.connections.len() as u32);
            if !self.asked.contains(&index) {
                self.asked.push(index);
            }
        }
        for index in self.asked.clone() {
            self.send(index, Flags::ACK | Flags::PSH, &question(index));
            self.connections[index as usize].next += LENGTH as u32;
            packets += 1;
        }
        self.flush();
        packets
    }

    /// The connections asked over last.
    pub fn asked(&self) -> &[u32] {
        &self.asked
    }

    /// Takes the answers to all that was asked last. Gives how many packets that is.
    pub fn take_answers(&mut self) -> Result<u32, String> {
        self.answered.clear();
        let mut answered = std::mem::take(&mut self.answered);
        let packets = self.take(|index, payload| {
            if payload.is_empty() {
                return Ok(());
            }
            answered.push(index);
            if payload == question(index) { Ok(()) } else { Err("a wrong answer".into()) }
        })?;
        self.answered = answered;
        if self.answered.len() == self.asked.len() {
            return Ok(packets);
        }
        Err(format!("{} answers to {} questions", self.answered.len(), self.asked.len()))
    }

    /// Asks who the server is, so that it knows who asks.
    fn introduce(&mut self) {
        let request = arp::Repr {
            operation: arp::Operation::Request,
            sender_mac: OWN_MAC,
            sender: OWN,
            target_mac: Mac::default(),
            target: SERVER,
        };
        self.push(Mac::BROADCAST, EtherType::ARP, arp::LENGTH, |body| {
            request.emit(body).expect("room for a request");
        });
        self.flush();
    }

    /// Acknowledges what came and was not acknowledged. Gives how many packets that is.
    fn acknowledge(&mut self) -> u32 {
        let mut packets = 0;
        for index in std::mem::take(&mut self.answered) {
            if self.connections[index as usize].owes_ack {
                self.send(index, Flags::ACK, &[]);
                packets += 1;
            }
        }
        packets
    }

    fn send(&mut self, index: u32, flags: Flags, payload: &[u8]) {
        let connection = &mut self.connections[index as usize];
        connection.owes_ack = false;
        let syn = flags.any(Flags::SYN);
        let header = tcp::Repr {
            source_port: FIRST_PORT + index as u16,
            destination_port: SERVER_PORT,
            sequence: connection.next,
            acknowledgment: connection.expected,
            flags,
            window: 65_535,
            options: Options { mss: syn.then_some(1_460), ..Options::default() },
            ..tcp::Repr::default()
        };
        let length = header.length() + payload.len();
        self.push(SERVER_MAC, EtherType::IPV4, ipv4::HEADER_LENGTH + length, |packet| {
            let (head, segment) = packet.split_at_mut(ipv4::HEADER_LENGTH);
            emit_ip(head, length as u16);
            header.emit(segment).expect("room for a header");
            segment[length - payload.len()..].copy_from_slice(payload);
            let pseudo = Sum::pseudo_v4(OWN, SERVER, protocol::TCP, length as u16);
            tcp::fill_checksum(segment, pseudo);
        });
    }

    fn push(&mut self, to: Mac, kind: EtherType, length: usize, emit: impl FnOnce(&mut [u8])) {
        let header =
            ethernet::Repr { destination: to, source: OWN_MAC, service: None, tag: None, kind };
        if self.out.is_full() {
            self.flush();
        }
        let mut frame = self.pool.take().expect("more frames than a batch");
        let buffer = self.pool.buffer_mut(&mut frame);
        let head = header.emit(buffer).expect("room for a header");
        emit(&mut buffer[head..head + length]);
        frame.set_range(0..head + length);
        self.out.push(frame).expect("there was room");
    }

    fn flush(&mut self) {
        let Ok(()) = self.port.tx(Instant::ZERO, &mut self.pool, &mut self.out);
        assert!(self.out.is_empty(), "the wire is full");
    }

    /// Takes in all segments that the server sent; `heard` is told the connection and the payload.
    /// Gives how many segments that is.
    fn take(
        &mut self,
        mut heard: impl FnMut(u32, &[u8]) -> Result<(), String>,
    ) -> Result<u32, String> {
        let mut packets = 0;
        loop {
            let Ok(()) = self.port.rx(Instant::ZERO, &mut self.pool, &mut self.into);
            if self.into.is_empty() {
                return Ok(packets);
            }
            while let Some(frame) = self.into.pop() {
                let data = self.pool.data(&frame);
                let segment = data.get(HEADERS..).and_then(|rest| tcp::View::new(rest).ok());
                let is_tcp = data.get(12..14) == Some(&[8, 0]);
                if let Some(segment) = segment.filter(|_| is_tcp) {
                    packets += 1;
                    let index = u32::from(segment.destination_port() - FIRST_PORT);
                    let syn = segment.flags().any(Flags::SYN);
                    let connection = &mut self.connections[index as usize];
                    let payload = segment.payload();
                    let end = segment.repr().sequence + payload.len() as u32 + u32::from(syn);
                    if syn || !payload.is_empty() {
                        connection.expected = end;
                        connection.owes_ack = true;
                    }
                    if syn {
                        self.answered.push(index);
                    }
                    heard(index, payload)?;
                }
                self.pool.give(frame);
            }
        }
    }
}

fn emit_ip(into: &mut [u8], payload_length: u16) {
    let header = ipv4::Repr {
        source: OWN,
        destination: SERVER,
        protocol: protocol::TCP,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length,
    };
    header.emit(into).expect("room for a header");
}

fn question(index: u32) -> [u8; LENGTH] {
    let mut question = [0; LENGTH];
    question[..4].copy_from_slice(&index.to_be_bytes());
    question
}
