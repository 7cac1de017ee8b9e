//! A port at either end of one wire: what is sent arrives, whatever its length and however many
//! queues share the memory, and every buffer is accounted for. Needs a right that not everybody has
//! (to make network namespaces): where it is missing, this says so and checks nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use mem::{Batch, Pool};
use port::{Pools, Port};
use port_xdp::lab::{Host, INTERFACE, Lab, Namespace};
use port_xdp::{Attachment, Error, Interface, Options, XdpPort};

const HEADERS: usize = 14 + 20 + 20;
/// How long anything may take that has to happen at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// What frames are filled with, each from another place on.
static PATTERN: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..20_000_u32).map(|at| (at * 7 + at / 251) as u8).collect());

/// One end of the wire, and the pools of its port.
struct End {
    port: XdpPort,
    arrivals: Pool,
    departures: Pool,
}

const fn host(last: u8) -> ([u8; 6], Ipv4Addr) {
    ([2, 0, 0, 0, 0, last], Ipv4Addr::new(10, 0, 0, last))
}

impl End {
    fn attach(namespace: &Namespace, mtu: u16) -> Self {
        let all = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 80);
        let options = Options {
            listeners: vec![all],
            outgoing: None,
            sources: Vec::new(),
            busy_poll: false,
            mode: None,
            shards: 1,
        };
        let mut ports = namespace.run(|| {
            let interface = Interface::look_up(INTERFACE).unwrap();
            assert_eq!(interface.mtu, mtu);
            Attachment::new(&interface, &options).unwrap().into_ports()
        });
        let mut port = ports.pop().unwrap();
        let Pools { arrivals, departures } = port.pools().unwrap();
        assert!(port.pools().is_none(), "they are handed over once");
        Self { port, arrivals, departures }
    }

    /// Sends frames as long as `lengths` say, as much of them as the port takes.
    fn send(&mut self, lengths: &[usize], first: u32) {
        let mut batch = Batch::new();
        for (number, &length) in (first..).zip(lengths) {
            let mut frame = self.departures.take().unwrap();
            let buffer = &mut self.departures.buffer_mut(&mut frame)[..length];
            write(buffer, number);
            frame.set_range(0..length);
            batch.push(frame).unwrap();
        }
        let start = Instant::now();
        while !batch.is_empty() && start.elapsed() < PATIENCE {
            self.port.tx(base::Instant::ZERO, &mut self.departures, &mut batch).unwrap();
        }
        assert!(batch.is_empty(), "the port takes no more");
    }

    /// Takes so many frames into a batch.
    fn receive(&mut self, count: usize, batch: &mut Batch) {
        let start = Instant::now();
        while batch.len() < count && start.elapsed() < PATIENCE {
            self.port.rx(base::Instant::ZERO, &mut self.arrivals, batch).unwrap();
        }
        assert_eq!(batch.len(), count);
    }

    /// Waits until nothing is on its way any more. Then all buffers for sending are free again.
    fn settle(&mut self) {
        let start = Instant::now();
        while self.departures.lent() > 0 && start.elapsed() < PATIENCE {
            self.port.tx(base::Instant::ZERO, &mut self.departures, &mut Batch::new()).unwrap();
        }
        assert_eq!(self.departures.available(), self.departures.capacity());
        assert_eq!(self.arrivals.available() + self.arrivals.lent(), self.arrivals.capacity());
    }
}

/// Two ends with so many queues each, and packets of at most `mtu` bytes. `None` without the right.
fn wire(queues: u32, mtu: u16) -> Option<[End; 2]> {
    let host = |last| {
        let (mac, address) = host(last);
        Host { mac, addresses: vec![address], length: 24 }
    };
    let lab = match Lab::new([&host(1), &host(2)], queues) {
        Err(error @ (Error::NotRoot { .. } | Error::System { .. })) => {
            eprintln!("not checked: {error}");
            return None;
        }
        lab => lab.unwrap(),
    };
    let mtu_text = mtu.to_string();
    for namespace in &lab.hosts {
        let mut command = Command::new("ip");
        command.args(["link", "set", INTERFACE, "mtu", &mtu_text]);
        match namespace.run(|| command.status()) {
            Ok(status) if status.success() => {}
            other => {
                eprintln!("not checked: ip link set mtu: {other:?}");
                return None;
            }
        }
    }
    Some([&lab.hosts[0], &lab.hosts[1]].map(|namespace| End::attach(namespace, mtu)))
}

/// A segment from the first host to the second, as a stack builds it that leaves the sum to the port.
fn write(frame: &mut [u8], number: u32) {
    let ((from_mac, from), (to_mac, to)) = (host(1), host(2));
    let length = (frame.len() - 14) as u16;
    let shift = number as usize % 251;
    frame.copy_from_slice(&PATTERN[shift..shift + frame.len()]);
    frame[..HEADERS].fill(0);
    frame[..6].copy_from_slice(&to_mac);
    frame[6..12].copy_from_slice(&from_mac);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    frame[22..24].copy_from_slice(&[64, 6]);
    frame[26..30].copy_from_slice(&from.octets());
    frame[30..34].copy_from_slice(&to.octets());
    // From many ports, so that it is sent by all queues, to port 80, with a header of five words.
    frame[34..36].copy_from_slice(&(1_024 + (number % 97) as u16).to_be_bytes());
    frame[36..38].copy_from_slice(&80_u16.to_be_bytes());
    frame[38..42].copy_from_slice(&number.to_be_bytes());
    frame[46] = 0x50;
}

/// Which of the frames it is, which has to be all there.
fn check(frame: &[u8], lengths: &[usize]) -> u32 {
    let number = u32::from_be_bytes(frame[38..42].try_into().unwrap());
    let mut expected = vec![0; lengths[number as usize]];
    write(&mut expected, number);
    assert_eq!(frame.len(), expected.len(), "{number}");
    assert!(frame[HEADERS..] == expected[HEADERS..], "{number}: other bytes");
    number
}

#[test]
fn frames_of_every_length_arrive_whole_and_every_buffer_comes_back() {
    for (queues, mtu) in [(1, 1500), (3, 1500), (1, 3_000), (1, 9000), (2, 9000)] {
        let Some([mut near, mut far]) = wire(queues, mtu) else { return };
        let longest = usize::from(mtu) + 14;
        let share = far.arrivals.lent();
        // More than there are buffers, so that some are used again.
        let count = far.arrivals.capacity() as usize * 5 / 4;
        let step = |number: usize| 60 + number.wrapping_mul(1_009) % (longest - 60 + 1);
        let lengths: Vec<usize> = (0..count).map(step).collect();
        let mut seen = vec![false; count];
        let mut batch = Batch::new();
        for (round, part) in lengths.chunks(Batch::CAPACITY).enumerate() {
            near.send(part, (round * Batch::CAPACITY) as u32);
            far.receive(part.len(), &mut batch);
            for frame in batch.iter() {
                let number = check(far.arrivals.data(frame), &lengths) as usize;
                assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
            }
            batch.give_all(&mut far.arrivals);
            assert_eq!(far.arrivals.lent(), share, "the kernel has its share");
        }
        near.settle();
        far.settle();
        assert_eq!((near.port.counted().sent, far.port.counted().received), {
            let count = count as u64;
            (count, count)
        });
        assert_eq!(far.port.lost(), port::Lost::default());
    }
}

#[test]
fn frames_wait_while_there_is_no_buffer_and_those_going_out_do_not() {
    let Some([mut near, mut far]) = wire(1, 1500) else { return };
    let spare = far.arrivals.available() as usize;
    let count = spare + Batch::CAPACITY;
    let lengths = vec![200; count];
    for (round, part) in lengths.chunks(Batch::CAPACITY).enumerate() {
        near.send(part, (round * Batch::CAPACITY) as u32);
    }
    // Nothing is given back until the pool has no more.
    let mut kept = Vec::new();
    while kept.len() < spare {
        let mut batch = Batch::new();
        far.receive((spare - kept.len()).min(Batch::CAPACITY), &mut batch);
        while let Some(frame) = batch.pop() {
            kept.push(frame);
        }
    }
    let mut batch = Batch::new();
    far.port.rx(base::Instant::ZERO, &mut far.arrivals, &mut batch).unwrap();
    assert!(batch.is_empty() && far.arrivals.available() == 0);
    assert_eq!(far.departures.available(), far.departures.capacity());
    for frame in kept {
        check(far.arrivals.data(&frame), &lengths);
        far.arrivals.give(frame);
    }
    far.receive(count - spare, &mut batch);
    batch.give_all(&mut far.arrivals);
    far.settle();
}

#[test]
fn a_pool_that_is_not_the_ports_is_refused() {
    let Some([mut near, _far]) = wire(1, 1500) else { return };
    let mut other = Pool::new(4, 2048).unwrap();
    assert!(near.port.rx(base::Instant::ZERO, &mut other, &mut Batch::new()).is_err());
    assert!(near.port.tx(base::Instant::ZERO, &mut other, &mut Batch::new()).is_err());
    // Nor the one for the other direction.
    assert!(near.port.rx(base::Instant::ZERO, &mut near.departures, &mut Batch::new()).is_err());
}
