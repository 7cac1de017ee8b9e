//! crore's own stack on an interface that it shares with the kernel, between two network namespaces.
//! Needs root.

mod clients;
mod machine;
mod queues;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::netns::{INTERFACE, Network};
use rig::process::Process;

/// How long a server may take to answer for the first time.
const START_MAX: Duration = Duration::from_secs(30);

/// A server on the server's host.
struct Served {
    process: Process,
}

impl Served {
    /// `crore serve` on our own stack, at port 80, with `flags`. `mode` is what follows the
    /// interface's name.
    fn start(network: &Network, mode: &str, root: &Path, flags: &[&str]) -> Outcome<Self> {
        let mut command = network.on_server(rig::crore::program()?);
        command.arg("serve").arg(root).args(["--net", &format!("xdp:{INTERFACE}{mode}")]);
        command.args(["--listen", "0.0.0.0:80,[::]:80"]).args(flags);
        Ok(Self { process: network.started(command, 80)? })
    }

    /// What the server says when it has started.
    fn said(&self) -> Outcome<String> {
        let start = Instant::now();
        loop {
            let said = self.process.printed()?;
            if said.contains("safety") || start.elapsed() > START_MAX {
                return Ok(said);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A file of the tree on the server, got with curl.
fn get(network: &Network, url: &str) -> Outcome<Vec<u8>> {
    let mut curl = network.on_client("curl");
    let output = curl.args(["--silent", "--show-error", "--max-time", "60", url]).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{url}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
