//! SIGTERM and SIGINT: answers under way are finished, nothing else is begun.

mod common;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use common::{Client, Folder, Server, crore, eventually, large};
use nix::sys::signal::Signal;

/// A server with a download under way that the client does not read.
fn with_a_stuck_download(folder: &Folder, drain: &str) -> (Server, Client<TcpStream>) {
    folder.write("large.bin", large());
    let server = Server::start(&["-l", "127.0.0.1:0", "--drain", drain, &folder.path("")]);
    let mut download = server.connect();
    download.ask("/large.bin");
    download.head();
    (server, download)
}

#[test]
fn sigterm_lets_a_download_finish_to_its_last_byte() {
    for net in common::engines() {
        let folder = Folder::new();
        let large = large();
        folder.write("large.bin", &large);
        folder.write("a.txt", "a");
        let mut server = Server::start(&["-l", "127.0.0.1:0", "--net", net, &folder.path("")]);
        let mut idle = server.connect();
        assert_eq!(idle.get("/a.txt").status, 200);
        let mut download = server.connect();
        download.ask("/large.bin");
        let head = download.head();
        assert_eq!(head.status, 200);
        server.signal(Signal::SIGTERM);
        server.line("no new connections");
        assert!(idle.is_closed());
        assert!(download.body(large.len()) == large, "the download differs");
        assert!(download.is_closed());
        assert!(server.wait().success(), "{}", server.said());
    }
}

#[test]
fn no_connection_is_accepted_while_draining() {
    let folder = Folder::new();
    folder.write("large.bin", large());
    folder.write("a.txt", "a");
    let mut server = Server::start(&["-l", "127.0.0.1:0", &folder.path("")]);
    let mut download = server.connect();
    download.ask("/large.bin");
    download.head();
    let mut idle = server.connect();
    assert_eq!(idle.get("/a.txt").status, 200);
    server.signal(Signal::SIGINT);
    // Once the idle connection has been closed the shards are draining.
    assert!(idle.is_closed());
    server.line("no new connections");
    eventually("connections are refused", || TcpStream::connect(server.address()).is_err());
}

#[test]
fn a_draining_server_says_that_it_is_not_ready() {
    let folder = Folder::new();
    folder.write("large.bin", large());
    let root = folder.path("");
    let admin = format!("unix:{}", folder.path("admin.sock"));
    let mut server = Server::start(&["-l", "127.0.0.1:0", "--admin", &admin, &root]);
    let mut download = server.connect();
    download.ask("/large.bin");
    download.head();
    let mut probe = Client::unix(&folder.path("admin.sock"));
    assert_eq!(probe.get("/readyz").status, 200);
    server.signal(Signal::SIGTERM);
    server.line("no new connections");
    assert_eq!(probe.get("/readyz").status, 503);
    assert_eq!(probe.get("/healthz").status, 200);
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = Folder::new();
    let (mut server, _download) = with_a_stuck_download(&folder, "1h");
    server.signal(Signal::SIGTERM);
    server.line("no new connections");
    server.signal(Signal::SIGTERM);
    server.line("ending at once");
    assert!(server.wait().success(), "{}", server.said());
}

#[test]
fn what_has_not_finished_within_the_time_to_drain_is_cut_off() {
    let folder = Folder::new();
    let (mut server, mut download) = with_a_stuck_download(&folder, "100ms");
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success(), "{}", server.said());
    let mut rest = Vec::new();
    assert!(!download.read_all(&mut rest) || rest.len() < large().len());
}

#[test]
fn systemd_is_told_when_it_is_ready_reloads_and_stops() {
    let folder = Folder::new();
    let notify = UnixDatagram::bind(folder.path("notify")).unwrap();
    fs::set_permissions(folder.path("notify"), PermissionsExt::from_mode(0o777)).unwrap();
    notify.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let told = || {
        let mut message = [0; 512];
        let length = notify.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let mut command = crore();
    command.args(["serve", "-l", "127.0.0.1:0"]).env("NOTIFY_SOCKET", folder.path("notify"));
    command.env("WATCHDOG_USEC", "400000");
    let mut server = Server::start_command(&mut command);
    assert!(told().starts_with("READY=1\n"));
    assert_eq!(told(), "WATCHDOG=1\n");
    server.signal(Signal::SIGHUP);
    let after = |wanted: &str| while !told().starts_with(wanted) {};
    after("RELOADING=1\n");
    after("READY=1\n");
    server.signal(Signal::SIGTERM);
    after("STOPPING=1\n");
    assert!(server.wait().success());
}
