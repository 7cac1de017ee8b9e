//! What two ends agree on when a connection opens, each alone left out or put in: every byte still
//! arrives, and the client's kernel shows that it is as agreed.

use std::io::Write;

use rig::Outcome;
use rig::netns::INTERFACE;
use rig::tree::{Tree, pattern};

use super::services::Service;
use super::transfer::down;
use super::{Link, Stage};
use rig::netns::Network;

/// Bytes each way, of each row.
const LENGTH: usize = 1 << 20;

/// One agreement.
struct Row {
    name: &'static str,
    /// Settings on the client's host, each with what it is otherwise.
    settings: &'static [(&'static str, &'static str, &'static str)],
    /// Rules of the packet filter there.
    rules: &'static [(&'static str, &'static str)],
    /// Words that `ss -ti` shows, and words that it does not.
    shown: &'static [&'static str],
    hidden: &'static [&'static str],
}

const TIMESTAMPS_OFF: (&str, &str, &str) = ("net.ipv4.tcp_timestamps", "0", "1");
const SACK_OFF: (&str, &str, &str) = ("net.ipv4.tcp_sack", "0", "1");
const SCALING_OFF: (&str, &str, &str) = ("net.ipv4.tcp_window_scaling", "0", "1");
const ECN_ON: (&str, &str, &str) = ("net.ipv4.tcp_ecn", "1", "2");

const CLAMP_OUT: (&str, &str) = ("out", "tcp flags syn tcp option maxseg size set 536");
const CLAMP_IN: (&str, &str) =
    ("in", "tcp flags & (syn | ack) == syn | ack tcp option maxseg size set 600");
/// Of every ten packets one says that a queue on the way is full.
const MARKED: (&str, &str) =
    ("in", "ip ecn { ect0, ect1 } numgen inc mod 10 == 0 counter ip ecn set ce");
const MARKED_OUT: (&str, &str) =
    ("out", "ip ecn { ect0, ect1 } numgen inc mod 10 == 0 counter ip ecn set ce");

const fn row(name: &'static str) -> Row {
    Row { name, settings: &[], rules: &[], shown: &[], hidden: &[] }
}

const ROWS: [Row; 9] = [
    Row { shown: &[" ts ", " sack ", "wscale:"], hidden: &[" ecn "], ..row("as usual") },
    Row { settings: &[TIMESTAMPS_OFF], hidden: &[" ts "], ..row("no timestamps") },
    Row { settings: &[SACK_OFF], hidden: &[" sack "], ..row("no SACK") },
    Row { settings: &[SCALING_OFF], hidden: &["wscale:"], ..row("no window scaling") },
    Row {
        settings: &[TIMESTAMPS_OFF, SACK_OFF, SCALING_OFF],
        hidden: &[" ts ", " sack ", "wscale:"],
        ..row("nothing")
    },
    Row { settings: &[ECN_ON], shown: &[" ecn "], ..row("ECN") },
    Row {
        settings: &[ECN_ON],
        rules: &[MARKED, MARKED_OUT],
        shown: &[" ecn ", "ecnseen"],
        ..row("ECN, marked")
    },
    Row { rules: &[CLAMP_OUT], shown: &["rcvmss:524"], ..row("the client's MSS made small") },
    Row { rules: &[CLAMP_IN], shown: &[" mss:588"], ..row("our MSS made small") },
];

#[test]
#[ignore = "needs root, nft: cargo xtask heavy"]
fn whatever_is_agreed_on_every_byte_arrives() -> Outcome {
    for link in [Link::Xdp, Link::Tap] {
        let stage = Stage::new(link)?;
        for row in &ROWS {
            let Row { name, settings, rules, .. } = row;
            for (setting, value, _) in *settings {
                stage.network.client(&format!("sysctl -qw {setting}={value}"))?;
            }
            stage.filter(rules)?;
            for host in link.addresses() {
                let done = stage.up_and_down(host, LENGTH);
                done.map_err(|error| format!("{link:?} {name} {host}: {error}"))?;
            }
            is_as_agreed(&stage, row)?;
            stage.unfilter()?;
            for (setting, _, usual) in *settings {
                stage.network.client(&format!("sysctl -qw {setting}={usual}"))?;
            }
        }
    }
    Ok(())
}

/// Looks at a connection over IPv4 that has carried something both ways.
fn is_as_agreed(stage: &Stage, row: &Row) -> Outcome {
    let mut stream = stage.connect(stage.v4(), Service::Source)?;
    down(&mut stream, LENGTH)?;
    stream.write_all(&0_u64.to_le_bytes())?;
    let port = stream.local_addr()?.port();
    let said = stage.network.client(&format!("ss -tinoH sport = :{port}"))?;
    for word in row.shown {
        assert!(said.contains(word), "{:?} {}: no {word}:\n{said}", stage.link, row.name);
    }
    for word in row.hidden {
        assert!(!said.contains(word), "{:?} {}: {word}:\n{said}", stage.link, row.name);
    }
    Ok(())
}

#[test]
#[ignore = "needs root, curl: cargo xtask heavy"]
fn fast_open_is_declined_and_the_request_served() -> Outcome {
    let tree = Tree::new()?;
    tree.file("file", pattern(100_000))?;
    for link in [Link::Xdp, Link::Tap] {
        let network = Network::new(1, 1500)?;
        link.prepare(&network, 1)?;
        let _crore = link.serve(&network, 1, tree.root(), &[])?;
        // With a cookie asked for, and with the request in the SYN without one.
        for (mode, times) in [("1", 2), ("5", 2)] {
            network.client(&format!("sysctl -qw net.ipv4.tcp_fastopen={mode}"))?;
            for _ in 0..times {
                let got = tree.root().join("got");
                for host in [link.addresses()[0].to_owned(), format!("[{}]", link.addresses()[1])] {
                    network.client(&format!(
                        "curl -sS --tcp-fastopen --max-time 30 -o {} http://{host}/file",
                        got.display()
                    ))?;
                    assert!(std::fs::read(&got)? == pattern(100_000), "{link:?} {mode} {host}");
                }
            }
        }
        let taken = network.client("nstat -asz TcpExtTCPFastOpenActive")?;
        assert!(taken.contains("TcpExtTCPFastOpenActive         0"), "{INTERFACE}: {taken}");
    }
    Ok(())
}
