//! curl, as people use it: ranges, compression, Expect, HTTP/1.0, Unix sockets, IPv6.

use std::process::Command;

use rig::Outcome;
use rig::crore::{Crore, Settings};
use rig::tree::{Tree, pattern};

/// Runs curl and gives what it wrote to its standard output.
fn curl(arguments: &[&str]) -> Outcome<Vec<u8>> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30"])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("curl {arguments:?}: {reason}").into());
    }
    Ok(output.stdout)
}

struct Served {
    tree: Tree,
    crore: Crore,
    text: String,
}

impl Served {
    fn new(flags: &[&str]) -> Outcome<Self> {
        let tree = Tree::new()?;
        let text: String = (0..5_000).map(|line| format!("line {line}\n")).collect();
        tree.file("text.txt", &text)?;
        tree.file("large.bin", pattern(8 << 20))?;
        let settings = Settings { root: Some(tree.root()), flags, ..Settings::default() };
        let crore = Crore::start(&settings)?;
        Ok(Self { tree, crore, text })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.crore.address())
    }
}

#[test]
#[ignore = "needs curl: cargo xtask heavy"]
fn whole_files_and_ranges() -> Outcome {
    let served = Served::new(&[])?;
    let content = pattern(8 << 20);
    let url = served.url("large.bin");
    assert!(curl(&[&url])? == content);
    assert!(curl(&["--range", "1000000-1999999", &url])? == content[1_000_000..2_000_000]);
    assert!(curl(&["--range", "-10", &url])? == content[content.len() - 10..]);
    // A download taken up where an earlier one stopped.
    let half = served.tree.file("half", &content[..4 << 20])?;
    curl(&["--continue-at", "-", "--output", &half.to_string_lossy(), &url])?;
    assert!(std::fs::read(&half)? == content);
    Ok(())
}

#[test]
#[ignore = "needs curl: cargo xtask heavy"]
fn compression_is_agreed_on_and_undone() -> Outcome {
    let served = Served::new(&[])?;
    let url = served.url("text.txt");
    for coding in ["br", "gzip", "zstd"] {
        let accept = format!("Accept-Encoding: {coding}");
        let plain = curl(&["--compressed", "--header", &accept, &url])?;
        assert!(plain == served.text.as_bytes(), "{coding}");
        let small = curl(&["--header", &accept, &url])?;
        assert!(small.len() < served.text.len() / 2, "{coding}: {} bytes", small.len());
    }
    assert!(curl(&[&url])? == served.text.as_bytes());
    Ok(())
}

#[test]
#[ignore = "needs curl: cargo xtask heavy"]
fn old_and_unusual_requests() -> Outcome {
    let served = Served::new(&[])?;
    let url = served.url("text.txt");
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let with = |more: &[&str]| -> Outcome<String> {
        Ok(String::from_utf8(curl(&[&status, more].concat())?)?)
    };
    assert!(curl(&["--http1.0", &url])? == served.text.as_bytes());
    assert_eq!(with(&["--head", &url])?, "200");
    assert_eq!(with(&["--request", "OPTIONS", &url])?, "204");
    assert_eq!(with(&["--data", "a=b", &url])?, "405");
    // curl waits for the answer to Expect before it sends a body.
    for (file, expected) in [("text.txt", "405"), ("large.bin", "413")] {
        let body = format!("@{}", served.tree.root().join(file).display());
        let expect = "Expect: 100-continue";
        assert_eq!(with(&["--header", expect, "--data-binary", &body, &url])?, expected);
    }
    let chunked = "Transfer-Encoding: chunked";
    assert_eq!(with(&["--header", chunked, "--data-binary", "abc", &url])?, "405");
    Ok(())
}

#[test]
#[ignore = "needs curl: cargo xtask heavy"]
fn one_connection_serves_many_requests() -> Outcome {
    let served = Served::new(&[])?;
    let url = served.url("text.txt");
    let counted = ["--output", "/dev/null", "--write-out", "%{num_connects} "];
    let many =
        curl(&[&counted[..], &[&url], &counted[..2], &[&url], &counted[..2], &[&url]].concat())?;
    assert_eq!(String::from_utf8(many)?.trim(), "1 0 0");
    Ok(())
}

#[test]
#[ignore = "needs curl: cargo xtask heavy"]
fn unix_sockets_and_ipv6() -> Outcome {
    let folder = Tree::new()?;
    // The server makes the socket before it gives up its privileges.
    let socket = folder.root().join("socket");
    let socket = socket.to_string_lossy();
    let port = rig::ports::free()?.port();
    let served = Served::new(&[
        "--listen",
        &format!("unix:{socket}"),
        "--listen",
        &format!("[::1]:{port}"),
    ])?;
    let over_unix = curl(&["--unix-socket", &socket, "http://test/text.txt"])?;
    assert!(over_unix == served.text.as_bytes());
    let over_ipv6 = curl(&[&format!("http://[::1]:{port}/text.txt")])?;
    assert!(over_ipv6 == served.text.as_bytes());
    Ok(())
}
