//! crore's own stack on a TAP device, with the kernel's stack and its programs as the clients: files
//! and their hashes, IPv4 and IPv6, several MTUs, load, odd ways to close, what is left behind.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crore::{Cx, Handler, Net, Server, Step, Tap};
use rig::Outcome;
use rig::tap::{DEVICE, Host, Made, STACK, STACK_V6};
use rig::tree::{Tree, pattern};
use rustix::process::Signal;

/// Bytes of the large file: more than every buffer on the way, and soon done with.
const LARGE: usize = 16 << 20;

/// How long an answer may take. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

fn tree() -> Outcome<Tree> {
    let tree = Tree::new()?;
    tree.file("index.html", "hello\n")?;
    tree.file("small", pattern(1024))?;
    tree.file("large", pattern(LARGE))?;
    Ok(tree)
}

fn address(ip: &str) -> Outcome<SocketAddr> {
    Ok(SocketAddr::new(ip.parse::<IpAddr>()?, 80))
}

fn connect(ip: &str) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address(ip)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The same file over both families comes out byte for byte, and ping is answered.
fn fetches_and_pings(host: &Host, tree: &Tree, ping_bytes: u16) -> Outcome {
    for (ip, url) in [(STACK, STACK.to_owned()), (STACK_V6, format!("[{STACK_V6}]"))] {
        let got = tree.root().join("got");
        host.run(&format!("curl -sS --max-time 60 -o {} http://{url}/large", got.display()))?;
        assert!(std::fs::read(&got)? == pattern(LARGE), "{ip}: the file differs");
        let said = host.run(&format!("ping -c 3 -i 0.05 -W 10 -s {ping_bytes} {ip}"))?;
        assert!(said.contains(" 0% packet loss") && !said.contains("DUP"), "{said}");
    }
    Ok(())
}

#[test]
#[ignore = "needs root, iproute2, curl and ping: cargo xtask heavy"]
fn files_arrive_whole_at_every_mtu() -> Outcome {
    let tree = tree()?;
    for (mtu, several_queues) in [(1280, true), (1500, false), (9000, true)] {
        let host = Host::new(Made::Before { mtu, several_queues })?;
        let shards = if several_queues { "2" } else { "1" };
        let mut crore = host.serve(tree.root(), &["--shards", shards])?;
        // As large as fits one packet over IPv6: its header and ICMP's take 48 bytes.
        fetches_and_pings(&host, &tree, mtu - 48)?;
        crore.signal(Signal::TERM)?;
        assert!(crore.wait(PATIENCE)?.success(), "{}", crore.printed()?);
        // It was there before, so it is still there.
        host.run(&format!("ip link show dev {DEVICE}"))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs root, iproute2, curl and ping: cargo xtask heavy"]
fn a_device_that_crore_made_goes_with_it_however_it_goes() -> Outcome {
    let tree = tree()?;
    for signal in [Signal::TERM, Signal::KILL] {
        let host = Host::new(Made::ByCrore)?;
        let mut crore = host.serve(tree.root(), &[])?;
        fetches_and_pings(&host, &tree, 56)?;
        crore.signal(signal)?;
        crore.wait(PATIENCE)?;
        assert!(host.run(&format!("ip link show dev {DEVICE}")).is_err(), "{signal:?}");
        let routes = host.run("ip route")?;
        assert_eq!(routes, "", "{signal:?}");
    }
    Ok(())
}

#[test]
#[ignore = "needs root, iproute2 and wrk: cargo xtask heavy"]
fn wrk_counts_no_error_and_rest_costs_nothing() -> Outcome {
    let tree = tree()?;
    let host = Host::new(Made::ByCrore)?;
    let crore = host.serve(tree.root(), &[])?;
    for (path, flags) in [
        ("small", "-c64"),
        ("small", "-c300"),
        ("small", "-c32 -H Connection:close"),
        ("large", "-c8"),
    ] {
        let text =
            host.run(&format!("wrk -t1 -d1s --timeout 30s {flags} http://{STACK}/{path}"))?;
        let clean = !text.contains("Socket errors") && !text.contains("Non-2xx");
        assert!(clean && text.contains("Requests/sec"), "{path} {flags}:\n{text}");
    }
    // Connections that are closing are looked after; then there is nothing to do.
    thread::sleep(Duration::from_secs(1));
    let before = crore.processor_time()?;
    thread::sleep(Duration::from_secs(2));
    let used = crore.processor_time()? - before;
    assert!(used <= Duration::from_millis(20), "{used:?} of processor time in 2 s of rest");
    Ok(())
}

/// What it said was the number of an error.
#[test]
#[ignore = "needs root and iproute2: cargo xtask heavy"]
fn a_device_that_is_removed_is_an_end_that_is_explained() -> Outcome {
    let tree = tree()?;
    let host = Host::new(Made::ByCrore)?;
    let mut crore = host.serve(tree.root(), &[])?;
    host.run(&format!("ip link delete dev {DEVICE}"))?;
    assert!(!crore.wait(PATIENCE)?.success());
    let said = crore.printed()?;
    assert!(said.contains("the TAP device is gone"), "{said}");
    Ok(())
}

#[test]
#[ignore = "needs root and iproute2: cargo xtask heavy"]
fn half_closed_slow_and_reset_connections() -> Outcome {
    let tree = tree()?;
    let host = Host::new(Made::ByCrore)?;
    let _crore = host.serve(tree.root(), &["--admin", "127.0.0.1:9"])?;
    host.inside(|| {
        for ip in [STACK, STACK_V6] {
            // A request, and the end of the client's side with it: the answer still comes whole.
            let mut half = connect(ip)?;
            half.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
            half.shutdown(Shutdown::Write)?;
            let mut answer = Vec::new();
            half.read_to_end(&mut answer)?;
            assert!(answer.ends_with(&pattern(LARGE)), "{ip}: cut off at {}", answer.len());

            // A reader that stops for a while in the middle.
            let mut slow = connect(ip)?;
            slow.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
            let mut start = vec![0; 100_000];
            slow.read_exact(&mut start)?;
            thread::sleep(Duration::from_millis(700));
            let mut rest = Vec::new();
            slow.read_to_end(&mut rest)?;
            assert!(rest.ends_with(&pattern(LARGE)[LARGE - 1_000_000..]), "{ip}");

            // A reset in the middle of an answer.
            let mut gone = connect(ip)?;
            gone.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")?;
            gone.read_exact(&mut start)?;
            socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    })?;
    let program = rig::crore::program()?.to_string_lossy().into_owned();
    let table = host.run(&format!("{program} stat --admin 127.0.0.1:9"))?;
    assert!(table.contains("packets in") && table.lines().count() >= 3, "{table}");
    let list = |flags: &str| host.run(&format!("{program} ss --admin 127.0.0.1:9 {flags}"));
    let resting = host.inside(|| connect(STACK))?;
    let port = format!("--port {}", resting.local_addr()?.port());
    let start = Instant::now();
    while !list(&port)?.contains("ESTABLISHED") {
        assert!(start.elapsed() < PATIENCE, "{}", list("")?);
    }
    assert!(!list("--state syn-sent")?.contains("10.78."));
    let status = host.run("curl -sS http://127.0.0.1:9/status.json")?;
    let status: serde_json::Value = serde_json::from_str(&status)?;
    assert_eq!(status["total"]["stack_dropped_malformed"], 0, "{status}");
    assert_eq!(status["total"]["stack_dropped_checksum"], 0, "{status}");
    Ok(())
}

/// Sends back what it gets, however slowly that is taken.
struct Echo;

impl Handler for Echo {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        let echoed = cx.out.put_some(rx);
        if echoed < rx.len() { Step::write(echoed) } else { Step::idle(echoed) }
    }
}

#[test]
#[ignore = "needs root and iproute2: cargo xtask heavy"]
fn what_is_sent_up_comes_back_whole() -> Outcome {
    let host = Host::new(Made::ByCrore)?;
    let own = [format!("{STACK}/24"), format!("{STACK_V6}/64")];
    let addresses = own.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let tap =
        Tap { device: DEVICE.into(), addresses, dhcp: false, gateways: vec![], sources: vec![] };
    // The server's threads live where the thread does that starts them.
    let server = host.inside(|| {
        let server = Server::new().net(Net::Tap(tap)).shards(2);
        Ok(server.listen("0.0.0.0:80").listen("[::]:80").start(|_| Echo)?)
    })?;
    host.configure()?;
    host.inside(|| {
        for ip in [STACK, STACK_V6] {
            let mut up = connect(ip)?;
            let mut down = up.try_clone()?;
            let sender = thread::spawn(move || {
                up.write_all(&pattern(LARGE))?;
                up.shutdown(Shutdown::Write)
            });
            let mut back = Vec::with_capacity(LARGE);
            down.read_to_end(&mut back)?;
            assert!(back == pattern(LARGE), "{ip}: {} bytes came back", back.len());
            sender.join().map_err(|_| "it panicked")??;
        }
        Ok(())
    })?;
    server.shut_down();
    Ok(server.wait()?)
}

/// The kinds of the blocks of a pcapng file and their bodies, read by their lengths alone.
fn blocks(mut capture: &[u8]) -> Vec<(u32, &[u8])> {
    let mut blocks = Vec::new();
    while let Some((head, _)) = capture.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *head;
        let length = u32::from_le_bytes([e, f, g, h]) as usize;
        let (block, rest) = capture.split_at(length);
        assert_eq!(block[length - 4..], head[4..], "a block begins and ends with its length");
        blocks.push((u32::from_le_bytes([a, b, c, d]), &block[8..length - 4]));
        capture = rest;
    }
    blocks
}

#[test]
#[ignore = "needs root, iproute2 and curl: cargo xtask heavy"]
fn a_capture_has_what_passed_and_keeps_to_its_size() -> Outcome {
    let tree = tree()?;
    let host = Host::new(Made::ByCrore)?;
    let file = tree.root().join("a.pcapng");
    let flags = ["--pcap", &file.to_string_lossy(), "--pcap-bytes", "4MiB", "--pcap-port", "80"];
    let mut crore = host.serve(tree.root(), &flags)?;
    host.run(&format!("curl -sS --max-time 60 -o /dev/null http://{STACK}/large"))?;
    crore.signal(Signal::TERM)?;
    assert!(crore.wait(PATIENCE)?.success(), "{}", crore.printed()?);
    let mut second = file.clone().into_os_string();
    second.push(".1");
    let mut seen = 0;
    for file in [file.into_os_string(), second] {
        let capture = std::fs::read(&file)?;
        assert!(capture.len() <= 4 << 20, "{file:?} has {} bytes", capture.len());
        let blocks = blocks(&capture);
        // A section, two shards, and packets.
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds[..3], [0x0a0d_0d0a, 1, 1], "{file:?}");
        assert!(kinds[3..].iter().all(|kind| *kind == 6));
        // Each is of TCP over IPv4 or IPv6: the type is 12 bytes into the frame.
        for (_, packet) in &blocks[3..] {
            assert!(matches!(packet[20 + 12..20 + 14], [0x08, 0x00] | [0x86, 0xdd]));
        }
        seen += blocks.len() - 3;
    }
    // Those of the answer stand for many segments each.
    assert!(seen > 100, "{seen} packets");
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn what_is_wrong_with_a_device_is_said() -> Outcome {
    let host = Host::new(Made::Before { mtu: 1500, several_queues: false })?;
    let program = rig::crore::program()?.to_string_lossy().into_owned();
    let serve = |flags: &str| {
        let line = format!("{program} serve --address 10.78.0.2/24 {flags}");
        host.run(&line).unwrap_err().to_string()
    };
    for (flags, complaint) in [
        ("--net tap:tap0 --shards 2", "multi_queue"),
        ("--net tap:lo --shards 1", "is no TAP device"),
        ("--net tap:tap0 --gateway 10.79.0.1", "cannot be a gateway"),
        ("--net tap:tap0 --listen 10.78.0.3:80", "none of the stack's own addresses"),
    ] {
        let said = serve(flags);
        assert!(said.contains(complaint), "{flags}: {said}");
    }
    let mut poor = host.command("setpriv");
    poor.args(["--reuid=65534", "--regid=65534", "--clear-groups", &program]);
    poor.args(["serve", "--net", "tap:other", "--address", "10.78.0.2/24"]);
    let said = String::from_utf8(poor.output()?.stderr)?;
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    Ok(())
}
