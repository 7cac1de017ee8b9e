//! SIGHUP: what changes, what stays, and that no connection notices.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use common::{Client, Folder, Server, crore, eventually, large};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A configuration that serves `folder` with a header line of this value.
fn config(folder: &Folder, value: &str) -> String {
    let rule = format!("[[host.rule]]\npath = '/**'\nheaders = {{ X-Test = '{value}' }}\n");
    let text = format!("listen = '127.0.0.1:0'\n[site]\nroot = 'www'\n[[host]]\n{rule}");
    folder.write("crore.toml", text)
}

#[test]
fn a_reload_changes_what_is_served_and_keeps_every_connection() {
    let folder = Folder::new();
    folder.write("www/a.txt", "a");
    let large = large();
    folder.write("www/large.bin", &large);
    let file = config(&folder, "before");
    let mut server = Server::start(&["-c", &file, "--shards", "2"]);
    let mut client = server.connect();
    assert_eq!(client.get("/a.txt").header("x-test"), Some("before"));
    let mut download = server.connect();
    download.ask("/large.bin");
    let head = download.head();

    for value in ["one", "two", "three"] {
        config(&folder, value);
        server.signal(Signal::SIGHUP);
        server.line("the configuration was read anew");
        assert_eq!(client.get("/a.txt").header("x-test"), Some(value));
    }
    assert_eq!(head.header("x-test"), Some("before"));
    assert!(download.body(large.len()) == large, "the download differs");
    assert_eq!(download.get("/a.txt").header("x-test"), Some("three"));
}

#[test]
fn a_reload_with_an_error_changes_nothing_and_says_where_it_is() {
    let folder = Folder::new();
    folder.write("www/a.txt", "a");
    let file = config(&folder, "before");
    let mut server = Server::start(&["-c", &file]);
    let mut client = server.connect();
    folder.write("crore.toml", "[site]\nroot = 'www'\n[limits]\nidle-tmie = '1s'\n");
    server.signal(Signal::SIGHUP);
    server.line("the configuration was not taken, the one before stays in force");
    server.line(&format!("{file}:4:1: unknown setting `idle-tmie`"));
    server.line("did you mean `idle-time`?");
    assert_eq!(client.get("/a.txt").header("x-test"), Some("before"));
    assert_eq!(server.connect().get("/a.txt").header("x-test"), Some("before"));
}

#[test]
fn a_reload_changes_limits_and_says_what_needs_a_restart() {
    let folder = Folder::new();
    folder.write("www/a.txt", "a");
    let text = "listen = '127.0.0.1:0'\nshards = 1\n[site]\nroot = 'www'\n";
    let file = folder.write("crore.toml", text);
    let mut server = Server::start(&["-c", &file]);
    let long = format!("/a.txt?{}", "x".repeat(2_000));
    assert_eq!(server.connect().get(&long).status, 200);
    let changed = text.replace("shards = 1", "shards = 2") + "[limits]\ntarget-bytes = 1000\n";
    folder.write("crore.toml", changed);
    server.signal(Signal::SIGHUP);
    server.line("what it changes of shards takes effect at the next restart");
    // Each shard looks for changed limits once a second.
    eventually("a long target is refused", || server.connect().get(&long).status == 414);
}

#[test]
fn a_server_goes_on_when_nobody_reads_what_it_tells() {
    let folder = Folder::new();
    folder.write("www/a.txt", "a");
    let file = config(&folder, "before");
    let mut command = crore();
    let mut child = command
        .args(["serve", "-v", "-c", &file])
        .stderr(Stdio::piped())
        .spawn()
        .map(Killed)
        .unwrap();
    let mut lines = BufRead::lines(BufReader::new(child.0.stderr.take().unwrap()));
    let first = lines.by_ref().map(Result::unwrap).find(|line| line.contains("http://")).unwrap();
    let address = first.rsplit("http://").next().unwrap().to_owned();
    drop(lines);
    config(&folder, "after");
    kill(Pid::from_raw(child.0.id() as i32), Signal::SIGHUP).unwrap();
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    eventually("the reload shows", || client.get("/a.txt").header("x-test") == Some("after"));
}

/// A process that is killed at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
