//! Programs that the heavy tests and the benchmarks use, from Debian.

use crate::Outcome;
use crate::run::{Invocation, program_exists};

use super::report::Tally;

/// A program and the Debian package it comes in.
const NEEDED: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("dnsmasq", "dnsmasq-base"),
    ("ethtool", "ethtool"),
    ("h2load", "nghttp2-client"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nginx", "nginx-light"),
    ("nmap", "nmap"),
    ("ping", "iputils-ping"),
    ("prlimit", "util-linux"),
    ("scapy", "python3-scapy"),
    ("setpriv", "util-linux"),
    ("sysctl", "procps"),
    ("taskset", "util-linux"),
    ("trafgen", "netsniff-ng"),
    ("unshare", "util-linux"),
    ("wrk", "wrk"),
];

/// Installs what is missing; that needs root, and Debian or a descendant of it.
pub fn install() -> Outcome<Tally> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !program_exists(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        println!("all there");
        return Ok(Tally::default());
    }
    let list = missing.join(" ");
    if !program_exists("apt-get") {
        return Err(format!("this is not Debian; install what corresponds to: {list}").into());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(format!("needs root, or beforehand: apt-get install {list}").into());
    }
    let apt = || Invocation::new("apt-get").variable("DEBIAN_FRONTEND", "noninteractive");
    apt().arguments(&["update", "--quiet"]).run()?;
    apt()
        .arguments(&["install", "--yes", "--quiet", "--no-install-recommends"])
        .arguments(&missing)
        .run()
}
