//! Queues are bounded, and long work leaves threads for short.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Full, Pool, Work};

const PATIENCE: Duration = Duration::from_secs(30);

/// Occupies a thread of the pool until the sender given back is dropped.
fn occupy(pool: &Pool, work: Work) -> Sender<()> {
    let (release, wait): (Sender<()>, Receiver<()>) = channel();
    let (started, start) = channel();
    let job = move || {
        started.send(()).unwrap();
        let _ = wait.recv();
    };
    pool.queue().post(work, Box::new(job)).unwrap();
    start.recv_timeout(PATIENCE).unwrap();
    release
}

#[test]
fn a_full_queue_refuses_and_the_others_still_take() {
    let pool = Pool::start(1, 2).unwrap();
    let busy = occupy(&pool, Work::Lookup);
    let queue = pool.queue();
    for _ in 0..2 {
        assert_eq!(queue.post(Work::Lookup, Box::new(|| {})), Ok(()));
    }
    assert_eq!(queue.post(Work::Lookup, Box::new(|| {})), Err(Full));
    assert_eq!(queue.post(Work::Read, Box::new(|| {})), Ok(()));
    drop(busy);
}

#[test]
fn computing_leaves_threads_for_files() {
    let pool = Pool::start(2, 8).unwrap();
    let _computing = occupy(&pool, Work::Compute);
    let (started, waiting) = channel();
    let second = started.clone();
    pool.queue().post(Work::Compute, Box::new(move || second.send("compute").unwrap())).unwrap();
    pool.queue().post(Work::Lookup, Box::new(move || started.send("lookup").unwrap())).unwrap();
    // The second computation was posted first; it waits for the first, the look-up does not.
    assert_eq!(waiting.recv_timeout(PATIENCE), Ok("lookup"));
    drop(_computing);
    assert_eq!(waiting.recv_timeout(PATIENCE), Ok("compute"));
}

#[test]
fn a_job_that_panics_takes_no_thread_along() {
    let pool = Pool::start(1, 8).unwrap();
    pool.queue().post(Work::Compute, Box::new(|| panic!("on purpose"))).unwrap();
    let (done, wait) = channel();
    pool.queue().post(Work::Compute, Box::new(move || done.send(()).unwrap())).unwrap();
    assert_eq!(wait.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn dropping_the_pool_finishes_what_is_queued() {
    let count = Arc::new(AtomicUsize::new(0));
    let pool = Pool::start(3, 100).unwrap();
    let order = Arc::new(Mutex::new(()));
    let held = order.lock().unwrap();
    for _ in 0..50 {
        let (count, order) = (Arc::clone(&count), Arc::clone(&order));
        let job = move || {
            drop(order.lock());
            count.fetch_add(1, Ordering::Relaxed);
        };
        pool.queue().post(Work::Lookup, Box::new(job)).unwrap();
    }
    drop(held);
    drop(pool);
    assert_eq!(count.load(Ordering::Relaxed), 50);
}
