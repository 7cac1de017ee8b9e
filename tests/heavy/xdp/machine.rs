//! What crore does to a machine while it serves an interface, and what is left of that: nothing.

use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::client::Client;
use rig::crore;
use rig::netns::{INTERFACE, Network, SERVER};
use rig::process::Process;
use rig::tree::Tree;
use rustix::process::Signal;

use super::{Served, get};

/// All of a host that a server could have changed.
fn state(network: &Network) -> Outcome<String> {
    let lines = [
        format!("ip -details link show {INTERFACE}"),
        format!("ip address show {INTERFACE}"),
        "ip route show table all".into(),
        "ip rule".into(),
        "sysctl net.ipv4.ip_local_reserved_ports net.ipv4.ip_local_port_range".into(),
        "ethtool -k eth0".into(),
        "ss -tanH".into(),
    ];
    let mut state = String::new();
    for line in lines {
        state += &network.server(&line)?;
    }
    Ok(state)
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_server_that_is_killed_leaves_nothing_behind() -> Outcome {
    let tree = Tree::new()?;
    tree.file("file", "here")?;
    let network = Network::new(1, 1500)?;
    let before = state(&network)?;
    let mut served = Served::start(&network, "", tree.root(), &[])?;
    assert!(network.server(&format!("ip link show {INTERFACE}"))?.contains("xdp"));
    // Privileges are gone by now, the interface is not.
    assert_eq!(get(&network, &format!("http://{SERVER}/file"))?, b"here");
    served.process.signal(Signal::KILL)?;
    served.process.wait(Duration::from_secs(10))?;
    assert_eq!(state(&network)?, before);
    // The queue may be busy for a moment; the next server waits for it.
    let _next = Served::start(&network, "", tree.root(), &[])?;
    Ok(())
}

#[test]
#[ignore = "needs root, curl: cargo xtask heavy"]
fn addresses_and_routes_that_come_and_go_are_followed() -> Outcome {
    let tree = Tree::new()?;
    tree.file("file", "here")?;
    let network = Network::new(1, 1500)?;
    let _served = Served::start(&network, "", tree.root(), &[])?;
    // Beside the network that both are in: the way there is through the other host, each way.
    network.server(&format!("ip address add 10.88.0.1/32 dev {INTERFACE}"))?;
    network.client("ip route add 10.88.0.0/24 via 10.77.0.1")?;
    network.client("ip address add 10.99.0.2/32 dev lo")?;
    network.server("ip route add 10.99.0.0/24 via 10.77.0.2")?;
    let get = |flags: &str| {
        network.client(&format!("curl --silent --max-time 5 {flags} http://10.88.0.1/file"))
    };
    // Until crore has heard of the address the kernel refuses.
    let is_served = |flags: &str| {
        (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            get(flags).is_ok_and(|text| text == "here")
        })
    };
    assert!(is_served(""));
    assert!(is_served("--interface 10.99.0.2"));
    // Nobody has it any more, so it is the kernel's to say so.
    network.server(&format!("ip address delete 10.88.0.1/32 dev {INTERFACE}"))?;
    assert!(get("").is_err());
    network.server(&format!("ip address add 10.88.0.1/32 dev {INTERFACE}"))?;
    assert!(is_served(""));
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn what_is_in_the_way_is_named_with_what_to_do() -> Outcome {
    let tree = Tree::new()?;
    let network = Network::new(1, 1500)?;
    let refused = |net: &str, listen: &str| -> Outcome<String> {
        let mut command = network.on_server(crore::program()?);
        command.arg("serve").arg(tree.root()).args(["--net", net, "--listen", listen]);
        let mut process = Process::start(command)?;
        assert!(!process.wait(Duration::from_secs(30))?.success());
        process.printed()
    };
    let says = |net: &str, listen: &str, what: &str| -> Outcome {
        let said = refused(net, listen)?;
        assert!(said.contains(what), "{net} {listen}:\n{said}");
        Ok(())
    };
    says("xdp:eth7", "0.0.0.0:80", "there is no network interface")?;
    says("xdp:eth0", "192.0.2.1:80", "none of the stack's own addresses")?;
    network.server(&format!("ip link set {INTERFACE} down"))?;
    says("xdp:eth0", "0.0.0.0:80", "ip link set eth0 up")?;
    network.server(&format!("ip link set {INTERFACE} up"))?;
    let mut beside = network.on_server(crore::program()?);
    beside.arg("serve").arg(tree.root());
    beside.args(["--net", "epoll", "--listen", &format!("{SERVER}:81")]);
    let _beside = network.started(beside, 81)?;
    says("xdp:eth0", "0.0.0.0:81", "is in use by another program")?;
    let _served = Served::start(&network, "", tree.root(), &[])?;
    says("xdp:eth0", "0.0.0.0:82", "another XDP program is attached")
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_server_with_nothing_to_do_uses_no_processor() -> Outcome {
    let tree = Tree::new()?;
    tree.file("file", "here")?;
    for queues in [1, 2] {
        let network = Network::new(queues, 1500)?;
        let served = Served::start(&network, "", tree.root(), &[])?;
        // They rest, each after a request, for longer than this takes.
        let mut resting = Vec::new();
        for _ in 0..100 {
            let mut client = Client::over(network.connect(SERVER, 80)?)?;
            assert_eq!(client.get("/file")?.body, b"here");
            resting.push(client);
        }
        thread::sleep(Duration::from_millis(500));
        let before = served.process.processor_time()?;
        thread::sleep(Duration::from_secs(2));
        let used = served.process.processor_time()? - before;
        // Counted in ticks of 10 ms.
        assert!(used <= Duration::from_millis(20), "{used:?} of two seconds");
        for client in &mut resting {
            assert_eq!(client.get("/file")?.body, b"here");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_server_that_is_to_poll_does_and_serves() -> Outcome {
    let tree = Tree::new()?;
    tree.file("file", "here")?;
    let network = Network::new(1, 1500)?;
    let served = Served::start(&network, "", tree.root(), &["--park", "poll"])?;
    let before = served.process.processor_time()?;
    let start = Instant::now();
    // Far more than the test above lets a server use in this time, however busy the machine is.
    while served.process.processor_time()? - before < Duration::from_millis(300) {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not poll");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(get(&network, &format!("http://{SERVER}/file"))?, b"here");
    Ok(())
}
