//! The usual clients, in every mode of attaching, with one queue and with two.

use rig::Outcome;
use rig::crore;
use rig::netns::{Network, SERVER, SERVER_V6};
use rig::tree::{Tree, pattern};

use super::{Served, get};

#[test]
#[ignore = "needs root, curl, wrk, h2load: cargo xtask heavy"]
fn curl_wrk_and_h2load_are_served_beside_the_kernel() -> Outcome {
    let tree = Tree::new()?;
    let content = pattern(300_000);
    tree.file("file", &content)?;
    tree.file("small", pattern(1024))?;
    for (queues, mode) in [(1, ""), (2, ""), (1, "/generic"), (2, "/generic")] {
        let network = Network::new(queues, 1500)?;
        let served = Served::start(&network, mode, tree.root(), &[])?;
        let said = served.said()?;
        let place = if mode.is_empty() { "driver mode" } else { "generic mode" };
        assert!(said.contains(place) && said.contains(&format!("xdp on {queues} shard")), "{said}");
        for host in [SERVER, &format!("[{SERVER_V6}]")] {
            assert!(get(&network, &format!("http://{host}/file"))? == content, "{mode} {host}");
        }
        let url = format!("http://{SERVER}/small");
        for header in ["Accept: */*", "Connection: close"] {
            let mut wrk = network.on_client("wrk");
            let output = wrk.args(["-t1", "-c64", "-d1s", "-H", header, &url]).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let clean = !text.contains("Socket errors") && !text.contains("Non-2xx");
            assert!(clean && text.contains("Requests/sec"), "{mode} {queues} {header}:\n{text}");
        }
        let text = network.client(&format!("h2load --h1 -n 2000 -c 20 -m 4 {url}"))?;
        assert!(text.contains("2000 succeeded, 0 failed"), "{mode} {queues}:\n{text}");

        // The kernel's own server at the same address, and ours still there beside it.
        let mut beside = network.on_server(crore::program()?);
        beside.arg("serve").arg(tree.root());
        beside.args(["--net", "epoll", "--listen", &format!("{SERVER}:81")]);
        let _beside = network.started(beside, 81)?;
        for port in [80, 81] {
            assert!(get(&network, &format!("http://{SERVER}:{port}/file"))? == content, "{port}");
        }
    }
    Ok(())
}
