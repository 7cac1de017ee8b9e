//! The access log: where it goes, whose it is, and that it can be rotated.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use common::{Folder, Server, crore, eventually};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

fn wait_for_line(file: &str, text: &str) {
    eventually("the log has its line", || {
        fs::read_to_string(file).is_ok_and(|content| content.contains(text))
    });
}

#[test]
fn the_access_log_has_every_request_and_is_opened_anew_on_a_reload() {
    let folder = Folder::new();
    folder.write("www/a.txt", "a");
    let file = folder.write("crore.toml", "[site]\nroot = 'www'\n");
    fs::create_dir(folder.path("logs")).unwrap();
    let mode = PermissionsExt::from_mode(0o777);
    fs::set_permissions(folder.path("logs"), mode).unwrap();
    let log = folder.path("logs/access.log");
    let arguments =
        ["-c", &file, "-l", "127.0.0.1:0", "--log", "combined", "--log-file", &log, "-s", "1"];
    let mut server = Server::start(&arguments);
    let mut client = server.connect();
    let request = "\"GET /a.txt HTTP/1.1\" 200 1";
    client.get("/a.txt");
    wait_for_line(&log, request);
    fs::rename(&log, folder.path("logs/access.log.1")).unwrap();
    server.signal(Signal::SIGHUP);
    server.line("was read anew");
    // Lines go to the new file from the reload on, however soon it is opened.
    eventually("the log is there again", || {
        client.get("/a.txt");
        Path::new(&log).exists()
    });
    client.get("/a.txt?last");
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().last().unwrap().contains("\"GET /a.txt?last HTTP/1.1\" 200 1"), "{text}");
}

#[test]
fn root_makes_the_log_for_the_user_it_becomes() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let log = folder.path("access.log");
    let server = Server::start(&["-l", "127.0.0.1:0", "--log", "json", "--log-file", &log]);
    server.connect().get("/");
    wait_for_line(&log, "\"");
    let (mode, owner) = fs::metadata(&log).map(|of| (of.mode() & 0o777, of.uid())).unwrap();
    assert_eq!((mode, owner), (0o640, 65_534));
}

#[test]
fn the_access_log_goes_to_standard_output() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let mut command = crore();
    command.args(["serve", "-l", "127.0.0.1:0", "--log", "json", &folder.path("")]);
    command.stdout(Stdio::piped());
    let mut server = Server::start_command(&mut command);
    server.connect().get("/a.txt");
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    let line = server.stdout();
    assert!(line.starts_with('{') && line.contains("/a.txt"), "{line}");
}
