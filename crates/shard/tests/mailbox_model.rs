//! The mailbox under every order of events that two or three threads can bring about by
//! interrupting each other up to three times. `loom` runs each model over and over, once for every
//! such order, with its own locks and atomics in place of the standard library's.

use base::ConnId;
use loom::sync::{Arc, Condvar};
use loom::thread;

use mailbox::Mailbox;
use order::Order;

mod sync {
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
}

#[path = "../src/mailbox.rs"]
mod mailbox;
#[path = "../src/order.rs"]
mod order;

/// Stands for the engine's alarm and its sleep: a ring that comes before the sleep ends it too.
struct Alarm {
    rung: sync::Mutex<bool>,
    ring: Condvar,
}

impl Alarm {
    fn new() -> Self {
        Self { rung: sync::Mutex::new(false), ring: Condvar::new() }
    }

    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.ring.notify_one();
    }

    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.ring.wait(rung).unwrap();
        }
        *rung = false;
    }
}

fn model(threads: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(threads);
}

fn id(slot: u32) -> ConnId {
    ConnId::new(0, slot, 0)
}

/// Takes mail as a shard does until `enough`. A post that is lost ends in a sleep for ever, which
/// loom reports as a deadlock.
fn take_until(
    mailbox: &Mailbox,
    alarm: &Alarm,
    enough: impl Fn(&[ConnId], Order) -> bool,
) -> (Vec<ConnId>, Order) {
    let mut all = Vec::new();
    let mut order = Order::Run;
    loop {
        if mailbox.waiting() {
            let mut some = Vec::new();
            order = mailbox.take(&mut some);
            all.append(&mut some);
        }
        if enough(&all, order) {
            return (all, order);
        }
        if mailbox.may_sleep() {
            alarm.sleep();
            mailbox.woke();
        }
    }
}

#[test]
fn no_wake_is_lost_between_looking_and_sleeping() {
    model(|| {
        let shared = Arc::new((Mailbox::new(), Alarm::new()));
        let posters: Vec<_> = (0..2)
            .map(|slot| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (mailbox, alarm) = &*shared;
                    if mailbox.wake(id(slot)) {
                        alarm.ring();
                    }
                })
            })
            .collect();
        let (mut wakes, _) = take_until(&shared.0, &shared.1, |wakes, _| wakes.len() == 2);
        wakes.sort_unstable();
        assert_eq!(wakes, [id(0), id(1)]);
        for poster in posters {
            poster.join().unwrap();
        }
    });
}

#[test]
fn an_order_reaches_a_shard_that_is_just_falling_asleep() {
    model(|| {
        let shared = Arc::new((Mailbox::new(), Alarm::new()));
        let poster = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (mailbox, alarm) = &*shared;
                for rings in [mailbox.wake(id(1)), mailbox.order(Order::ShutDown)] {
                    if rings {
                        alarm.ring();
                    }
                }
            })
        };
        let (wakes, _) = take_until(&shared.0, &shared.1, |_, order| order == Order::ShutDown);
        assert_eq!(wakes, [id(1)]);
        poster.join().unwrap();
    });
}
