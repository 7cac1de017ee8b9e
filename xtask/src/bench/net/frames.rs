//! What the AF_XDP port alone reaches over a veth pair, in frames of 64 bytes, beside what DPDK's
//! testpmd (Debian: dpdk-dev) reaches with its AF_XDP driver on the same. Sent frames are counted by
//! the kernel at the other end.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use base::Grouped;
use rig::netns::{CLIENT, INTERFACE, Network, SERVER};
use rig::process::Process;
use rustix::process::Signal;

use super::contestant::order;
use crate::Outcome;
use crate::bench::Effort;
use crate::bench::spread::Spread;
use crate::bench::table::ratio;
use crate::metadata::Metadata;
use crate::run::{Invocation, program_exists};

const TESTPMD: &str = "dpdk-testpmd";
/// How long testpmd may take to begin.
const START: Duration = Duration::from_secs(3);

/// Builds the example that drives the port.
fn build(metadata: &Metadata) -> Outcome<PathBuf> {
    Invocation::new("cargo")
        .arguments(&["build", "--locked", "--profile", "quick"])
        .arguments(&["--package", "crore-port-xdp", "--example", "frames"])
        .folder(&metadata.workspace_root)
        .run()?;
    Ok(metadata.target_directory.join("quick/examples/frames"))
}

pub(super) fn compare(metadata: &Metadata, effort: Effort) -> Outcome<String> {
    if !program_exists(TESTPMD) {
        return Ok(format!("\nFrames alone: not measured, there is no {TESTPMD}.\n"));
    }
    let frames = build(metadata)?;
    let mut text = String::from(
        "\n| frames of 64 bytes a second | testpmd, net_af_xdp | port-xdp | ratio |\n\
         | --- | ---: | ---: | ---: |\n",
    );
    for (name, run) in [
        ("sent", sent as fn(&Network, usize, &Path, u32) -> Outcome<f64>),
        ("received, of what port-xdp sends", received),
    ] {
        let mut figures: [Vec<f64>; 2] = Default::default();
        for round in 0..effort.rounds {
            for index in order(round, 2) {
                // A new pair each time: a queue that was used stays busy for a while.
                let network = Network::new(1, 1500)?;
                // So that each kernel knows where the other is.
                network.client(&format!("ping -c 1 -W 5 {SERVER}"))?;
                let rate = run(&network, index, &frames, effort.seconds)?;
                println!("{rate:>12.0}/s  {name}, {}", ["testpmd", "port-xdp"][index]);
                figures[index].push(rate);
            }
        }
        let median =
            |index: usize| Grouped(Spread::new(figures[index].clone()).median().round() as u64);
        let ratio = ratio(&Spread::of_ratios(&figures[1], &figures[0]));
        writeln!(text, "| {name} | {} | {} | {ratio} |", median(0), median(1))?;
    }
    Ok(text)
}

/// Frames a second that leave the server's host, by testpmd (0) or the port (1).
fn sent(network: &Network, index: usize, frames: &Path, seconds: u32) -> Outcome<f64> {
    let process = match index {
        0 => testpmd(network, "txonly")?,
        _ => port(network, frames, "send", seconds + 3)?,
    };
    let rate = arriving(network, seconds)?;
    end(process)?;
    Ok(rate)
}

/// Frames a second that testpmd (0) or the port (1) takes on the server's host, sent by a port on
/// the client's.
fn received(network: &Network, index: usize, frames: &Path, seconds: u32) -> Outcome<f64> {
    let receiver = match index {
        0 => testpmd(network, "rxonly")?,
        _ => port(network, frames, "receive", seconds)?,
    };
    let mut command = network.on_client("taskset");
    command.args(["-c", "1"]).arg(frames).args(["send", INTERFACE]);
    let sender = Process::start({
        command.arg((seconds + 2).to_string());
        command
    })?;
    if index == 1 {
        let mut receiver = receiver;
        receiver.wait(Duration::from_secs(30 + u64::from(seconds)))?;
        return Ok(receiver.printed()?.trim().parse()?);
    }
    thread::sleep(Duration::from_secs(u64::from(seconds) + 3));
    end(sender)?;
    let said = end(receiver)?;
    // It prints what it has taken in all, and its sender sent for two seconds more.
    let taken = said.lines().rev().find_map(|line| line.trim().strip_prefix("RX-packets: "));
    let taken = taken.and_then(|rest| rest.split_whitespace().next());
    let taken: f64 = taken.ok_or_else(|| format!("testpmd counted nothing:\n{said}"))?.parse()?;
    Ok(taken / f64::from(seconds + 2))
}

/// Frames a second that arrive at the client's host.
fn arriving(network: &Network, seconds: u32) -> Outcome<f64> {
    let count = || -> Outcome<f64> {
        let file = format!("/sys/class/net/{INTERFACE}/statistics/rx_packets");
        Ok(network.client(&format!("cat {file}"))?.trim().parse()?)
    };
    let before = count()?;
    thread::sleep(Duration::from_secs(seconds.into()));
    Ok((count()? - before) / f64::from(seconds))
}

/// The port at work on the server's host, on processor 0.
fn port(network: &Network, frames: &Path, what: &str, seconds: u32) -> Outcome<Process> {
    let mut command = network.on_server("taskset");
    command.args(["-c", "0"]).arg(frames).args([what, INTERFACE, &seconds.to_string()]);
    let process = Process::start(command)?;
    thread::sleep(Duration::from_millis(500));
    Ok(process)
}

/// The same for testpmd; its other thread, which waits for commands, is on processor 1.
fn testpmd(network: &Network, mode: &str) -> Outcome<Process> {
    let mut command = network.on_server(TESTPMD);
    command.args(["-l", "0-1", "--main-lcore", "1", "--no-pci", "--no-huge", "-m", "512"]);
    command.args(["--no-telemetry", &format!("--file-prefix=crore-{}", std::process::id())]);
    command.arg(format!("--vdev=net_af_xdp0,iface={INTERFACE}"));
    command.args(["--", "--no-mlockall", "--total-num-mbufs=8192", "--nb-cores=1", "-a"]);
    // A period makes it run without a terminal.
    command.args([&format!("--forward-mode={mode}"), "--stats-period=3600", "--txpkts=64"]);
    command.arg(format!("--tx-ip={SERVER},{CLIENT}"));
    let process = Process::start(command)?;
    thread::sleep(START);
    Ok(process)
}

/// Ends a process in order, and gives what it printed.
fn end(mut process: Process) -> Outcome<String> {
    if process.ended()?.is_none() {
        process.signal(Signal::INT)?;
        process.wait(Duration::from_secs(20))?;
    }
    process.printed()
}
