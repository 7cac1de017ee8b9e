//! `crore demo --net xdp` and `crore load --net xdp`: our own stack in the client role, over AF_XDP, with
//! the kernel beside; and that nothing is left of what they made.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rig::netns::{Network, SERVER, SERVER_V6};
use rig::process::Process;
use rig::tree::Tree;
use rig::{Outcome, crore};
use rustix::process::Signal;

/// How long anything may take. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(120);

/// The network namespaces that some process is in or holds, as the kernel lists them.
fn namespaces() -> Outcome<String> {
    let listed = Command::new("lsns").args(["-t", "net", "-n", "-o", "NS"]).output()?;
    Ok(String::from_utf8(listed.stdout)?)
}

/// The kernel takes namespaces apart behind the scenes.
fn come_back_to(before: &str) -> Outcome {
    let start = Instant::now();
    while namespaces()? != before && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(namespaces()?, before);
    Ok(())
}

fn demo(flags: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(crore::program()?);
    command.args(["demo", "--net", "xdp"]).args(flags);
    Ok(command)
}

#[test]
#[ignore = "needs root, lsns: cargo xtask heavy"]
fn a_demonstration_over_af_xdp_holds_its_connections_and_leaves_nothing() -> Outcome {
    let before = namespaces()?;
    for (connections, shards) in [("20000", "1"), ("3000", "2")] {
        let mut command =
            demo(&["-c", connections, "--server-shards", shards, "-s", "1", "--json"])?;
        let output = command.stderr(Stdio::inherit()).output()?;
        assert!(output.status.success(), "{output:?}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        // The kernel's client may have one open, too.
        let held = found["connections"].as_u64().unwrap_or(0);
        assert!(held >= connections.parse()?, "{found}");
        assert!(found["requests_per_second"].as_u64() > Some(0), "{found}");
        let client = &found["kernel_client"];
        assert!(client["pages"].as_u64() > client["lost"].as_u64(), "{found}");
    }
    come_back_to(&before)
}

#[test]
#[ignore = "needs root, lsns: cargo xtask heavy"]
fn a_demonstration_that_is_interrupted_or_killed_leaves_nothing() -> Outcome {
    let before = namespaces()?;
    for signal in [Signal::INT, Signal::KILL] {
        let mut demo = Process::start(demo(&["-c", "1000000"])?)?;
        let start = Instant::now();
        while !demo.printed()?.contains("opening") {
            assert!(start.elapsed() < PATIENCE && demo.ended()?.is_none(), "{}", demo.printed()?);
            thread::sleep(Duration::from_millis(20));
        }
        demo.signal(signal)?;
        demo.wait(PATIENCE)?;
    }
    come_back_to(&before)
}

/// With two queues at each end, half of the answers come to a shard that they are not for.
#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn load_comes_from_our_own_stack_over_af_xdp() -> Outcome {
    let tree = Tree::new()?;
    tree.file("page", "a".repeat(2000))?;
    let program = crore::program()?;
    let v6 = format!("[{SERVER_V6}]");
    for queues in [1, 2] {
        let network = Network::new(queues, 1500)?;
        network.server("ip route add 10.1.0.0/16 via 10.77.0.2")?;
        let mut serve = network.on_server(&program);
        serve.args(["serve", "--net", "xdp:eth0", "--listen", "0.0.0.0:80", "--listen", "[::]:80"]);
        serve.arg(tree.root());
        let _serving = network.started(serve, 80)?;
        for (host, net, flags) in [
            (SERVER, "xdp:eth0", &["-c", "200"][..]),
            (&v6, "xdp:eth0", &["-c", "200"]),
            (SERVER, "xdp:eth0", &["-c", "100", "--connection-per-request"]),
            (SERVER, "xdp:eth0", &["-c", "2000", "--sources", "10.1.0.0/24"]),
            (SERVER, "xdp:eth0/generic", &["-c", "200"]),
        ] {
            let mut load = network.on_client(&program);
            load.args(["load", "-n", "4000", "--expect-length", "2000", "--net", net]).args(flags);
            load.args(["--fail-if", "errors>0"]);
            let output = load.arg(format!("http://{host}/page")).output()?;
            assert!(output.status.success(), "{queues} queues, {flags:?}, {host}: {output:?}");
        }
    }
    Ok(())
}
