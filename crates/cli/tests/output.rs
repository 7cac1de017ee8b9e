//! Standard output and files that take nothing: a full disk, a reader that went. No command may crash
//! of it, or lose what it found.

mod common;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use common::{Folder, Server, crore, run, stderr};

/// A server for as many requests as come, each on a connection of its own or all on one.
fn answering() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 4_096];
                while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
                }
            });
        }
    });
    url
}

#[test]
fn a_full_disk_is_told_and_no_crash() {
    let url = answering();
    for arguments in [
        &["serve", "--check"][..],
        &["man"],
        &["completions", "bash"],
        &["probe", "--list"],
        &["doctor", "--connections", "1", "--net", "stack"],
        &["demo", "--connections", "100", "--seconds", "1"],
        &["load", "--net", "epoll", &url, "-n", "10"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = crore().args(arguments).stdout(full).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("standard output: No space left"), "{arguments:?}: {told}");
    }
}

#[test]
fn nobody_listening_on_standard_error_is_no_crash() {
    for (arguments, status) in [
        (&["serve", "--listen", "192.0.2.1:1"][..], 1),
        (&["demo", "--connections", "100", "--seconds", "1"], 0),
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = crore().args(arguments).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
}

/// `crore serve --check | true`.
#[test]
fn a_reader_that_went_is_no_crash() {
    for arguments in [&["serve", "--check"][..], &["man"], &["probe", "--list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = crore().args(arguments).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    }
}

/// `crore stat -i 1 | head -1` went on asking for ever.
#[test]
fn stat_ends_when_nobody_reads_it_any_more() {
    let admin = Folder::new();
    let socket = format!("unix:{}", admin.path("admin.sock"));
    let server = Server::start(&["-l", "127.0.0.1:0", "--admin", &socket, "--user", "root"]);
    let mut child =
        crore().args(["stat", "-a", &socket, "-i", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("shard"), "{line}");
    assert!(child.wait().unwrap().success());
    // Of connections that are the kernel's there is no list, and that is said.
    let output = run(&["ss", "-a", &socket]);
    assert!(output.status.success() && stderr(&output).contains("ss -ti"), "{}", stderr(&output));
    drop(server);
}

#[test]
fn a_report_that_has_nowhere_to_go_is_told_before_anything_is_sent() {
    for flag in ["--json=", "--hdr=", "--svg="] {
        let output = run(&["load", "http://127.0.0.1:1/", &format!("{flag}/nowhere/report")]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let first = told.lines().next().unwrap();
        assert!(first.contains("/nowhere/report cannot be written"), "{told}");
    }
    // A report of an earlier run stays where this one does not get so far.
    let folder = Folder::new();
    let earlier = folder.write("report.json", "earlier");
    let output = run(&["load", "http://127.0.0.1:1/", "-c", "0", &format!("--json={earlier}")]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(earlier).unwrap(), "earlier");
}

#[test]
fn a_report_that_cannot_be_written_is_printed_all_the_same_and_so_are_the_others() {
    let folder = Folder::new();
    let svg = folder.path("load.svg");
    let url = answering();
    let flags = ["--json=/dev/full", &format!("--svg={svg}"), "-n", "10", "--net", "epoll"];
    let output = run(&[&["load", &url], &flags[..]].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("--json: /dev/full cannot be written: No space left"), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("200 × 10"), "{told}");
    assert!(fs::read_to_string(svg).unwrap().contains("Latency"));
}
