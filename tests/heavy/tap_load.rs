//! `crore load` on a TAP device, against nginx on the kernel's end: devices made here and before, IPv4 and
//! IPv6, two shards. And a server whose device becomes narrower while it answers.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use rig::Outcome;
use rig::crore::program;
use rig::nginx::{Nginx, Settings};
use rig::process::Process;
use rig::tap::{DEVICE, Host, KERNEL, KERNEL_V6, Made, STACK, STACK_V6};
use rig::tree::{Tree, pattern};
use serde_json::{Value, json};

/// How long anything may take. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(120);

/// Requests of one run.
const REQUESTS: u64 = 20_000;

/// nginx at all of the kernel's addresses, whichever it will have.
fn nginx(host: &Host, tree: &Tree) -> Outcome<Nginx> {
    let server = "listen [::]:80;";
    let settings = Settings { root: tree.root(), http: "", server, core: None };
    Nginx::start_beside(host, &settings, SocketAddr::from(([0, 0, 0, 0], 80)))
}

/// Runs `crore load` on the host's device and gives its report; `meanwhile` is done once it has begun.
fn load(host: &Host, flags: &[&str], meanwhile: impl FnOnce() -> Outcome) -> Outcome<Value> {
    let report = Tree::new()?;
    let file = report.root().join("report.json");
    let mut command = host.command(program()?);
    command.args(["load", "--net", &format!("tap:{DEVICE}"), "-n", &REQUESTS.to_string()]);
    command.args(["-c", "40", "--shards", "2", &format!("--json={}", file.display())]).args(flags);
    let mut crore = Process::start(command)?;
    meanwhile()?;
    let ended = crore.wait(PATIENCE)?;
    assert!(ended.success(), "{flags:?}: {}", crore.printed()?);
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// Waits for a device that crore makes, and gives the kernel its addresses there.
fn configure_when_there(host: &Host) -> Outcome {
    let start = Instant::now();
    while host.configure().is_err() {
        assert!(start.elapsed() < PATIENCE, "{DEVICE} is not there");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
#[ignore = "needs root, iproute2 and nginx: cargo xtask heavy"]
fn load_goes_over_a_device_of_its_own_and_every_answer_is_right() -> Outcome {
    let tree = Tree::new()?;
    let content = tree.file("page", pattern(10_000))?;
    let content = content.to_string_lossy();
    let own = format!("{STACK}/24,{STACK_V6}/64");
    for made in [Made::ByCrore, Made::Before { mtu: 1500, several_queues: true }] {
        let host = Host::new(made)?;
        if made != Made::ByCrore {
            host.configure()?;
            host.run(&format!("ip link set {DEVICE} up"))?;
        }
        let _nginx = nginx(&host, &tree)?;
        for (server, more) in [
            (KERNEL.to_owned(), &["--expect-file", &content][..]),
            (format!("[{KERNEL_V6}]"), &["--expect-file", &content]),
            (KERNEL.to_owned(), &["--connection-per-request"]),
        ] {
            let url = format!("http://{server}/page");
            let flags = [&[&url, "--address", &own], more].concat();
            let report = load(&host, &flags, || configure_when_there(&host))?;
            let (answers, errors) = (&report["requests"], &report["errors"]);
            assert_eq!((answers, errors), (&json!(REQUESTS), &json!({})), "{flags:?}: {report}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root, iproute2 and curl: cargo xtask heavy"]
fn a_device_that_becomes_narrower_during_an_answer_is_followed() -> Outcome {
    const ADMIN: &str = "127.0.0.1:9";
    const LARGE: usize = 32 << 20;
    let tree = Tree::new()?;
    tree.file("index.html", "hello\n")?;
    tree.file("large", pattern(LARGE))?;
    for made in [Made::ByCrore, Made::Before { mtu: 9000, several_queues: true }] {
        let host = Host::new(made)?;
        // The client's kernel takes little ahead of curl: the server is to be in the middle of its answer.
        let little = "4096 131072 1048576";
        host.inside(|| Ok(fs::write("/proc/sys/net/ipv4/tcp_rmem", little)?))?;
        let _crore = host.serve(tree.root(), &["--shards", "2", "--admin", ADMIN])?;
        let got = tree.root().join("got");
        for (ip, headers) in [(STACK.to_owned(), 40), (format!("[{STACK_V6}]"), 60)] {
            let mut curl = host.command("curl");
            curl.args(["-sS", "--max-time", "100", "--limit-rate", "10M", "-o"]).arg(&got);
            let mut curl = Process::start({
                curl.arg(format!("http://{ip}/large"));
                curl
            })?;
            let program = program()?.to_string_lossy().into_owned();
            let sizes = || -> Outcome<Vec<u32>> {
                let list =
                    host.run(&format!("{program} ss --admin {ADMIN} --state established"))?;
                let sizes = list.split_whitespace().filter_map(|word| word.strip_prefix("mss:"));
                Ok(sizes.map(str::parse).collect::<Result<_, _>>()?)
            };
            let wait_for = |wanted: &dyn Fn(u32) -> bool| -> Outcome {
                let start = Instant::now();
                while !sizes()?.iter().any(|size| wanted(*size)) {
                    assert!(start.elapsed() < PATIENCE, "{:?}", sizes());
                    thread::sleep(Duration::from_millis(20));
                }
                Ok(())
            };
            // The connection is there, and as wide as the device.
            wait_for(&|size| size >= 1_400)?;
            host.run(&format!("ip link set {DEVICE} mtu 1280"))?;
            // Twelve bytes of each segment are a timestamp.
            wait_for(&|size| size == 1_280 - headers - 12)?;
            assert!(curl.wait(PATIENCE)?.success(), "{ip}: {}", curl.printed()?);
            assert!(fs::read(&got)? == pattern(LARGE), "{ip}: the file differs");
            // Wide again: new connections are.
            let wide = if made == Made::ByCrore { 1500 } else { 9000 };
            host.run(&format!("ip link set {DEVICE} mtu {wide}"))?;
            host.configure()?;
        }
    }
    Ok(())
}
