//! Two shards at one link, whose answers all come to the other one's queue: frames that belong to a
//! connection of another shard are passed on to it, and what is nobody's goes round once.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use app::{Counters, DialError, Engine, Handler};
use base::Instant;
use mem::{Batch, Pool};
use port::{Alarm, Caps, Fanout, MemPort, Port};

use super::Echo;
use super::pair::{CLIENT, Client, SERVER, SERVER_PORT, config};
use crate::{Native, Reason};

/// A server on a wire of its own, two clients' shards on another, and a switch between.
struct Switched<H: Handler<Conn = u32>> {
    now: Instant,
    shards: Vec<(Native<Fanout<MemPort>, u32>, Client)>,
    /// The far ends of the shards' queues.
    queues: Vec<MemPort>,
    server: Native<MemPort, u32>,
    handler: H,
    server_wire: MemPort,
    pool: Pool,
    /// The queue that all frames for the clients go to.
    to: usize,
}

impl<H: Handler<Conn = u32>> Switched<H> {
    fn new(handler: H) -> Self {
        let now = Instant::from_millis(1_000_000);
        let wire = || MemPort::pair(1 << 16, Caps::ETHERNET).unwrap();
        let (joined, queues): (Vec<_>, Vec<_>) =
            (0..2).map(|_| wire()).map(|(near, far)| ((near, Alarm::new().unwrap()), far)).unzip();
        let counters = || Arc::new(Counters::default());
        let shard = |(port, index)| {
            // The same addresses and secrets, as shards of one process have.
            let mut engine = Native::new(port, &config(CLIENT, 2), counters(), now).unwrap();
            engine.share_ports(index, 2);
            (engine, Client::default())
        };
        let shards = Fanout::join(joined).unwrap().into_iter().zip(0..2).map(shard).collect();
        let (near, server_wire) = wire();
        let server = Native::new(near, &config(SERVER, 1), counters(), now).unwrap();
        let pool = Pool::new(256, 2048).unwrap();
        Self { now, shards, queues, server, handler, server_wire, pool, to: 1 }
    }

    fn open(&mut self, shard: usize, port: u16) -> u32 {
        let from = SocketAddr::new(CLIENT, 0);
        self.shards[shard].1.open(from, SocketAddr::new(SERVER, port))
    }

    /// Half a second, in steps of a millisecond.
    fn run(&mut self) {
        for _ in 0..500 {
            self.now += Duration::from_millis(1);
            for (engine, client) in &mut self.shards {
                engine.turn(self.now, client).unwrap();
            }
            for queue in &mut self.queues {
                carry(self.now, &mut self.pool, queue, &mut self.server_wire);
            }
            self.server.turn(self.now, &mut self.handler).unwrap();
            let to = &mut self.queues[self.to];
            carry(self.now, &mut self.pool, &mut self.server_wire, to);
        }
    }

    fn dropped(&self, reason: Reason) -> Vec<u64> {
        self.shards.iter().map(|(engine, _)| engine.drops().get(reason)).collect()
    }
}

fn carry(now: Instant, pool: &mut Pool, from: &mut MemPort, to: &mut MemPort) {
    let mut batch = Batch::new();
    from.rx(now, pool, &mut batch).unwrap();
    to.tx(now, pool, &mut batch).unwrap();
    batch.give_all(pool);
}

#[test]
fn a_connection_whose_answers_come_to_another_shard_goes_on() {
    let mut switched = Switched::new(Echo);
    let (theirs, own) = (switched.open(0, SERVER_PORT), switched.open(1, SERVER_PORT));
    switched.run();
    for turn in 1..4 {
        for (shard, number) in [(0, theirs), (1, own)] {
            let (engine, client) = &mut switched.shards[shard];
            client.send(number, b"hello".to_vec());
            let id = client.id(number);
            engine.wake(switched.now, id, client);
        }
        // The path moves while the connections are open.
        switched.to = 1 - switched.to;
        switched.run();
        for (shard, number) in [(0, theirs), (1, own)] {
            assert_eq!(switched.shards[shard].1.received(number), b"hello".repeat(turn));
        }
    }
    assert_eq!(switched.dropped(Reason::NoConnection), [0, 0]);
    assert_eq!(switched.dropped(Reason::NoListener), [0, 0]);
}

/// A reset answers nothing, and has to be passed on all the same.
#[test]
fn a_refusal_that_comes_to_another_shard_is_heard() {
    let mut switched = Switched::new(Echo);
    let refused = switched.open(0, SERVER_PORT + 1);
    switched.run();
    assert_eq!(switched.shards[0].1.unmade(refused), Some(DialError::Refused));
}

#[test]
fn what_is_nobodys_goes_round_once_and_is_answered_once() {
    let mut knocker = Client::default();
    let nobody = SocketAddr::new(CLIENT, SERVER_PORT + 1);
    let refused = knocker.open(SocketAddr::new(SERVER, 0), nobody);
    let mut switched = Switched::new(knocker);
    switched.run();
    assert_eq!(switched.handler.unmade(refused), Some(DialError::Refused));
    // Where it came to, it was passed on; where it had been everywhere, it was counted.
    assert_eq!(switched.dropped(Reason::NoListener), [1, 0]);
}
