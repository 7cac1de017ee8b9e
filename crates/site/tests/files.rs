//! Files and folders as they are served.

mod harness;

use std::os::unix::fs::symlink;
use std::time::Duration;

use harness::World;

#[test]
fn a_file_is_served_with_its_type_and_from_memory_the_second_time() {
    let mut world = World::of(&[("a.txt", b"hello")]);
    let first = world.get("/a.txt");
    assert_eq!((first.status, first.text().as_str()), (200, "hello"));
    assert_eq!(first.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(first.header("X-Content-Type-Options"), Some("nosniff"));
    let again = world.begin("GET", "/a.txt", &[]).expect("it is at hand now");
    assert_eq!(again, first);
}

#[test]
fn every_spelling_of_a_path_is_the_same_page() {
    let mut world = World::of(&[("a b.txt", b"hello")]);
    for path in ["/a%20b.txt", "/a b.txt", "//a%20b.txt", "/x/../a%20b.txt", "/%61%20b.txt"] {
        let answer = world.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{path}");
    }
}

#[test]
fn a_large_file_is_sent_from_its_descriptor() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 7) as u8).collect();
    let mut world = World::of(&[("large.bin", &content)]);
    assert!(world.get("/large.bin").body == content);
    assert!(world.get("/large.bin").body == content);
}

#[test]
fn an_index_file_stands_for_its_folder_and_a_folder_needs_its_slash() {
    let mut world = World::of(&[("index.html", b"top"), ("d/index.html", b"sub"), ("e/x", b"x")]);
    assert_eq!(world.get("/").text(), "top");
    assert_eq!(world.get("/d/").text(), "sub");
    assert_eq!(world.get("/d/").header("Content-Type"), Some("text/html; charset=utf-8"));
    let redirect = world.get("/d?a=1&b=2");
    assert_eq!((redirect.status, redirect.header("Location")), (301, Some("/d/?a=1&b=2")));
    assert_eq!(world.get("/e/").status, 403);
    assert_eq!(world.get("/d/index.html/").status, 404);
}

#[test]
fn a_folder_redirect_never_leads_to_another_host() {
    let mut world = World::of(&[("evil.example/x", b"x")]);
    for path in ["//evil.example", "///evil.example", "/.//evil.example", "/a/..//evil.example"] {
        let answer = world.get(path);
        assert_eq!(answer.header("Location"), Some("/evil.example/"), "{path}");
    }
}

#[test]
fn what_is_not_there_is_404_and_what_is_no_path_400() {
    let mut world = World::of(&[("a.txt", b"hello"), (".env", b"secret"), (".git/config", b"x")]);
    for path in ["/b.txt", "/a.txt/b", "/a.txt/", "/.env", "/.git/config", "/.git/", "/%2eenv"] {
        assert_eq!(world.get(path).status, 404, "{path}");
    }
    for path in ["/..", "/a%00.txt", "/%zz"] {
        assert_eq!(world.get(path).status, 400, "{path}");
    }
    let well_known = [(".well-known/security.txt", b"mail".as_slice())];
    let mut world = World::of(&well_known);
    assert_eq!(world.get("/.well-known/security.txt").text(), "mail");
}

#[test]
fn symbolic_links_are_followed_within_the_root_and_nowhere_else() {
    let mut world = World::of(&[("real/a.txt", b"inside")]);
    let root = world.root();
    std::fs::write(world.folder.path().join("secret"), "secret").unwrap();
    symlink("real", root.join("folder")).unwrap();
    symlink("real/a.txt", root.join("inside")).unwrap();
    symlink("../secret", root.join("outside")).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("/proc/self/root/etc/passwd", root.join("magic")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    assert_eq!(world.get("/folder/a.txt").text(), "inside");
    assert_eq!(world.get("/inside").text(), "inside");
    for path in ["/outside", "/absolute", "/up/secret", "/up/", "/magic", "/loop"] {
        assert_eq!(world.get(path).status, 404, "{path}");
    }
}

#[test]
fn pipes_sockets_and_devices_are_not_served() {
    let mut world = World::of(&[]);
    let root = world.root();
    let pipe = root.join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    assert_eq!(world.get("/pipe").status, 404);
    assert_eq!(world.get("/socket").status, 404);
}

#[test]
fn a_changed_file_is_seen_a_second_later() {
    let mut world = World::of(&[("a.txt", b"one")]);
    assert_eq!(world.get("/a.txt").text(), "one");
    world.write("a.txt", b"two");
    world.pass(Duration::from_millis(999));
    // Still within the second: either may be served, and it is not waited for.
    assert!(world.begin("GET", "/a.txt", &[]).is_ok());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.get("/a.txt").text(), "two");
    std::fs::remove_file(world.root().join("a.txt")).unwrap();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.get("/a.txt").status, 404);
}

#[test]
fn a_change_that_keeps_size_and_date_is_seen() {
    let mut world = World::of(&[("a.txt", b"one")]);
    let path = world.root().join("a.txt");
    let stamped = std::fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(world.get("/a.txt").text(), "one");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"two", 0).unwrap();
    file.set_modified(stamped).unwrap();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.get("/a.txt").text(), "two");
}

#[test]
fn without_a_folder_the_built_in_site_is_served() {
    let mut world = World::new("", |_| {});
    let page = world.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("href=\"/status\""), "{}", page.text());
    assert_eq!(world.get("/favicon.svg").header("Content-Type"), Some("image/svg+xml"));
    assert_eq!(world.get("/nothing").status, 404);
}
