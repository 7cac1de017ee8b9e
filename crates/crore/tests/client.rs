//! Handlers that open connections, through the library: clients without a listener, servers that dial,
//! and how they stop.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crore::{
    Client, Cx, Dial, DialError, End, Handler, Instant, Net, Role, Running, Server, ShardContext,
    Step,
};
use support::{PATIENCE, address, eventually, on_each_engine, start};

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Answered(u32),
    Ended(End),
    Undialled(u32, DialError),
}

/// Opens `left` connections, asks on each with its number, and tells of all that happens. What it
/// accepts it echoes.
struct Asker {
    to: SocketAddr,
    left: u32,
    tell: Sender<Told>,
}

impl Handler for Asker {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        self.left = self.left.checked_sub(1)?;
        Some(Dial::new(self.to, self.left))
    }

    fn dial_at(&self) -> Option<Instant> {
        (self.left > 0).then_some(Instant::ZERO)
    }

    fn undialled(&mut self, _: Instant, number: u32, why: DialError) {
        let _ = self.tell.send(Told::Undialled(number, why));
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        if cx.origin.role == Role::Opened {
            cx.out.put(&cx.conn.to_be_bytes()).unwrap();
        }
        Step::read(0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        if cx.origin.role != Role::Opened {
            return Step::idle(cx.out.put_some(rx));
        }
        let Some(answer) = rx.first_chunk::<4>() else { return Step::read(0) };
        assert_eq!(u32::from_be_bytes(*answer), *cx.conn, "somebody else's answer");
        let _ = self.tell.send(Told::Answered(*cx.conn));
        Step::idle(rx.len())
    }

    fn end(&mut self, cx: &mut Cx<'_, u32>, why: End) {
        if cx.origin.role == Role::Opened {
            let _ = self.tell.send(Told::Ended(why));
        }
    }
}

/// Handlers that open `each` connections a shard, and what they tell.
fn askers(
    to: SocketAddr,
    each: u32,
) -> (impl Fn(&ShardContext) -> Asker + Send + Sync, Receiver<Told>) {
    let (tell, told) = channel();
    (move |_: &ShardContext| Asker { to, left: each, tell: tell.clone() }, told)
}

fn sum(running: &Running, of: impl Fn(&crore::Counters) -> u64) -> u64 {
    running.shards().iter().map(|shard| of(shard.counters())).sum()
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn every_shard_of_a_client_opens_its_own_and_is_answered() {
    on_each_engine(|net| {
        let server = start(net.clone(), 2, |_| Asker {
            to: SocketAddr::from(([127, 0, 0, 1], 9)),
            left: 0,
            tell: channel().0,
        });
        let (make, told) = askers(address(&server), 150);
        let client = Client::new().net(net).shards(2).name("asker").start(make).unwrap();
        for _ in 0..300 {
            assert!(matches!(next(&told), Told::Answered(_)));
        }
        assert!(client.addresses().is_empty());
        assert!(client.shards().iter().all(|shard| shard.counters().opened.get() == 150));
        eventually(|| sum(&server, |c| c.accepted.get()) == 300);
        // Idle ones are closed in order.
        client.drain(PATIENCE);
        client.wait().unwrap();
        let ends: Vec<Told> = told.try_iter().collect();
        assert_eq!(ends, [Told::Ended(End::Closed); 300]);
        eventually(|| sum(&server, |c| c.connections.get()) == 0);
    });
}

#[test]
fn a_server_may_dial_itself() {
    on_each_engine(|net| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        drop(listener);
        let (make, told) = askers(to, 20);
        let server = Server::new().listen(&to.to_string()).net(net).shards(1).start(make).unwrap();
        for _ in 0..20 {
            assert!(matches!(next(&told), Told::Answered(_)));
        }
        let count = |of: fn(&crore::Counters) -> u64| sum(&server, of);
        assert_eq!((count(|c| c.opened.get()), count(|c| c.accepted.get())), (20, 20));
    });
}

#[test]
fn a_client_keeps_its_limit_and_says_who_is_not_there() {
    on_each_engine(|net| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let (make, told) = askers(to, 5);
        let client =
            Client::new().net(net.clone()).shards(1).max_connections(3).start(make).unwrap();
        // Counted down: the last two are those with the lowest numbers.
        assert_eq!(next(&told), Told::Undialled(1, DialError::Full));
        assert_eq!(next(&told), Told::Undialled(0, DialError::Full));
        client.shut_down();
        client.wait().unwrap();
        drop(listener);
        let (make, told) = askers(to, 1);
        let client = Client::new().net(net).shards(1).start(make).unwrap();
        assert_eq!(next(&told), Told::Undialled(0, DialError::Refused));
        assert_eq!(sum(&client, |c| c.undialled.get()), 1);
    });
}

/// Has one connection to open at some time, and until then nothing at all to do.
struct Later {
    to: SocketAddr,
    at: Option<Instant>,
    /// How often it has been asked.
    asked: u32,
    tell: Sender<u32>,
}

impl Handler for Later {
    type Conn = ();

    fn dial(&mut self, now: Instant) -> Option<Dial<()>> {
        self.asked += 1;
        let at = *self.at.get_or_insert(now + Duration::from_millis(50));
        if now < at || at == Instant::NEVER {
            return None;
        }
        self.at = Some(Instant::NEVER);
        Some(Dial::new(self.to, ()))
    }

    fn dial_at(&self) -> Option<Instant> {
        self.at
    }

    fn open(&mut self, _: &mut Cx<'_, ()>) -> Step {
        self.tell.send(self.asked).unwrap();
        Step::idle(0)
    }

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        Step::idle(rx.len())
    }
}

#[test]
fn a_client_with_nothing_to_do_sleeps_until_it_is_time_to_dial() {
    on_each_engine(|net: Net| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let (tell, told) = channel();
        let make = move |_: &ShardContext| Later { to, at: None, asked: 0, tell: tell.clone() };
        let _client = Client::new().net(net).shards(1).start(make).unwrap();
        // It did not ask again and again for 50 ms.
        let asked = told.recv_timeout(PATIENCE).unwrap();
        assert!(asked < 500, "asked {asked} times");
    });
}
