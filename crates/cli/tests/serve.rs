//! `crore serve` with a real socket: where it listens, what it serves, and how much of it.

mod common;

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use common::{Client, Folder, Server, crore, run, stderr};

#[test]
fn a_folder_is_served() {
    let folder = Folder::new();
    folder.write("index.html", "<h1>index</h1>");
    folder.write("sub/a.txt", "a text");
    let server = Server::start(&["--listen", "127.0.0.1:0", &folder.path("")]);
    let mut client = server.connect();
    assert_eq!(client.get("/").text(), "<h1>index</h1>");
    let answer = client.get("/sub/a.txt");
    assert_eq!((answer.status, answer.text()), (200, "a text"));
    assert_eq!(client.get("/nothing").status, 404);
}

#[test]
fn without_a_folder_the_built_in_site_and_the_status_page_are_served() {
    let mut server = Server::start(&["--listen", "127.0.0.1:0"]);
    let said = server.said();
    assert!(said.contains("serves the built-in site on http://127.0.0.1:"), "{said}");
    assert!(said.contains(&format!("http://{}/status\n", server.address())), "{said}");
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/status").status, 200);
    assert!(client.get("/status.json").text().starts_with('{'));
}

#[test]
fn the_status_of_a_folder_is_at_the_admin_address_only() {
    let folder = Folder::new();
    folder.write("index.html", "index");
    let root = folder.path("");
    let arguments = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", &root];
    let mut server = Server::start(&arguments);
    assert_eq!(server.connect().get("/status").status, 404);
    let said = server.said();
    let status = said.lines().find_map(|line| line.strip_prefix("  status  http://")).unwrap();
    let admin = status.strip_suffix("/status").unwrap();
    let mut admin = Client::new(TcpStream::connect(admin).unwrap());
    assert_eq!(admin.get("/status").status, 200);
    assert_eq!(admin.get("/readyz").text(), "ready\n");
    assert!(admin.get("/metrics").text().contains("# EOF"));
}

#[test]
fn every_address_given_is_served() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let socket = folder.path("http.sock");
    let unix = format!("unix:{socket}");
    let root = folder.path("");
    let server = Server::start(&["-l", "127.0.0.1:0,[::1]:0", "-l", &unix, "--shards", "2", &root]);
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert!(addresses[1].starts_with("[::1]:"));
    for address in &addresses {
        let address = address.trim_end_matches(&format!(", {unix}"));
        let mut client = Client::new(TcpStream::connect(address).unwrap());
        assert_eq!(client.get("/a.txt").text(), "a");
    }
    assert_eq!(Client::unix(&socket).get("/a.txt").text(), "a");
}

#[test]
fn both_engines_serve() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    for engine in common::engines() {
        let root = folder.path("");
        let mut server = Server::start(&["-l", "127.0.0.1:0", "--net", engine, &root]);
        assert_eq!(server.connect().get("/a.txt").text(), "a", "{engine}");
        let name = if engine == "uring" { "io_uring" } else { engine };
        let said = server.said();
        let engine = said.lines().find_map(|line| line.strip_prefix("  engine  ")).unwrap();
        assert!(engine.starts_with(name) && engine.ends_with("; as asked for"), "{engine}");
    }
}

#[test]
fn the_engine_is_picked_by_a_trial_and_the_start_line_says_how_it_went() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let root = folder.path("");
    let mut server = Server::start(&["-l", "127.0.0.1:0", "--net", "kernel", &root]);
    assert_eq!(server.connect().get("/a.txt").text(), "a");
    let said = server.said();
    let engine = said.lines().find_map(|line| line.strip_prefix("  engine  ")).unwrap();
    assert!(engine.contains("io_uring") || engine.contains("epoll"), "{engine}");
    assert!(!engine.contains("as asked for"), "{engine}");
}

#[test]
fn an_address_that_is_taken_is_named_with_where_it_was_given() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "crore: --listen: cannot listen on {address}: another process listens there; stop it or \
         choose another address\n  = --listen 127.0.0.1:0 takes a port that is free\n"
    );
    assert_eq!(stderr(&output), expected);
}

/// Each shard has a socket of its own on the same port, which the kernel would share with those of
/// another process of the same user.
#[test]
fn a_second_server_is_not_let_in_beside_the_first() {
    let server = Server::start(&["-l", "127.0.0.1:0", "--shards", "2"]);
    let address = server.address();
    let output = run(&["serve", "-l", &address, "--shards", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another process listens there"), "{}", stderr(&output));
}

#[test]
fn sockets_from_systemd_are_served_in_place_of_the_default() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The shell makes standard input descriptor 3 and knows its own number, which crore inherits.
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_crore"), "serve", &folder.path("")]);
    let server = Server::start_command(command.stdin(Stdio::from(OwnedFd::from(listener))));
    assert_eq!(server.addresses(), [address.to_string()]);
    assert_eq!(server.connect().get("/a.txt").text(), "a");
}

#[test]
fn more_connections_than_memory_holds_are_refused_before_the_start() {
    let output = run(&["serve", "-l", "127.0.0.1:0", "-n", "4000000000"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("--max-connections: 4000000000 connections need about"), "{said}");
    assert!(said.contains("and memory suffices for"), "{said}");
}

/// `crore serve` with these arguments and so many descriptors at most.
fn with_descriptors(count: u32, arguments: &[&str]) -> Command {
    let mut command = crore();
    let program = command.get_program().to_owned();
    command = Command::new("/bin/sh");
    command.args(["-c", &format!("ulimit -n {count}; exec \"$@\""), "sh"]).arg(program);
    command.args(["serve", "-l", "127.0.0.1:0"]).args(arguments);
    command
}

#[test]
fn more_connections_than_descriptors_hold_are_refused_before_the_start() {
    let output = with_descriptors(1_024, &["--net", "epoll", "-n", "5000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("--max-connections: 5000 connections need as many file"), "{said}");
}

#[test]
fn few_descriptors_are_shared_between_connections_and_files() {
    let mut server = Server::start_command(&mut with_descriptors(1_024, &["--net", "epoll"]));
    // 256 of them for the server itself and a quarter for files.
    assert!(server.said().contains("limits  512 connections"), "{}", server.said());
}
