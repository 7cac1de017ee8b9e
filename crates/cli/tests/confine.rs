//! As whom the process serves, and what the kernel still lets it touch.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;

use common::{Folder, Server, crore, eventually, stderr};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

/// The user and group `nobody` of every Linux.
const NOBODY: u32 = 65_534;

#[test]
fn a_server_needs_no_root() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let root = folder.path("");
    let mut command = crore();
    command.args(["serve", "-l", "127.0.0.1:0", &root]);
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut server = Server::start_command(&mut command);
    assert_eq!(server.connect().get("/a.txt").text(), "a");
    assert!(!server.said().contains("was root"), "{}", server.said());
}

#[test]
fn root_is_given_up_for_good_by_every_thread() {
    if !geteuid().is_root() {
        return;
    }
    let mut server = Server::start(&["-l", "127.0.0.1:0"]);
    assert!(server.said().contains("user nobody (was root)"), "{}", server.said());
    for task in tasks(&server) {
        let ids = task.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
        for line in ids {
            let ids: Vec<&str> = line.split_whitespace().skip(1).collect();
            assert_eq!(ids, ["65534"; 4], "{line}");
        }
        assert!(task.contains("\nGroups:\t65534 \n"), "{task}");
        assert!(task.contains("\nCapPrm:\t0000000000000000\n"), "{task}");
    }
}

/// What the kernel says of each thread of a server.
fn tasks(server: &Server) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let statuses = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")));
    statuses.map(Result::unwrap).collect()
}

#[test]
fn a_folder_that_the_user_named_cannot_read_is_warned_of() {
    if !geteuid().is_root() {
        return;
    }
    let root = closed_folder();
    let mut command = crore();
    command.args(["serve", "-l", "127.0.0.1:0", "--user", "nobody", &root.path("")]);
    let mut server = Server::spawn(&mut command);
    server.line("user nobody (was root) is not permitted to read");
}

#[test]
fn a_folder_that_only_root_can_enter_is_served_with_no_other_right_of_root() {
    if !geteuid().is_root() {
        return;
    }
    let root = closed_folder();
    let mut server = Server::start(&["-l", "127.0.0.1:0", &root.path("")]);
    assert!(server.said().contains("user nobody (was root; may still read as root)"));
    assert_eq!(server.connect().get("/page.txt").text(), "a page");
    for task in tasks(&server) {
        // CAP_DAC_READ_SEARCH is the third lowest bit of the set (linux/capability.h).
        assert!(task.contains("\nCapEff:\t0000000000000004\n"), "{task}");
        assert!(task.contains("\nCapPrm:\t0000000000000004\n"), "{task}");
    }
}

/// A folder with a page that only its owner can enter.
fn closed_folder() -> Folder {
    let folder = Folder::new();
    folder.write("page.txt", "a page");
    fs::set_permissions(folder.path(""), PermissionsExt::from_mode(0o700)).unwrap();
    folder
}

#[test]
fn another_user_is_refused_to_all_but_root() {
    let mut command = crore();
    command.args(["serve", "-l", "127.0.0.1:0", "--user", "root"]);
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.starts_with("crore: --user: only root can become `root`"), "{said}");
}

#[test]
fn a_sandboxed_server_reads_nothing_outside_of_its_folders() {
    let folder = Folder::new();
    folder.write("conf/www/a.txt", "a");
    let outside = folder.write("outside/crore.toml", "[site]\nroot = 'www'\n");
    for (mode, confined) in [("off", false), ("auto", true)] {
        let text = "listen = '127.0.0.1:0'\n[site]\nroot = 'www'\n";
        let file = folder.write("conf/crore.toml", text);
        let mut server = Server::start(&["-c", &file, "--sandbox", mode]);
        let here = server.said().contains("sandbox landlock ABI");
        assert!(confined || !here);
        if confined && !here {
            continue;
        }
        let unprivileged = |task: &String| task.contains("\nNoNewPrivs:\t1\n");
        assert!(tasks(&server).iter().all(unprivileged));
        // The file that is read on a reload is now one outside.
        fs::remove_file(&file).unwrap();
        symlink(&outside, &file).unwrap();
        server.signal(Signal::SIGHUP);
        if confined {
            server.line("was not taken");
            server.line("cannot be read: Permission denied");
        } else {
            server.line("was read anew");
        }
        assert_eq!(server.connect().get("/a.txt").text(), "a");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_sandboxed_server_refuses_a_new_folder_outside_and_says_why() {
    let folder = Folder::new();
    folder.write("conf/www/a.txt", "a");
    folder.write("other/a.txt", "other");
    let text = "listen = '127.0.0.1:0'\n[site]\nroot = 'www'\n";
    let file = folder.write("conf/crore.toml", text);
    let mut server = Server::start(&["-c", &file]);
    if !server.said().contains("sandbox landlock ABI") {
        return;
    }
    folder.write("conf/crore.toml", text.replace("'www'", "'../other'"));
    server.signal(Signal::SIGHUP);
    server.line("is outside of the folders that the sandbox allowed at the start");
    assert_eq!(server.connect().get("/a.txt").text(), "a");
    // A part of what was allowed is allowed.
    folder.write("conf/www/part/a.txt", "part");
    folder.write("conf/crore.toml", text.replace("'www'", "'www/part'"));
    server.signal(Signal::SIGHUP);
    server.line("was read anew");
    assert_eq!(server.connect().get("/a.txt").text(), "part");
}

#[test]
fn a_sandboxed_server_follows_the_link_that_a_deployment_switches() {
    let folder = Folder::new();
    folder.write("app/releases/1/a.txt", "one");
    folder.write("app/releases/2/a.txt", "two");
    symlink("releases/1", folder.path("app/current")).unwrap();
    let server = Server::start(&["-l", "127.0.0.1:0", &folder.path("app/current")]);
    let mut client = server.connect();
    assert_eq!(client.get("/a.txt").text(), "one");
    symlink("releases/2", folder.path("app/next")).unwrap();
    fs::rename(folder.path("app/next"), folder.path("app/current")).unwrap();
    eventually("the other release is served", || client.get("/a.txt").text() == "two");
}
