//! The loop against an engine made for the test, and the mailbox on one thread. What threads do to
//! the mailbox is in `tests/mailbox_model.rs`.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use app::{Clock, Counters, Cx, Dial, Engine, Handler, Step, Wake};
use base::{ConnId, Instant};

use crate::{Letterbox, Mailbox, Order, Shard, Survey, Wakes, time};

fn id(slot: u32) -> ConnId {
    ConnId::new(7, slot, 0)
}

#[test]
fn wakes_come_out_once_each_and_doubles_do_not_pile_up() {
    let mailbox = Mailbox::new();
    for round in 0..100 {
        for slot in 0..1_000 {
            let _ = mailbox.wake(id((slot * 7 + round) % 1_000));
        }
    }
    let mut wakes = Vec::new();
    assert_eq!(mailbox.take(&mut wakes), Order::Run);
    assert!(wakes.len() <= 8_192, "{} wakes of 1,000 connections", wakes.len());
    wakes.sort_unstable();
    wakes.dedup();
    assert_eq!(wakes, (0..1_000).map(id).collect::<Vec<_>>());
    assert!(!mailbox.waiting());
}

#[test]
fn only_the_first_post_to_a_sleeper_rings() {
    let mailbox = Mailbox::new();
    assert!(!mailbox.wake(id(1)), "awake from the start");
    assert!(!mailbox.may_sleep(), "there is mail");
    mailbox.take(&mut Vec::new());
    assert!(mailbox.may_sleep());
    assert!(mailbox.wake(id(1)));
    assert!(!mailbox.wake(id(2)));
    mailbox.woke();
    mailbox.take(&mut Vec::new());
    assert!(mailbox.may_sleep());
    mailbox.woke();
    assert!(!mailbox.order(Order::ShutDown), "awake again");
}

#[test]
fn the_memory_of_a_burst_is_given_back() {
    let mailbox = Mailbox::new();
    let mut wakes = Vec::new();
    for _ in 0..3 {
        for slot in 0..100_000 {
            let _ = mailbox.wake(id(slot));
        }
        mailbox.take(&mut wakes);
        assert_eq!(wakes.len(), 100_000);
        wakes.clear();
    }
    mailbox.take(&mut wakes);
    mailbox.take(&mut wakes);
    assert!(wakes.capacity() <= 8_192);
}

/// What the test and its engine tell each other.
#[derive(Default)]
struct Shared {
    rung: Mutex<bool>,
    ring: Condvar,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    wakes: Vec<ConnId>,
    drained: u32,
    shut_down: u32,
}

/// An engine without a network: it holds `connections`, each of which ends when woken.
struct Bare {
    shared: Arc<Shared>,
    connections: u32,
}

/// A handler that does nothing but dial, once, when it is time.
struct Nothing {
    dial_at: Option<Instant>,
    dialled: Option<mpsc::Sender<()>>,
}

impl Handler for Nothing {
    type Conn = ();

    fn dial(&mut self, now: Instant) -> Option<Dial<()>> {
        if self.dial_at.take_if(|due| *due <= now).is_some() {
            self.dialled.take().unwrap().send(()).unwrap();
        }
        None
    }

    fn dial_at(&self) -> Option<Instant> {
        self.dial_at
    }

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        Step::read(rx.len())
    }
}

impl Engine<Nothing> for Bare {
    type Error = ();

    fn turn(&mut self, now: Instant, app: &mut Nothing) -> Result<u32, ()> {
        assert_eq!(app.dial(now), None);
        Ok(0)
    }

    fn wake(&mut self, _: Instant, id: ConnId, _: &mut Nothing) {
        self.connections = self.connections.saturating_sub(1);
        self.shared.seen.lock().unwrap().wakes.push(id);
    }

    fn drain(&mut self, _: Instant, _: &mut Nothing) {
        self.shared.seen.lock().unwrap().drained += 1;
    }

    fn shut_down(&mut self, _: Instant, _: &mut Nothing) {
        self.shared.seen.lock().unwrap().shut_down += 1;
    }

    /// Tells of ten at a time; the port says which.
    fn look(&self, from: u32, tell: &mut dyn FnMut(&app::Seen)) -> Option<u32> {
        let end = self.connections.min(from + 10);
        for number in from..end {
            let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
            tell(&app::Seen {
                local: at(80),
                remote: at(number as u16),
                state: "ESTABLISHED",
                sleeps: true,
                rtt_us: None,
                rtt_variation_us: None,
                congestion_window: None,
                mss: 0,
                in_flight: 0,
                unsent: 0,
                unread: 0,
            });
        }
        (end < self.connections).then_some(end)
    }

    fn connections(&self) -> u32 {
        self.connections
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn park(&mut self, until: Option<Instant>) -> Result<(), ()> {
        let longest = until.map_or(Duration::MAX, |until| until.since(time::now()));
        let rung = self.shared.rung.lock().unwrap();
        let (mut rung, _) =
            self.shared.ring.wait_timeout_while(rung, longest, |rung| !*rung).unwrap();
        *rung = false;
        Ok(())
    }
}

/// Runs a shard that holds `connections` while `act` gives it wakes and orders; returns when the
/// shard has ended.
fn run(connections: u32, act: impl FnOnce(&Wakes)) -> (Seen, Arc<Counters>) {
    run_with(Nothing { dial_at: None, dialled: None }, connections, act)
}

fn run_with(
    mut handler: Nothing,
    connections: u32,
    act: impl FnOnce(&Wakes),
) -> (Seen, Arc<Counters>) {
    let shared = Arc::new(Shared::default());
    let bell = shared.clone();
    let letterbox = Arc::new(Letterbox::new(move || {
        *bell.rung.lock().unwrap() = true;
        bell.ring.notify_one();
    }));
    let wakes = Wakes::new(7, vec![letterbox.clone()]);
    let counters = Arc::new(Counters::default());
    let engine = Bare { shared: shared.clone(), connections };
    let shard = Shard::new(engine, letterbox, Arc::new(Clock::default()), counters.clone());
    let thread = std::thread::spawn(move || shard.run(&mut handler));
    act(&wakes);
    assert_eq!(thread.join().unwrap(), Ok(()));
    let seen = std::mem::take(&mut *shared.seen.lock().unwrap());
    (seen, counters)
}

fn in_an_hour() -> Instant {
    time::now() + Duration::from_secs(3_600)
}

#[test]
fn a_drain_ends_with_the_last_connection() {
    let (seen, counters) = run(3, |wakes| {
        wakes.order(Order::Drain { until: in_an_hour() });
        wakes.order(Order::Drain { until: in_an_hour() });
        for slot in 0..3 {
            wakes.wake(id(slot));
        }
        wakes.wake(ConnId::new(8, 0, 0)); // of a shard that is not there
    });
    assert_eq!(seen.wakes.len(), 3);
    assert_eq!(seen.drained, 1);
    assert_eq!(counters.wakes.get(), 3);
}

#[test]
fn a_drain_that_takes_too_long_becomes_a_shutdown() {
    let (seen, _) = run(1, |wakes| {
        wakes.order(Order::Drain { until: in_an_hour() });
        wakes.order(Order::Drain { until: time::now() + Duration::from_millis(5) });
    });
    assert_eq!((seen.drained, seen.shut_down), (1, 1));
}

#[test]
fn a_shutdown_does_not_wait() {
    let (seen, _) = run(1, |wakes| wakes.order(Order::ShutDown));
    assert_eq!((seen.drained, seen.shut_down), (0, 1));
}

/// The engine has no deadline of its own and nothing arrives.
#[test]
fn a_shard_wakes_up_when_its_handler_has_a_connection_to_open() {
    let (dialled, told) = mpsc::channel();
    let dial_at = Some(time::now() + Duration::from_millis(20));
    run_with(Nothing { dial_at, dialled: Some(dialled) }, 0, |wakes| {
        told.recv_timeout(Duration::from_secs(60)).unwrap();
        wakes.order(Order::ShutDown);
    });
}

#[test]
fn more_wakes_than_a_turn_delivers_are_all_delivered() {
    let (seen, counters) = run(100_000, |wakes| {
        for slot in 0..100_000 {
            wakes.wake(id(slot));
        }
        wakes.order(Order::Drain { until: in_an_hour() });
    });
    let mut slots: Vec<_> = seen.wakes.iter().map(|id| id.slot()).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..100_000).collect::<Vec<_>>());
    assert_eq!(counters.wakes.get(), 100_000);
}

/// The shard sleeps when it is asked.
#[test]
fn a_survey_sees_every_connection_or_as_many_as_it_wants() {
    for (wanted, seen) in [(u32::MAX, 95), (42, 42)] {
        let (tell, told) = mpsc::channel();
        let mut tell = Some(tell);
        run(95, |wakes| {
            wakes.survey(|| {
                let tell = tell.take().unwrap();
                let mut left = wanted;
                Survey::new(move |seen| {
                    left -= 1;
                    tell.send(seen.remote.port()).unwrap();
                    left > 0
                })
            });
            // The channel closes when the survey is dropped.
            let ports: Vec<u16> = told.iter().collect();
            assert_eq!(ports, (0..seen).collect::<Vec<_>>());
            wakes.order(Order::ShutDown);
        });
    }
}

/// Before, whoever asked a server that was ending waited for ever.
#[test]
fn a_survey_of_a_shard_that_has_ended_is_dropped() {
    let (tell, told) = mpsc::channel::<()>();
    let mut kept = None;
    run(5, |wakes| {
        kept = Some(wakes.clone());
        wakes.order(Order::ShutDown);
    });
    let mut tell = Some(tell);
    kept.unwrap().survey(|| {
        let tell = tell.take().unwrap();
        Survey::new(move |_| tell.send(()).is_ok())
    });
    assert_eq!(
        told.recv_timeout(Duration::from_secs(60)),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}
