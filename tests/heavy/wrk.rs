//! wrk, the load generator: thousands of requests on many connections, not one of them wrong.

use std::process::Command;

use rig::Outcome;
use rig::crore::{Crore, Settings};
use rig::tree::{Tree, pattern};

/// Runs wrk for two seconds and gives what it printed.
fn wrk(url: &str, flags: &[&str]) -> Outcome<String> {
    let output = Command::new("wrk").args(["-t1", "-d2s"]).args(flags).arg(url).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("wrk: {}\n{text}", output.status).into());
    }
    Ok(text)
}

#[test]
#[ignore = "needs wrk: cargo xtask heavy"]
fn wrk_counts_no_error() -> Outcome {
    let tree = Tree::new()?;
    tree.file("small", pattern(1024))?;
    tree.file("large", pattern(1 << 20))?;
    for engine in ["epoll", "uring"] {
        let settings =
            Settings { root: Some(tree.root()), flags: &["--net", engine], ..Settings::default() };
        let crore = Crore::start(&settings)?;
        let base = format!("http://{}", crore.address());
        for (path, flags) in [
            ("small", &["-c64"][..]),
            ("small", &["-c500"]),
            ("small", &["-c64", "-H", "Connection: close"]),
            ("large", &["-c16"]),
        ] {
            let text = wrk(&format!("{base}/{path}"), flags)?;
            let clean = !text.contains("Socket errors") && !text.contains("Non-2xx");
            assert!(clean && text.contains("Requests/sec"), "{engine} {path} {flags:?}:\n{text}");
        }
    }
    Ok(())
}
