//! Dependencies between our own crates point down only. The edges allowed are data: [`EDGES`].

use crate::metadata::{Dependency, Metadata, Package};

/// Every crate of the workspace with the crates it may depend on. A crate not listed is an error,
/// so that adding one means deciding where it stands.
const EDGES: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("app", &["base"]),
    ("wire", &["base"]),
    ("mem", &["base"]),
    ("tcp", &["base", "mem", "wire"]),
    ("port", &["base", "mem", "wire"]),
    // What the kernel knows of its network; knows nothing of ours.
    ("netlink", &[]),
    ("port-tap", &["base", "mem", "netlink", "port", "wire"]),
    ("port-xdp", &["base", "mem", "netlink", "port"]),
    // Beneath the stack: a port around a port, that tells stacks of their address.
    ("dhcp", &["base", "mem", "port", "wire"]),
    ("stack", &["app", "base", "mem", "port", "tcp", "wire"]),
    ("sock", &["app", "base", "mem"]),
    ("shard", &["app", "base"]),
    // What is served knows the contract and nothing below it: that lets it run on every engine.
    ("http", &["app", "base"]),
    ("site", &["app", "base", "http"]),
    // A handler around a handler: knows the contract, and what is within only as a handler.
    ("tls", &["app", "base"]),
    // Draws what load and probe measure; knows nothing of either.
    ("chart", &[]),
    // Reads the machine; what an engine costs is told to it.
    ("doctor", &["base", "netlink"]),
    ("load", &["app", "base"]),
    ("probe", &["app", "base", "chart", "crore", "http", "shard", "stack"]),
    ("sim", &["app", "base", "http", "mem", "port", "stack", "tcp", "wire"]),
    ("crore", &["app", "base", "dhcp", "http", "port-tap", "port-xdp", "shard", "sock", "stack"]),
    (
        "cli",
        &[
            "app", "base", "chart", "crore", "doctor", "http", "load", "port-xdp", "probe",
            "shard", "site", "sock", "stack", "tls",
        ],
    ),
    // Not part of what users build.
    ("packetdrill", &["base", "tcp", "wire"]),
    // Makes wires that harm what they carry.
    ("tests", &["base", "mem", "port", "port-tap"]),
    ("xtask", &["base", "tests"]),
];

/// Edges allowed in tests and examples only.
const TEST_EDGES: &[(&str, &[&str])] = &[("stack", &["http"]), ("tests", &["crore"])];

/// Complains of every crate that depends on one it must not know.
pub fn check(metadata: &Metadata) -> Vec<String> {
    metadata.members().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<String> {
    let name = short(&package.name);
    let Some(allowed) = allowed_for(EDGES, name) else {
        return vec![format!(
            "{name}: not listed in xtask/src/tidy/edges.rs; decide there what it may depend on"
        )];
    };
    let in_tests = allowed_for(TEST_EDGES, name).unwrap_or_default();
    let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    let refused = ours.filter(|dependency| !is_allowed(dependency, allowed, in_tests));
    refused
        .map(|dependency| {
            let other = short(&dependency.name);
            format!(
                "{name} must not depend on {other}: dependencies point down only (the edges \
                 allowed are in xtask/src/tidy/edges.rs)"
            )
        })
        .collect()
}

fn is_allowed(dependency: &Dependency, allowed: &[&str], in_tests: &[&str]) -> bool {
    let name = short(&dependency.name);
    let is_test = dependency.kind.as_deref() == Some("dev");
    allowed.contains(&name) || (is_test && in_tests.contains(&name))
}

fn allowed_for(
    edges: &[(&str, &'static [&'static str])],
    name: &str,
) -> Option<&'static [&'static str]> {
    edges.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

/// A package's name without the prefix that all of ours share.
fn short(name: &str) -> &str {
    name.strip_prefix("crore-").unwrap_or(name)
}
