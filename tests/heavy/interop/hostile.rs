//! Packets that no client sends: malformed ones, port scans, attempts to tell the system by its
//! answers. Nothing of them is left, and whoever is connected does not notice.

use rig::Outcome;
use rig::client::Client;
use rig::netns::{INTERFACE, Network};
use rig::process::Process;
use rig::tree::Tree;
use serde_json::Value;

use super::Link;

/// Where the server's admin listener is, on its host.
pub(super) const ADMIN: &str = "127.0.0.1:9";

/// Sends them, with scapy: see there for its arguments.
const MALFORMED: &str = include_str!("malformed.py");

/// What the server says of itself, all shards together.
pub(super) fn status(network: &Network) -> Outcome<Value> {
    let text = network.server(&format!("curl -sS --max-time 30 http://{ADMIN}/status.json"))?;
    let status: Value = serde_json::from_str(&text)?;
    Ok(status["total"].clone())
}

/// A server, a client that is connected to it the whole time, and how full its pools are.
struct Besieged {
    network: Network,
    link: Link,
    crore: Process,
    friends: Vec<Client>,
    before: Value,
    // Served, so it stays until the end.
    _tree: Tree,
}

impl Besieged {
    fn new(link: Link) -> Outcome<Self> {
        let tree = Tree::new()?;
        tree.file("file", "here")?;
        let network = Network::new(1, 1500)?;
        link.prepare(&network, 1)?;
        let crore =
            link.serve(&network, 1, tree.root(), &["--admin", ADMIN, "--idle-time", "1h"])?;
        let mut friends = Vec::new();
        for host in link.addresses() {
            let mut friend = Client::over(network.connect(host, 80)?)?;
            assert_eq!(friend.get("/file")?.body, b"here");
            friends.push(friend);
        }
        let before = status(&network)?;
        Ok(Self { network, link, crore, friends, before, _tree: tree })
    }

    /// Whoever was connected still is, new ones are welcome, and nothing is held that was not before.
    fn holds_nothing_more(mut self) -> Outcome {
        for (friend, host) in self.friends.iter_mut().zip(self.link.addresses()) {
            assert_eq!(friend.get("/file")?.body, b"here", "{host}");
            let mut new = Client::over(self.network.connect(host, 80)?)?;
            assert_eq!(new.get("/file")?.body, b"here", "{host}");
        }
        assert!(self.crore.ended()?.is_none(), "{}", self.crore.printed()?);
        let levels = ["connections", "stack_working", "stack_buffers", "stack_frames"];
        let start = std::time::Instant::now();
        loop {
            let now = status(&self.network)?;
            if levels.iter().all(|level| now[level] == self.before[level]) {
                return Ok(());
            }
            if start.elapsed() > super::PATIENCE {
                let before = &self.before;
                return Err(format!("{:?}: {before}\nthen: {now}", self.link).into());
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[test]
#[ignore = "needs root, scapy: cargo xtask heavy"]
fn malformed_packets_leave_nothing_behind() -> Outcome {
    let script = Tree::new()?;
    let script = script.file("malformed.py", MALFORMED).map(|file| (script, file))?;
    for link in [Link::Xdp, Link::Generic, Link::Tap] {
        let besieged = Besieged::new(link)?;
        let [v4, v6] = link.addresses();
        let mut ports = String::new();
        for friend in &besieged.friends {
            ports += &format!(" {}", friend.stream().local_addr()?.port());
        }
        // Debian's Python: another one may be first in the path, and has no scapy.
        let script = script.1.display();
        let sent = besieged
            .network
            .client(&format!("/usr/bin/python3 {script} {INTERFACE} {v4} {v6} 1{ports}"))?;
        assert!(sent.contains("packets sent"), "{sent}");
        let after = status(&besieged.network)?;
        let own = match link {
            Link::Xdp | Link::Generic => "no_connection",
            Link::Tap => "unknown_protocol",
        };
        // The first of a segment's fragments, where the kernel gets the others.
        for reason in ["malformed", "checksum", "fragment", "not_for_us", "refused", own] {
            let dropped = |status: &Value| status[format!("stack_dropped_{reason}")].as_u64();
            let (before, after) = (dropped(&besieged.before), dropped(&after));
            assert!(after > before, "{link:?}: none was {reason}: {before:?}, {after:?}");
        }
        besieged.holds_nothing_more()?;
    }
    Ok(())
}

#[test]
#[ignore = "needs root, nmap: cargo xtask heavy"]
fn port_scans_find_what_is_served_and_leave_nothing_behind() -> Outcome {
    for link in [Link::Xdp, Link::Tap] {
        let besieged = Besieged::new(link)?;
        let [v4, v6] = link.addresses();
        let scan = |flags: &str, host: &str| {
            let nmap = format!("nmap -n -Pn -T5 --max-retries 1 {flags} {host}");
            let said = besieged.network.client(&nmap)?;
            Outcome::Ok((said.clone(), said.lines().any(|line| line.starts_with("80/tcp open"))))
        };
        for (flags, host) in
            [("-O --osscan-limit --max-os-tries 1 -p 1-1000", v4), ("-6 -sT -p 70-90", v6)]
        {
            let (said, is_open) = scan(flags, host)?;
            assert!(is_open, "{link:?} {flags}:\n{said}");
        }
        for flags in [
            "-sT -p 1-1000",
            "-sN -p 75-85",
            "-sF -p 75-85",
            "-sX -p 75-85",
            "-sA -p 75-85",
            "-sW -p 75-85",
            "-sM -p 75-85",
        ] {
            scan(flags, v4)?;
        }
        besieged.holds_nothing_more()?;
    }
    Ok(())
}
