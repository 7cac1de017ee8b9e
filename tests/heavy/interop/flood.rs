//! A flood of SYNs from addresses that nobody has, 300,000 a second as far as the machine can send so
//! many, beside a client that means it. What the client gets is printed, as a part of what it gets without
//! the flood; what is asserted is that its answers are right, and that nothing is left of the flood.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::client::Client;
use rig::netns::{CLIENT, INTERFACE, Network, SERVER};
use rig::process::Process;
use rig::tree::Tree;
use serde_json::Value;

use super::hostile::{ADMIN, status};
use super::{Link, PATIENCE};

/// SYNs a second.
const RATE: u64 = 300_000;
/// How long the client is served for, without the flood and in it, in seconds.
const CALM: u64 = 5;
const FLOODED: u64 = 8;
/// Requests over connections that stay, and connections for a request each, that the client asks for
/// a second: a load that it can carry on a part of a processor, trafgen having the rest.
const REQUESTS: u64 = 2_000;
const CONNECTIONS: u64 = 500;
/// Bytes of memory that may be taken in the flood beyond what two seconds of it took before: for connections
/// at work, and for those of the client's that wait out their TIME-WAIT. A few bytes for each SYN are more.
const GROWTH_MAX: u64 = 16 << 20;

/// trafgen, which sends from a process of its own that does not end with it: both are in a namespace
/// that does. It pins itself to the first processor.
struct Flood(Process);

impl Flood {
    /// Begins to send.
    fn start(network: &Network, folder: &Tree) -> Outcome<Self> {
        let address = format!("cat /sys/class/net/{INTERFACE}/address");
        let (to, from) = (network.server(&address)?, network.client(&address)?);
        // Numbers drawn anew for each packet; checksums are filled in.
        let syn = format!(
            "{{ eth(da={}, sa={}, type=0x0800), \
             ipv4(id=drnd(), ttl=64, df, saddr=drnd(), daddr={SERVER}), \
             tcp(sport=drnd(), dport=80, seq=drnd(), syn, win=64240) }}",
            to.trim(),
            from.trim()
        );
        let syn = folder.file("syn.cfg", syn)?;
        let mut command = network.on_client("unshare");
        command.args(["--pid", "--fork", "--kill-child", "trafgen", "--no-cpu-stats"]);
        command.args(["--cpus", "1", "--rate", &format!("{RATE}pps"), "--dev", INTERFACE]);
        command.arg("--conf").arg(syn);
        Ok(Self(Process::start(command)?))
    }

    /// Ends it, unless it has already, which it must not.
    fn end(mut self) -> Outcome {
        if self.0.ended()?.is_none() { Ok(()) } else { Err(self.0.printed()?.into()) }
    }
}

/// The processor that the server has to itself, if there are two.
fn last_processor() -> Outcome<usize> {
    Ok(thread::available_parallelism()?.get() - 1)
}

/// What the client got: answers over connections that stay, and over one each.
fn serve_client(network: &Network, folder: &Tree, seconds: u64) -> Outcome<[u64; 2]> {
    let ask = |name: &str, rate: u64, flags: &[&str]| -> Outcome<_> {
        let report = folder.root().join(name);
        let mut load = network.on_client("taskset");
        load.args(["-c", &format!("0-{}", last_processor()?.saturating_sub(1))]);
        load.arg(rig::crore::program()?).args([
            "load",
            &format!("http://{SERVER}/file"),
            "--expect-length",
            "4",
        ]);
        load.args(["--shards", "1", "--rate", &rate.to_string(), "-d", &format!("{seconds}s")]);
        load.arg(format!("--json={}", report.display())).args(flags);
        Ok((report, Process::start(load)?))
    };
    let stay = ask("stay", REQUESTS, &["-c", "64"])?;
    let each = ask("each", CONNECTIONS, &["-c", "500", "--connection-per-request"])?;
    let answers = |(report, mut process): (std::path::PathBuf, Process)| -> Outcome<u64> {
        process.wait(PATIENCE)?;
        let said = process.printed()?;
        let text = fs::read_to_string(report).map_err(|error| format!("{error}: {said}"))?;
        let report: Value = serde_json::from_str(&text)?;
        // Late on a busy machine is late; anything else than the answer is wrong.
        let late = ["timeout", "connect_timeout"];
        let errors = report["errors"].as_object().ok_or("a report without errors")?;
        assert!(errors.keys().all(|kind| late.contains(&kind.as_str())), "{report}");
        let status = report["status"].as_object().ok_or("a report without status")?;
        assert!(status.keys().all(|status| status == "200"), "{report}");
        report["requests"].as_u64().ok_or_else(|| "a report without requests".into())
    };
    Ok([answers(stay)?, answers(each)?])
}

/// The server: its pools, and what they hold without a flood, which is nothing.
struct Besieged {
    network: Network,
    crore: Process,
}

impl Besieged {
    fn new(folder: &Tree) -> Outcome<Self> {
        folder.file("file", "here")?;
        let network = Network::new(1, 1500)?;
        // What answers the flood goes to a host that drops it.
        network.server(&format!("ip route add default via {CLIENT}"))?;
        // A connection whose reset was lost in the flood is closed before patience ends.
        let flags = ["--admin", ADMIN, "--idle-time", "10s"];
        let crore = Link::Xdp.serve(&network, 1, folder.root(), &flags)?;
        // The flood's own processor is not the server's.
        let (server, processor) = (crore.id(), last_processor()?);
        network.server(&format!("taskset --all-tasks --cpu-list --pid {processor} {server}"))?;
        Ok(Self { network, crore })
    }

    /// Waits until nothing is held, and gives the bytes of memory in use then.
    fn comes_to_rest(&mut self) -> Outcome<u64> {
        let levels = ["connections", "stack_working", "stack_buffers", "stack_frames"];
        let start = Instant::now();
        loop {
            assert!(self.crore.ended()?.is_none(), "{}", self.crore.printed()?);
            let now = status(&self.network)?;
            if levels.iter().all(|level| now[level] == 0) {
                return self.crore.own_memory();
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("still holds something: {now}").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
#[ignore = "needs root, trafgen: cargo xtask heavy"]
fn a_flood_of_syns_leaves_nothing_behind_and_clients_are_served_in_it() -> Outcome {
    let folder = Tree::new()?;
    let mut besieged = Besieged::new(&folder)?;
    let calm = serve_client(&besieged.network, &folder, CALM)?;
    // Once, so that all is touched that a flood makes use of.
    let flood = Flood::start(&besieged.network, &folder)?;
    thread::sleep(Duration::from_secs(2));
    flood.end()?;
    let memory = besieged.comes_to_rest()?;

    let (before, start) = (status(&besieged.network)?, Instant::now());
    let flood = Flood::start(&besieged.network, &folder)?;
    thread::sleep(Duration::from_secs(2));
    let flooded = serve_client(&besieged.network, &folder, FLOODED)?;
    let (after, took) = (status(&besieged.network)?, start.elapsed());
    flood.end()?;
    let grown = |name: &str| after[name].as_u64().zip(before[name].as_u64()).map(|(a, b)| a - b);
    let (packets, lost) = (grown("stack_packets_in"), grown("stack_dropped_port"));
    let (packets, lost) = packets.zip(lost).ok_or("a status without packets")?;
    let ratio = |at: usize| flooded[at] as f64 * CALM as f64 / (calm[at] as f64 * FLOODED as f64);
    println!(
        "{:.0} packets a second came and {:.0} found no room; goodput ÷ that without a flood: {:.3} over \
         connections that stay, {:.3} over new ones",
        packets as f64 / took.as_secs_f64(),
        lost as f64 / took.as_secs_f64(),
        ratio(0),
        ratio(1)
    );
    let half_open = after["stack_working"].as_u64();
    assert!(half_open >= Some(1_000), "hardly a flood: {after}");
    assert!(flooded.iter().sum::<u64>() > 0, "nobody was served");

    let now = besieged.comes_to_rest()?;
    assert!(now <= memory + GROWTH_MAX, "{memory} bytes of memory before, {now} after");
    // Whoever comes after it is served as before.
    let mut client = Client::over(besieged.network.connect(SERVER, 80)?)?;
    assert_eq!(client.get("/file")?.body, b"here");
    Ok(())
}
