//! Every byte right: in both directions, at each MTU, over a path that loses packets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rig::Outcome;
use rig::netns::{INTERFACE, Network, SERVER, SERVER_V6};
use rig::process::Process;
use rig::tree::{Tree, pattern};

use super::{Served, get};

/// Bytes of a download, and of an upload that comes back.
const DOWN: usize = 64 << 20;
const ROUND: usize = 24 << 20;
/// The same over a path that loses packets.
const LOSSY: usize = 6 << 20;

/// An echo server on our own stack.
fn echo(network: &Network) -> Outcome<Process> {
    let example = std::env::current_exe()?
        .ancestors()
        .nth(2)
        .ok_or("a test lies in target/PROFILE/deps")?
        .join("examples/echo_on_interface");
    let mut command = network.on_server(example);
    command.args([INTERFACE, "0.0.0.0:7000"]);
    network.started(command, 7000)
}

/// Sends `content` and compares what comes back.
fn round_trip(mut stream: TcpStream, content: &[u8]) -> Outcome<bool> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut sending = stream.try_clone()?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || sending.write_all(content));
        let mut back = vec![0; content.len()];
        stream.read_exact(&mut back)?;
        sender.join().map_err(|_| "the sender panicked")??;
        Ok(back == content)
    })
}

#[test]
#[ignore = "needs root, curl: cargo xtask heavy"]
fn large_files_arrive_whole_at_every_mtu() -> Outcome {
    let tree = Tree::new()?;
    let content = pattern(DOWN);
    tree.file("file", &content)?;
    for mtu in [1280, 1500, 9000] {
        let network = Network::new(1, mtu)?;
        let served = Served::start(&network, "", tree.root(), &[])?;
        for host in [SERVER, &format!("[{SERVER_V6}]")] {
            assert!(get(&network, &format!("http://{host}/file"))? == content, "{mtu} {host}");
        }
        drop(served);
        let _echo = echo(&network)?;
        assert!(round_trip(network.connect(SERVER, 7000)?, &content[..ROUND])?, "{mtu}");
    }
    Ok(())
}

#[test]
#[ignore = "needs root, nft, curl: cargo xtask heavy"]
fn loss_in_both_directions_harms_no_byte() -> Outcome {
    let tree = Tree::new()?;
    let content = pattern(LOSSY);
    tree.file("file", &content)?;
    for percent in [1, 5] {
        let network = Network::new(1, 1500)?;
        let served = Served::start(&network, "", tree.root(), &[])?;
        network.client("nft add table inet bad")?;
        for hook in ["input", "output"] {
            network.client(&format!(
                "nft add chain inet bad {hook} {{ type filter hook {hook} priority 0 ; }}"
            ))?;
            network.client(&format!(
                "nft add rule inet bad {hook} meta l4proto tcp numgen random mod 100 < {percent} \
                 counter drop"
            ))?;
        }
        assert!(get(&network, &format!("http://{SERVER}/file"))? == content, "{percent} %");
        assert!(get(&network, &format!("http://[{SERVER_V6}]/file"))? == content, "{percent} %");
        drop(served);
        let _echo = echo(&network)?;
        assert!(round_trip(network.connect(SERVER, 7000)?, &content[..1 << 20])?, "{percent} %");
        let counted = network.client("nft list ruleset")?;
        assert!(!counted.contains("packets 0 "), "nothing was lost:\n{counted}");
    }
    Ok(())
}
