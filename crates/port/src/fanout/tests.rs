//! What is passed on between queues, and what is not.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use base::Instant;
use mem::{Batch, Pool};
use wire::arp::{LENGTH, Operation, Repr};
use wire::ethernet::{self, EtherType, HEADER_LENGTH, Mac};

use super::{Fanout, concerns_all};
use crate::{Alarm, Caps, MemPort, Port};

const TO: Mac = Mac([2, 0, 0, 0, 0, 1]);
const FROM: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn arp(operation: Operation) -> [u8; HEADER_LENGTH + LENGTH] {
    let mut frame = [0; HEADER_LENGTH + LENGTH];
    let header = ethernet::Repr {
        destination: TO,
        source: FROM,
        service: None,
        tag: None,
        kind: EtherType::ARP,
    };
    header.emit(&mut frame).unwrap();
    let packet = Repr {
        operation,
        sender_mac: FROM,
        sender: Ipv4Addr::new(10, 0, 0, 2),
        target_mac: TO,
        target: Ipv4Addr::new(10, 0, 0, 1),
    };
    packet.emit(&mut frame[HEADER_LENGTH..]).unwrap();
    frame
}

#[test]
fn answers_concern_all_and_questions_only_who_is_asked() {
    assert!(concerns_all(&arp(Operation::Reply)));
    assert!(!concerns_all(&arp(Operation::Request)));
    for length in 0..HEADER_LENGTH + LENGTH {
        assert!(!concerns_all(&arp(Operation::Reply)[..length]), "{length} bytes");
    }
}

#[test]
fn news_reaches_every_queue_once() {
    let (queues, mut ends): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| MemPort::pair(4096, Caps::ETHERNET).unwrap())
        .map(|(queue, end)| ((queue, Alarm::new().unwrap()), end))
        .unzip();
    let mut queues = Fanout::join(queues).unwrap();
    let mut pool = Pool::new(16, 128).unwrap();
    let now = Instant::ZERO;
    for operation in [Operation::Reply, Operation::Request] {
        let bytes = arp(operation);
        let mut frame = pool.take().unwrap();
        pool.buffer_mut(&mut frame)[..bytes.len()].copy_from_slice(&bytes);
        frame.set_range(0..bytes.len());
        let mut batch = Batch::new();
        batch.push(frame).unwrap();
        ends[1].tx(now, &mut pool, &mut batch).unwrap();
    }
    // The second queue first: it is the one that has something to pass on.
    for (queue, expected) in [(1, 2), (0, 1), (2, 1), (1, 0), (0, 0)] {
        let mut batch = Batch::new();
        queues[queue].rx(now, &mut pool, &mut batch).unwrap();
        assert_eq!(batch.len(), expected, "queue {queue}");
        batch.give_all(&mut pool);
    }
    assert_eq!(pool.taken(), 0);
}
