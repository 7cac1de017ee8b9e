//! The status page in a real browser: it shows what the server counts, and goes on by itself.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rig::browser::Browser;
use rig::client::Client;
use rig::crore::{Crore, Settings};
use rig::process::Process;
use rig::{Outcome, descriptors, ports};

/// Where the picture of the page goes, if anywhere.
const SCREENSHOT: &str = "CRORE_SCREENSHOT";

/// How long a change may take to show. The page looks once a second.
const SHOW_MAX: Duration = Duration::from_secs(30);

/// Connections held open while the page is looked at.
const CONNECTIONS: usize = 8_000;

/// How long requests have been coming when the picture is taken, for the graph to show them.
const SEEN: Duration = Duration::from_secs(4);

/// What the page shows under this identifier, as a number.
fn shown(id: &str) -> String {
    format!("document.getElementById('{id}').textContent.replaceAll(',', '')")
}

fn is_at_least(least: usize) -> impl Fn(&str) -> bool {
    move |text| text.parse::<usize>().is_ok_and(|number| number >= least)
}

/// Starts requests for some seconds more than [`SEEN`].
fn load(address: SocketAddr) -> Outcome<Process> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c64", "-d7s"]).arg(format!("http://{address}/"));
    Process::start(wrk)
}

#[test]
#[ignore = "needs chromium and wrk: cargo xtask heavy"]
fn the_status_page_renders_and_updates() -> Outcome {
    descriptors::raise(CONNECTIONS as u64 + 200)?;
    let admin = ports::free()?;
    let flags = ["--admin", &admin.to_string()];
    let crore = Crore::start(&Settings { flags: &flags, ..Settings::default() })?;
    let mut browser = Browser::open(&format!("http://{admin}/status"), 1280, 860)?;
    browser.wait_for(&shown("connections"), SHOW_MAX, |text| text == "0")?;
    assert!(browser.text("document.title")?.contains("crore"));
    assert!(!browser.text("document.body.innerText")?.contains("undefined"));

    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(crore.address())?);
    }
    let wanted = is_at_least(CONNECTIONS);
    let connections = browser.wait_for(&shown("connections"), SHOW_MAX, &wanted)?;
    assert_eq!(connections, CONNECTIONS.to_string());

    let uptime = "document.getElementById('uptime').textContent";
    let before = browser.text(uptime)?;
    let mut load = load(crore.address())?;
    thread::sleep(SEEN);
    browser.wait_for(&shown("rate"), SHOW_MAX, is_at_least(1))?;
    assert_ne!(browser.text(uptime)?, before);
    if let Some(file) = env::var_os(SCREENSHOT) {
        fs::write(file, browser.screenshot()?)?;
    }
    assert!(load.wait(SHOW_MAX)?.success(), "{}", load.printed()?);

    drop(clients);
    browser.wait_for(&shown("connections"), SHOW_MAX, |text| text == "0")?;
    Ok(())
}
