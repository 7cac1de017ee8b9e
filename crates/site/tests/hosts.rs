//! Which host answers, and what a reload changes.

mod harness;

use base::ConnId;
use harness::{World, parse, write_all};
use http::{Body, Reply};
use site::Content;

const HOSTS: &str = "
    [site]
    default-host = 'b.example'
    [[host]]
    names = ['a.example', 'www.a.example']
    root = 'ROOT/a'
    [[host]]
    names = ['B.Example', '*.b.example', '[::1]']
    root = 'ROOT/b'
    [[host]]
    names = ['*.c.b.example', '192.0.2.1']
    root = 'ROOT/c'
";

#[test]
fn the_host_is_found_by_its_name_and_nothing_else() {
    let files: [(&str, &[u8]); 3] = [("a/x", b"a"), ("b/x", b"b"), ("c/x", b"c")];
    let mut world = World::new(HOSTS, |root| write_all(root, &files));
    for (host, expected) in [
        ("a.example", "a"),
        ("A.EXAMPLE", "a"),
        ("a.example:8080", "a"),
        ("a.example.", "a"),
        ("a.example.:80", "a"),
        ("www.a.example", "a"),
        ("b.example", "b"),
        ("x.b.example", "b"),
        ("x.y.b.example:1", "b"),
        ("x.c.b.example", "c"),
        ("c.b.example", "b"),
        (".c.b.example", "b"),
        ("192.0.2.1", "c"),
        ("192.0.2.1:80", "c"),
        ("[::1]", "b"),
        ("[::1]:80", "b"),
        // Nobody's: the default answers.
        ("x.a.example", "b"),
        ("", "b"),
        ("a.example.evil", "b"),
        ("xb.example", "b"),
    ] {
        assert_eq!(world.get_with("/x", &[("Host", host)]).text(), expected, "{host}");
    }
}

#[test]
fn without_a_default_the_first_host_answers_for_the_unknown() {
    let hosts = HOSTS.replace("default-host = 'b.example'", "");
    let files: [(&str, &[u8]); 3] = [("a/x", b"a"), ("b/x", b"b"), ("c/x", b"c")];
    let mut world = World::new(&hosts, |root| write_all(root, &files));
    assert_eq!(world.get_with("/x", &[("Host", "unknown.example")]).text(), "a");
}

#[test]
fn a_reload_changes_what_is_served_and_not_what_has_begun() {
    let old = "[[host]]\nroot = 'ROOT/old'\n";
    let new =
        "[[host]]\nroot = 'ROOT/new'\n[[host.rule]]\npath = '*'\nheaders = { X-New = 'yes' }\n";
    let files: [(&str, &[u8]); 4] = [
        ("old/a", b"old"),
        ("new/a", b"new"),
        ("old/only", b"old"),
        ("old/slow", &[b'x'; 100_000]),
    ];
    let mut world = World::new(old, |root| write_all(root, &files));
    assert_eq!(world.get("/a").text(), "old");
    let begun = world.begin("GET", "/only", &[]).unwrap_err();
    let id = ConnId::new(0, 77, 0);
    let large = world.get("/slow");
    let Reply::Now(sending) = world.call(id, "GET", "/slow", &[]) else { panic!("at hand") };
    let content = Content::open(&parse(new, &world.root())).unwrap();
    world.site.reload(content);
    let answer = world.get("/a");
    assert_eq!((answer.text().as_str(), answer.header("X-New")), ("new", Some("yes")));
    assert_eq!(world.get("/only").status, 404);
    // One that waited for its file and one that is being sent end as they began.
    assert_eq!(world.finish(begun, false).text(), "old");
    assert!(matches!(sending.body, Body::One(_)));
    assert!(world.read(sending, false).body == large.body);
    // And what they brought along is not mistaken for the new content.
    assert_eq!(world.get("/only").status, 404);
}

#[test]
fn a_root_that_is_a_link_can_be_switched() {
    let mut world = World::new("[[host]]\nroot = 'ROOT/current'\n", |root| {
        write_all(root, &[("one/a", b"one"), ("two/a", b"two")]);
        std::os::unix::fs::symlink("one", root.join("current")).unwrap();
    });
    assert_eq!(world.get("/a").text(), "one");
    let root = world.root();
    std::os::unix::fs::symlink("two", root.join("next")).unwrap();
    std::fs::rename(root.join("next"), root.join("current")).unwrap();
    // The root is looked up by the real clock: ask until it has come round.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        world.pass(std::time::Duration::from_secs(2));
        if world.get("/a").text() == "two" {
            return;
        }
        assert!(std::time::Instant::now() < patience, "the link was never followed");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
