//! A stack whose address is leased, from dnsmasq on the kernel's end of its TAP device: a server with two
//! shards, a generator of load, and what happens where there is no server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::crore::program;
use rig::nginx::{Nginx, Settings};
use rig::process::Process;
use rig::tap::{DEVICE, Host, KERNEL, Made};
use rig::tree::{Tree, pattern};
use rustix::process::Signal;
use serde_json::{Value, json};

/// How long anything may take: longer than until a client asks again that was not heard. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(90);

/// A host with a device and a DHCP server at it.
struct Network {
    host: Host,
    dnsmasq: Process,
    leases: PathBuf,
    // Holds the leases.
    _folder: Tree,
}

/// Waits for something to be so.
fn wait_for(what: &str, mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > PATIENCE {
            return Err(format!("waited too long for {what}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Network {
    fn new() -> Outcome<Self> {
        let host = Host::new(Made::Before { mtu: 1500, several_queues: true })?;
        host.configure()?;
        host.run(&format!("ip link set {DEVICE} up"))?;
        let folder = Tree::new()?;
        let leases = folder.root().join("leases");
        let dnsmasq = Process::start(Self::server(&host, KERNEL, &leases))?;
        Ok(Self { host, dnsmasq, leases, _folder: folder })
    }

    /// A DHCP server with this address, which is also the router.
    fn server(host: &Host, own: &str, leases: &Path) -> Command {
        let mut command = host.command("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root"]);
        command.args(["--log-facility=-", "--log-dhcp", "--no-ping", "--bind-interfaces"]);
        command.args([&format!("--interface={DEVICE}"), "--dhcp-authoritative"]);
        command.arg("--dhcp-range=10.78.0.50,10.78.0.60,255.255.255.0,2m");
        command.args(["--dhcp-option=option:mtu,1400", &format!("--dhcp-option=3,{own}")]);
        // It is to be renewed within the time of a test.
        command.args(["--dhcp-option=option:T1,5", "--dhcp-option=option:T2,6"]);
        // The router counts for nothing beside routes.
        command.arg(format!("--dhcp-option=121,10.79.0.0/16,{own},10.80.0.0/16,{own}"));
        command.arg(format!("--dhcp-leasefile={}", leases.display()));
        command
    }

    /// The addresses that are lent now.
    fn lent(&self) -> Outcome<Vec<String>> {
        let lines = fs::read_to_string(&self.leases).unwrap_or_default();
        Ok(lines.lines().filter_map(|line| Some(line.split(' ').nth(2)?.to_owned())).collect())
    }
}

#[test]
#[ignore = "needs root, iproute2, curl and dnsmasq: cargo xtask heavy"]
fn a_server_gets_its_address_serves_there_and_gives_it_back() -> Outcome {
    const ADMIN: &str = "127.0.0.1:9";
    let tree = Tree::new()?;
    tree.file("large", pattern(4 << 20))?;
    let mut network = Network::new()?;
    let mut command = network.host.command(program()?);
    command.arg("serve").arg(tree.root()).args(["--net", &format!("tap:{DEVICE}")]);
    command.args(["--address", "dhcp,fd78::2/64", "--shards", "2", "--admin", ADMIN]);
    let mut crore = Process::start(command)?;
    wait_for("the start line", || {
        assert!(crore.ended()?.is_none(), "{}\n{}", crore.printed()?, network.dnsmasq.printed()?);
        Ok(crore.printed()?.contains("http://10.78.0."))
    })?;
    let [address] = &network.lent()?[..] else { panic!("{:?}", network.lent()) };
    let told = crore.printed()?;
    assert!(told.contains(&format!("leased {address}/24")), "{told}");
    assert!(told.contains(&format!("http://{address}:8080")), "{told}");
    let got = tree.root().join("got");
    for ip in [address.clone(), "[fd78::2]".to_owned()] {
        for _ in 0..8 {
            let url = format!("http://{ip}:8080/large");
            network.host.run(&format!("curl -sS --max-time 60 -o {} {url}", got.display()))?;
            assert!(fs::read(&got)? == pattern(4 << 20), "{ip}: the file differs");
        }
    }
    // It answers for its address as any host does, and keeps to the server's MTU.
    network.host.run(&format!("ping -c 2 -i 0.05 -W 10 {address}"))?;
    let resting = network
        .host
        .inside(|| Ok(std::net::TcpStream::connect(SocketAddr::new(address.parse()?, 8080))?))?;
    let program = program()?.to_string_lossy().into_owned();
    let list = format!("{program} ss --admin {ADMIN} --port {}", resting.local_addr()?.port());
    wait_for("the connection in the list", || Ok(network.host.run(&list)?.contains("mss:1348")))?;
    drop(resting);
    renews(&mut network, &crore)?;
    crore.signal(Signal::TERM)?;
    assert!(crore.wait(PATIENCE)?.success(), "{}", crore.printed()?);
    wait_for("the address to be given back", || Ok(network.lent()?.is_empty()))?;
    let said = network.dnsmasq.printed()?;
    assert!(said.contains("DHCPRELEASE"), "{said}");
    Ok(())
}

/// The lease is renewed with its server; and with another when that one does not answer.
fn renews(network: &mut Network, crore: &Process) -> Outcome {
    const OTHER: &str = "10.78.0.7";
    let told = |what: &str| Ok(crore.printed()?.contains(what));
    wait_for("a renewal", || told("renewed 10.78.0."))?;
    network.dnsmasq.signal(Signal::TERM)?;
    network.dnsmasq.wait(PATIENCE)?;
    let address = |what, ip| network.host.run(&format!("ip address {what} {ip}/24 dev {DEVICE}"));
    address("add", OTHER)?;
    address("delete", KERNEL)?;
    address("replace", OTHER)?;
    network.dnsmasq = Process::start(Network::server(&network.host, OTHER, &network.leases))?;
    wait_for("another renewal", || told(&format!("from the DHCP server {OTHER}")))?;
    assert!(!told("expired")?, "{}", crore.printed()?);
    Ok(())
}

#[test]
#[ignore = "needs root, iproute2, nginx and dnsmasq: cargo xtask heavy"]
fn load_comes_from_an_address_that_is_leased() -> Outcome {
    let tree = Tree::new()?;
    tree.file("page", pattern(1_000))?;
    let network = Network::new()?;
    let settings = Settings { root: tree.root(), http: "", server: "", core: None };
    let _nginx =
        Nginx::start_beside(&network.host, &settings, SocketAddr::new(KERNEL.parse()?, 80))?;
    let file = tree.root().join("report.json");
    let mut command = network.host.command(program()?);
    command.args(["load", &format!("http://{KERNEL}/page"), "-n", "10000", "-c", "20"]);
    command.args(["--net", &format!("tap:{DEVICE}"), "--address", "dhcp", "--shards", "2"]);
    command.arg(format!("--json={}", file.display()));
    let mut crore = Process::start(command)?;
    assert!(crore.wait(PATIENCE)?.success(), "{}", crore.printed()?);
    let report: Value = serde_json::from_slice(&fs::read(file)?)?;
    assert_eq!((&report["requests"], &report["errors"]), (&json!(10_000), &json!({})), "{report}");
    wait_for("the address to be given back", || Ok(network.lent()?.is_empty()))
}

#[test]
#[ignore = "needs root and iproute2: cargo xtask heavy"]
fn who_waits_for_a_lease_says_so_and_can_be_stopped() -> Outcome {
    let host = Host::new(Made::ByCrore)?;
    let net = format!("tap:{DEVICE}");
    let load = format!("http://{KERNEL}/");
    for (what, good) in [(&["serve"][..], true), (&["load", &load, "-n", "1"], false)] {
        let mut command = host.command(program()?);
        command.args(what).args(["--net", &net, "--address", "dhcp"]);
        let mut crore = Process::start(command)?;
        wait_for("a word", || {
            assert!(crore.ended()?.is_none(), "{}", crore.printed()?);
            Ok(crore.printed()?.contains("asking for an address by DHCP on tap0, for 60 s"))
        })?;
        // There is nothing to read anew yet. It was the end.
        crore.signal(Signal::HUP)?;
        thread::sleep(Duration::from_millis(100));
        assert!(crore.ended()?.is_none(), "{}", crore.printed()?);
        crore.signal(Signal::INT)?;
        let status = crore.wait(Duration::from_secs(5))?;
        let told = crore.printed()?;
        assert!(status.success() == good && told.contains("told to stop"), "{status}\n{told}");
        let show = format!("ip link show dev {DEVICE}");
        wait_for("the device to go", || Ok(host.run(&show).is_err()))?;
    }
    Ok(())
}
