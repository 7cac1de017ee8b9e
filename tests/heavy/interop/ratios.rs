//! How fast one download is over paths that lose and delay, ours beside the kernel's CUBIC: printed, and
//! not asserted, because how busy the machine is must not decide a test. `cargo xtask bench net`
//! measures the same with more rounds.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::netns::{INTERFACE, Network, SERVER};
use rig::tree::Tree;
use rig::wire::Faults;

use super::Link;

/// One in a hundred, of a million frames.
const LOSS: u32 = 10_000;
/// Each way, so that a round trip takes 20 ms.
const DELAY: Duration = Duration::from_millis(10);
const PATHS: [(&str, u32, Duration); 3] = [
    ("1 % lost", LOSS, Duration::ZERO),
    ("20 ms there and back", 0, DELAY),
    ("20 ms there and back, 1 % lost", LOSS, DELAY),
];

/// How long a download is watched.
const SPELL: Duration = Duration::from_secs(2);
/// More bytes than come in that time.
const HUGE: u64 = 1 << 34;

/// Megabits a second.
fn download(network: &Network, port: u16) -> Outcome<f64> {
    let mut stream = network.connect(SERVER, port)?;
    stream.set_read_timeout(Some(super::PATIENCE))?;
    stream.write_all(b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n")?;
    let (mut part, mut bytes, start) = (vec![0; 256 << 10], 0, Instant::now());
    while start.elapsed() < SPELL {
        match stream.read(&mut part)? {
            0 => return Err(format!("port {port}: ended after {bytes} bytes").into()),
            count => bytes += count,
        }
    }
    Ok(bytes as f64 * 8.0 / 1e6 / start.elapsed().as_secs_f64())
}

#[test]
#[ignore = "needs root, ethtool: cargo xtask heavy"]
fn a_download_over_bad_paths_beside_the_kernels() -> Outcome {
    let tree = Tree::new()?;
    File::create(tree.root().join("huge"))?.set_len(HUGE)?;
    for (name, loss, delay) in PATHS {
        let toward = |loss| Faults { loss, delay, ..Faults::default() };
        let mut speeds = [0.0; 2];
        for (port, speed) in [81, 80].into_iter().zip(&mut speeds) {
            // Anew for each, so that frames are lost by the same lot.
            let network = Network::harmed([toward(0), toward(loss)], 1500, 1)?;
            // Whatever the machine is set to.
            network.server(&format!(
                "ip route replace 10.77.0.0/24 dev {INTERFACE} proto kernel scope link \
                 src {SERVER} congctl cubic"
            ))?;
            let _ours = Link::Xdp.serve(&network, 1, tree.root(), &[])?;
            let mut kernels = network.on_server(rig::crore::program()?);
            kernels.arg("serve").arg(tree.root());
            kernels.args(["--net", "epoll", "--listen", &format!("{SERVER}:81")]);
            let _kernels = network.started(kernels, 81)?;
            *speed = download(&network, port)?;
        }
        let [kernels, ours] = speeds;
        println!(
            "{name}: {ours:.1} Mbit/s, the kernel's CUBIC {kernels:.1}, ratio {:.2}",
            ours / kernels
        );
    }
    Ok(())
}
