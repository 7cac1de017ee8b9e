//! How long answers take at a rate that both servers can keep up with: `crore load` in open loop, on
//! the kernel's stack, where the time counts from when a request was due.
//!
//! Servers and clients have a real-time priority here. What else there is on a machine, if only its own
//! agents for 1 % of the time, takes its processors for some milliseconds at a time, and a 99th
//! percentile would speak of nothing else. How long both ends were kept waiting for a processor all the
//! same is in the table.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use base::Grouped;
use rig::process::Process;
use rig::tree::Tree;

use super::SMALL;
use super::contestant::{Contestant, order};
use super::report::{self, Said};
use crate::Outcome;
use crate::bench::Effort;
use crate::bench::spread::Spread;
use crate::bench::table::ratio;
use crate::bench::waits::waited;
use crate::run::Invocation;

/// Requests a second, over 64 connections. A client on the kernel's stack has half of its processor to
/// itself at the second.
const RATES: [u32; 2] = [10_000, 20_000];

/// More than in the other parts, because it is a tail that is looked at; each server is first in half of
/// them.
const ROUNDS: usize = 10;

/// How long is asked before it is counted, and how long the report of it may take.
const WARM_UP: Duration = Duration::from_millis(500);
const REPORT_MAX: Duration = Duration::from_secs(30);

/// One run: what the client said, and the parts of the time in which server and client were kept
/// waiting, in hundredths.
#[derive(Clone, Copy, Debug)]
struct Run {
    said: Said,
    waited: [f64; 2],
}

pub(super) fn compare(
    contestants: &[Contestant],
    program: &str,
    effort: Effort,
) -> Outcome<String> {
    for contestant in contestants {
        prefer(contestant.process()?)?;
    }
    let mut text = String::from(
        "\n| at a set rate, 64 connections: p50, p90, p99, µs | nginx | crore, xdp | p50 ÷ nginx's | \
         p99 ÷ nginx's | aim | server and client kept waiting, % of the time |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for rate in RATES {
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); contestants.len()];
        for round in 0..effort.rounds.max(ROUNDS) {
            for index in order(round, contestants.len()) {
                let run = ask(&contestants[index], program, rate, effort.seconds)?;
                println!("{rate}/s  {}: {run:?}", contestants[index].name);
                runs[index].push(run);
            }
        }
        let of = |index: usize, what: fn(&Said) -> f64| -> Vec<f64> {
            runs[index].iter().map(|run| what(&run.said)).collect()
        };
        let shown = |index| {
            let median = |what| Spread::new(of(index, what)).median();
            let (p50, p90) = (median(|said| said.p50), median(|said| said.p90));
            format!("{p50:.0}, {p90:.0}, {:.0}", median(|said| said.p99))
        };
        let ratio = |what| ratio(&Spread::of_ratios(&of(1, what), &of(0, what)));
        let (halves, tails) = (ratio(|said| said.p50), ratio(|said| said.p99));
        writeln!(
            text,
            "| {} a second | {} | {} | {halves} | {tails} | < 1 | {}; {} |",
            Grouped(u64::from(rate)),
            shown(0),
            shown(1),
            kept_waiting(&runs[0]),
            kept_waiting(&runs[1]),
        )?;
    }
    Ok(text)
}

/// Gives all threads of a process a real-time priority: nobody but the kernel itself comes first.
fn prefer(process: u32) -> Outcome {
    let process = process.to_string();
    Invocation::new("chrt").arguments(&["-a", "-f", "-p", "1", &process]).quietly()?;
    Ok(())
}

fn kept_waiting(runs: &[Run]) -> String {
    let of_end = |end: usize| Spread::new(runs.iter().map(|run| run.waited[end]).collect());
    format!("{:.1}, {:.1}", of_end(0).median(), of_end(1).median())
}

fn ask(contestant: &Contestant, program: &str, rate: u32, seconds: u32) -> Outcome<Run> {
    let folder = Tree::new()?;
    let file = folder.root().join("report.json");
    let server = contestant.process()?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", contestant.clients(), "taskset", "-c", "1", "chrt", "-f", "1"]);
    command.args([program, "load", &contestant.url("/small")]);
    command.args(["--shards", "1", "--net", "epoll", "-c", "64", "--rate", &rate.to_string()]);
    command.args(["-d", &format!("{seconds}s"), "--warmup", &format!("{}ms", WARM_UP.as_millis())]);
    command.args(["--expect-length", &SMALL.to_string()]);
    command.arg(format!("--json={}", file.display()));
    // Each of these programs becomes the next: it is the generator's own.
    let mut client = Process::start(command)?;
    thread::sleep(WARM_UP);
    let before = [waited(server)?, waited(client.id())?];
    let time = Duration::from_secs(seconds.into()).saturating_sub(Duration::from_millis(100));
    thread::sleep(time);
    let after = [waited(server)?, waited(client.id())?];
    if !client.wait(time + REPORT_MAX)?.success() {
        return Err(format!("crore load failed:\n{}", client.printed()?).into());
    }
    let said = report::read(&fs::read_to_string(&file)?)?;
    let share =
        |end: usize| after[end].saturating_sub(before[end]).as_secs_f64() / time.as_secs_f64();
    Ok(Run { said, waited: [share(0) * 100.0, share(1) * 100.0] })
}
