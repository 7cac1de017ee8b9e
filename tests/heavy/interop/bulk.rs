//! Much, up and down, with its digest compared: each way of attaching, one queue and two, each MTU,
//! both families. `CRORE_HEAVY_MEGABYTES` says how much; without it the rows of [`GIGABYTE`] carry that
//! and every other one [`OTHERS`] megabytes.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Instant;

use rig::Outcome;
use rig::netns::Network;
use rig::tree::{Tree, pattern};

use super::services::Service;
use super::transfer::{arrives, down, up};
use super::{KINDS, Link, Stage};

/// Megabytes each way.
const OTHERS: usize = 32;

const MTUS: [u16; 3] = [1500, 9000, 1280];

/// Which rows carry a gigabyte each way, one on each kind of link: queues, MTU, whether over IPv6.
const GIGABYTE: [(Link, u16, u16, bool); 6] = [
    (Link::Xdp, 1, 1500, false),
    (Link::Xdp, 2, 9000, true),
    (Link::Generic, 1, 1500, true),
    (Link::Generic, 2, 1280, false),
    (Link::Tap, 1, 9000, false),
    (Link::Tap, 2, 1280, true),
];

/// What was asked for by the variable.
fn megabytes() -> Outcome<Option<usize>> {
    Ok(env::var("CRORE_HEAVY_MEGABYTES").ok().map(|text| text.parse()).transpose()?)
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn much_arrives_whole_in_both_directions() -> Outcome {
    let megabytes = megabytes()?;
    println!("| link | queues | MTU | over | MB | up, s | down, s |");
    for (link, queues) in KINDS {
        for mtu in MTUS {
            let stage = Stage::on(Network::new(queues.into(), mtu.into())?, link, queues)?;
            for v6 in [false, true] {
                let whole = GIGABYTE.contains(&(link, queues, mtu, v6));
                let megabytes = megabytes.unwrap_or(if whole { 1024 } else { OTHERS });
                let family = if v6 { "IPv6" } else { "IPv4" };
                let row = format!("| {link:?} | {queues} | {mtu} | {family} | {megabytes} |");
                let host = link.addresses()[usize::from(v6)];
                let carried = |service, carry: fn(&mut _, usize) -> Outcome| {
                    let start = Instant::now();
                    carry(&mut stage.connect(host, service)?, megabytes << 20)?;
                    Outcome::Ok(start.elapsed().as_secs_f64())
                };
                let went_up = carried(Service::Sink, up).map_err(|e| format!("{row} up: {e}"))?;
                let came =
                    carried(Service::Source, down).map_err(|e| format!("{row} down: {e}"))?;
                println!("{row} {went_up:.1} | {came:.1} |");
            }
            stage.comes_to_rest()?;
        }
    }
    Ok(())
}

/// A file as `crore serve` sends it, from the disk.
#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_large_file_is_served_whole() -> Outcome {
    let length = megabytes()?.unwrap_or(OTHERS) << 20;
    let tree = Tree::new()?;
    tree.file("file", pattern(length))?;
    for link in [Link::Xdp, Link::Generic, Link::Tap] {
        let network = Network::new(1, 1500)?;
        link.prepare(&network, 1)?;
        let _crore = link.serve(&network, 1, tree.root(), &[])?;
        for host in link.addresses() {
            let start = Instant::now();
            let mut stream = network.connect(host, 80)?;
            stream.write_all(b"GET /file HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
            let mut answer = BufReader::with_capacity(256 << 10, stream);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                assert!(answer.read_line(&mut line)? > 0, "{link:?} {host}: cut off");
            }
            arrives(&mut answer, length).map_err(|error| format!("{link:?} {host}: {error}"))?;
            assert_eq!(answer.read(&mut [0; 1])?, 0, "{link:?} {host}: more than the file");
            let seconds = start.elapsed().as_secs_f64();
            println!("{link:?} {host}: a file of {} MB in {seconds:.1} s", length >> 20);
        }
    }
    Ok(())
}
