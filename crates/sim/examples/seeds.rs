//! Lives many worlds and says how it went: `seeds FIRST COUNT`. Started by `cargo xtask sim`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

#[derive(Default)]
struct Totals {
    next: AtomicU64,
    worlds: AtomicU64,
    connections: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    seconds: AtomicU64,
    failed: AtomicBool,
}

impl Totals {
    /// Takes one seed after the other until none is left. A failure does not stop it.
    fn work(&self, end: u64) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            match sim::simulate(seed) {
                Ok(summary) => {
                    self.connections.fetch_add(summary.connections, Ordering::Relaxed);
                    self.frames.fetch_add(summary.frames, Ordering::Relaxed);
                    self.bytes.fetch_add(summary.bytes, Ordering::Relaxed);
                    self.seconds.fetch_add(summary.span.as_secs(), Ordering::Relaxed);
                }
                Err(failure) => {
                    println!("{failure}\n");
                    self.failed.store(true, Ordering::Relaxed);
                }
            }
            self.worlds.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(first)), Some(Ok(count))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: seeds FIRST COUNT");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let totals = Totals { next: AtomicU64::new(first), ..Totals::default() };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| totals.work(first.saturating_add(count)));
        }
    });
    let get = |total: &AtomicU64| total.load(Ordering::Relaxed);
    println!(
        "{} worlds, {} connection lifetimes, {} frames, {} bytes compared, {:.1} h of virtual time \
         in {:.1} s",
        get(&totals.worlds),
        get(&totals.connections),
        get(&totals.frames),
        get(&totals.bytes),
        get(&totals.seconds) as f64 / 3_600.0,
        start.elapsed().as_secs_f64(),
    );
    if totals.failed.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
