//! One download at a time over a path that delays, or loses, or both: our CUBIC against the kernel's.
//! The path is the wire of [`rig::wire`], on which our own fault-injecting port does that to frames of
//! either direction.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use rig::netns::Network;
use rig::wire::Faults;

use super::contestant::{Contestant, Kind, order};
use crate::Outcome;
use crate::bench::Effort;
use crate::bench::spread::Spread;
use crate::bench::table::ratio;
use crate::run::Invocation;

/// In a million frames: one in a hundred.
const LOSS: u32 = 10_000;
/// Each way, so that a round trip takes 20 ms.
const DELAY: Duration = Duration::from_millis(10);
/// Each way: short, and still much longer than it takes a thread to be woken, which is the rest of a round trip here.
const SHORT_DELAY: Duration = Duration::from_millis(1);

const KINDS: [Kind; 2] = [Kind::Nginx, Kind::Xdp];

/// Each path: its name, what is lost towards the client, and the delay each way.
const PATHS: [(&str, u32, Duration); 5] = [
    ("nothing lost, no delay", 0, Duration::ZERO),
    ("1 % lost", LOSS, Duration::ZERO),
    ("2 ms there and back, 1 % lost", LOSS, SHORT_DELAY),
    ("20 ms there and back", 0, DELAY),
    ("20 ms there and back, 1 % lost", LOSS, DELAY),
];

pub(super) fn compare(program: &Path, root: &Path, effort: Effort) -> Outcome<String> {
    let mut text = String::from(
        "\n| one download, Mbit/s | Linux, CUBIC (nginx) | crore, xdp | ratio | aim |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    for (name, loss, delay) in PATHS {
        let toward = |loss| Faults { loss, delay, ..Faults::default() };
        let mut speeds: [Vec<f64>; 2] = Default::default();
        for round in 0..effort.rounds {
            // Frames are lost by the same lot for both.
            for index in order(round, KINDS.len()) {
                let network = Network::harmed([toward(0), toward(loss)], 1500, round as u64)?;
                let contestant = Contestant::on(network, KINDS[index], program, root)?;
                let speed = download(&contestant, effort.seconds)?;
                println!("{speed:>12.1} Mbit/s  {}, {name}", contestant.name);
                speeds[index].push(speed);
            }
        }
        let median = |index: usize| Spread::new(speeds[index].clone()).median();
        let ratio = ratio(&Spread::of_ratios(&speeds[1], &speeds[0]));
        let aim = if loss > 0 || !delay.is_zero() { "≥ 1.0" } else { "none" };
        writeln!(text, "| {name} | {:.1} | {:.1} | {ratio} | {aim} |", median(0), median(1))?;
    }
    Ok(text)
}

/// Megabits a second of content, over one connection for so many seconds.
fn download(contestant: &Contestant, seconds: u32) -> Outcome<f64> {
    let (seconds, url) = (seconds.to_string(), contestant.url("/huge"));
    let script = format!(
        "curl -sS -o /dev/null --max-time {seconds} -w '%{{size_download}} %{{time_total}}' \
         {url} 2>/dev/null || [ $? = 28 ]"
    );
    let said = Invocation::new("ip")
        .arguments(&["netns", "exec", contestant.clients(), "sh", "-c", &script])
        .quietly()?;
    let mut numbers = said.split_whitespace().map(str::parse::<f64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(bytes)), Some(Ok(time))) if bytes > 0.0 => Ok(bytes * 8.0 / 1e6 / time),
        _ => Err(format!("curl got nothing from {}: {said}", contestant.name).into()),
    }
}
