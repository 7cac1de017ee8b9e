//! Listening: what is taken over, what is replaced, what is left alone.

use std::io::Read;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use sock::{ListenOptions, Listener, LocalAddress};

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("crore-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn message(result: Result<Listener, sock::ListenError>) -> String {
    result.expect_err("should not listen").to_string()
}

#[test]
fn a_socket_file_nobody_listens_on_is_replaced() {
    let folder = Folder::new("stale");
    let path = folder.0.join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the standard library leaves it behind");
    let listener = Listener::unix(&path).unwrap();
    assert_eq!(*listener.local_addr(), LocalAddress::Unix(Some(path.clone())));
    UnixStream::connect(&path).unwrap();
    assert!(message(Listener::unix(&path)).contains("another process listens there"));
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = Folder::new("occupied");
    let path = folder.0.join("file");
    std::fs::write(&path, "precious").unwrap();
    assert!(message(Listener::unix(&path)).contains("not a socket is in the way"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn the_socket_file_of_a_successor_is_left_alone() {
    let folder = Folder::new("successor");
    let path = folder.0.join("socket");
    let mut first = Listener::unix(&path).unwrap();
    let clone = first.try_clone().unwrap();
    drop(first);
    assert!(path.exists(), "a clone still listens");
    std::fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    drop(clone);
    assert!(path.exists());
    drop(successor);
}

#[test]
fn sockets_that_listen_already_are_taken_over() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let taken = Listener::from_fd(OwnedFd::from(tcp)).unwrap();
    assert_eq!(*taken.local_addr(), LocalAddress::Inet(address));
    assert_eq!(taken.local_addr().to_string(), address.to_string());

    let folder = Folder::new("handed-over");
    let path = folder.0.join("socket");
    let unix = UnixListener::bind(&path).unwrap();
    let taken = Listener::from_fd(OwnedFd::from(unix)).unwrap();
    assert_eq!(*taken.local_addr(), LocalAddress::Unix(Some(path.clone())));
    drop(taken);
    assert!(path.exists(), "whoever made it removes it");
}

#[test]
fn what_does_not_listen_is_not_taken_over() {
    let (one, mut other) = UnixStream::pair().unwrap();
    let refused = message(Listener::from_fd(OwnedFd::from(one)));
    assert!(refused.contains("not a listening stream socket"), "{refused}");
    assert_eq!(other.read(&mut [0; 1]).unwrap(), 0, "it was dropped");
}

#[test]
fn an_address_of_another_machine_is_named_in_the_error() {
    let elsewhere = "192.0.2.1:80".parse().unwrap();
    let said = message(Listener::tcp(elsewhere, ListenOptions::default()));
    assert!(said.starts_with("cannot listen on 192.0.2.1:80: this machine has no"), "{said}");
}

/// As after a server on io_uring was killed: the kernel closes its sockets some time later.
#[test]
fn an_address_that_becomes_free_within_a_moment_is_taken() {
    let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap();
    let closing = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(first);
    });
    let second = Listener::tcp(address, ListenOptions::default()).unwrap();
    assert_eq!(second.local_addr().to_string(), address.to_string());
    closing.join().unwrap();
}
