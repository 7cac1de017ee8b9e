//! Much, up and down, with its digest compared: each way of attaching, one queue and two, each MTU,
//! both families. `CRORE_HEAVY_MEGABYTES` says how much; without it the first row carries
//! [`FIRST`] and every other one [`OTHERS`].

use std::env;
use std::io::{Read, Write};

use rig::Outcome;
use rig::netns::Network;
use rig::tree::{Tree, pattern};

use super::services::Service;
use super::{Link, Stage, down, up};

/// Megabytes each way.
const FIRST: usize = 256;
const OTHERS: usize = 32;

/// Link, queues, MTU, whether over IPv6.
const ROWS: [(Link, u16, u16, bool); 9] = [
    (Link::Xdp, 1, 1500, false),
    (Link::Xdp, 2, 1500, true),
    (Link::Xdp, 1, 9000, false),
    (Link::Xdp, 2, 1280, true),
    (Link::Generic, 1, 1280, false),
    (Link::Generic, 2, 9000, true),
    (Link::Tap, 1, 1500, false),
    (Link::Tap, 1, 9000, true),
    (Link::Tap, 1, 1280, true),
];

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn much_arrives_whole_in_both_directions() -> Outcome {
    let megabytes = env::var("CRORE_HEAVY_MEGABYTES").ok().map(|text| text.parse()).transpose()?;
    for (place, (link, queues, mtu, v6)) in ROWS.into_iter().enumerate() {
        let length = megabytes.unwrap_or(if place == 0 { FIRST } else { OTHERS }) << 20;
        let host = link.addresses()[usize::from(v6)];
        let what = format!("{link:?}, {queues} queues, MTU {mtu}, {host}");
        let stage = Stage::on(Network::new(queues.into(), mtu.into())?, link, queues)?;
        let done = up(&mut stage.connect(host, Service::Sink)?, length);
        done.map_err(|error| format!("up, {what}: {error}"))?;
        let done = down(&mut stage.connect(host, Service::Source)?, length);
        done.map_err(|error| format!("down, {what}: {error}"))?;
        stage.comes_to_rest()?;
    }
    Ok(())
}

/// A file as `crore serve` sends it, from the disk.
#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_large_file_is_served_whole() -> Outcome {
    let megabytes = env::var("CRORE_HEAVY_MEGABYTES").ok().map(|text| text.parse()).transpose()?;
    let content = pattern(megabytes.unwrap_or(OTHERS) << 20);
    let tree = Tree::new()?;
    tree.file("file", &content)?;
    for link in [Link::Xdp, Link::Generic, Link::Tap] {
        let network = Network::new(1, 1500)?;
        link.prepare(&network)?;
        let _crore = link.serve(&network, tree.root(), &[])?;
        for host in link.addresses() {
            let mut stream = network.connect(host, 80)?;
            stream.write_all(b"GET /file HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
            let mut answer = Vec::with_capacity(content.len() + 1024);
            stream.read_to_end(&mut answer)?;
            assert!(answer.ends_with(&content), "{link:?} {host}: {} bytes", answer.len());
        }
    }
    Ok(())
}
