//! What happens while the pool is busy: its one thread is held up here on purpose.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use http::{Outcome, Reply, Service};

use crate::harness::World;
use crate::pool::Work;

/// A site whose pool has one thread and room for two jobs of each kind.
fn world(host: &str, files: &[(&str, &[u8])]) -> World {
    let toml = format!("[site]\nthreads = 1\nqueue = 2\n[[host]]\nroot = 'ROOT'\n{host}");
    World::new(&toml, |root| crate::harness::write_all(root, files))
}

/// Holds the pool's thread up until what is given back is dropped.
fn hold_up(world: &World) -> Sender<()> {
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let (started, start) = channel();
    let job = move || {
        started.send(()).unwrap();
        let _ = held.recv();
    };
    world.site.queue().post(Work::Lookup, Box::new(job)).unwrap();
    start.recv().unwrap();
    release
}

#[test]
fn a_full_pool_is_answered_with_503_and_harms_nobody_who_waits() {
    let mut world = world("", &[("a", b"a"), ("b", b"b"), ("c", b"c")]);
    let held = hold_up(&world);
    let first = world.begin("GET", "/a", &[]).unwrap_err();
    let second = world.begin("GET", "/b", &[]).unwrap_err();
    let refused = world.begin("GET", "/c", &[]).unwrap();
    assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("1")));
    // Who asks for what is being fetched already needs no room.
    let third = world.begin("GET", "/a", &[]).unwrap_err();
    assert_eq!(world.service.counters().refused_jobs.get(), 1);
    drop(held);
    assert_eq!(world.finish(first, false).text(), "a");
    assert_eq!(world.finish(second, false).text(), "b");
    assert_eq!(world.finish(third, false).text(), "a");
    assert_eq!(world.get("/c").text(), "c");
}

#[test]
fn a_page_at_hand_is_served_when_it_cannot_be_checked() {
    let mut world = world("", &[("a", b"a"), ("b", b"b"), ("c", b"c")]);
    assert_eq!(world.get("/a").text(), "a");
    let held = hold_up(&world);
    let waiting = ["/b", "/c"].map(|path| world.begin("GET", path, &[]).unwrap_err());
    world.pass(Duration::from_secs(60));
    assert_eq!(world.begin("GET", "/a", &[]).unwrap().text(), "a");
    drop(held);
    for waiting in waiting {
        world.finish(waiting, false);
    }
}

#[test]
fn a_page_is_served_while_it_is_checked_until_it_is_stale() {
    let mut world = world("", &[("a", b"a")]);
    assert_eq!(world.get("/a").text(), "a");
    let held = hold_up(&world);
    world.pass(Duration::from_millis(999));
    assert_eq!(world.begin("GET", "/a", &[]).unwrap().text(), "a");
    world.pass(Duration::from_millis(1));
    let waiting = world.begin("GET", "/a", &[]).unwrap_err();
    world.write("a", b"changed");
    drop(held);
    assert_eq!(world.finish(waiting, false).text(), "changed");
    // One look at the disk for the first request, one for the two that followed.
    assert_eq!(world.service.counters().misses.get(), 2);
}

#[test]
fn a_coding_that_finds_no_room_gives_way_to_what_is_there() {
    let text = "text that repeats itself, ".repeat(1_000);
    let files: [(&str, &[u8]); 3] =
        [("a.txt", text.as_bytes()), ("b.txt", text.as_bytes()), ("c.txt", text.as_bytes())];
    let mut world = world("", &files);
    for path in ["/a.txt", "/b.txt", "/c.txt"] {
        assert_eq!(world.get(path).status, 200);
    }
    let held = hold_up(&world);
    let accept = [("Accept-Encoding", "br")];
    let waiting = ["/a.txt", "/b.txt"].map(|path| world.begin("GET", path, &accept).unwrap_err());
    let answer = world.begin("GET", "/c.txt", &accept).unwrap();
    assert_eq!((answer.status, answer.header("Content-Encoding")), (200, None));
    assert_eq!(answer.text(), text);
    drop(held);
    for waiting in waiting {
        assert_eq!(world.finish(waiting, false).header("Content-Encoding"), Some("br"));
    }
}

/// Listings of large folders, which take long, had all threads, and files waited for them.
#[test]
fn a_file_does_not_wait_for_listings() {
    let mut world = world("listing = true", &[("d/x", b"x"), ("a", b"a")]);
    let listing = world.begin("GET", "/d/", &[]).unwrap_err();
    world.await_wake(listing.id);
    let held = hold_up(&world);
    // It is known to be a folder now, and is to be listed.
    assert!(matches!(world.service.resume(listing.token), Reply::Later(_)));
    let file = world.begin("GET", "/a", &[]).unwrap_err();
    drop(held);
    assert_eq!(world.finish(file, false).text(), "a");
    assert!(!world.was_woken(listing));
    assert!(world.finish(listing, false).text().contains(">x<"));
}

/// Whatever went wrong with a listing was an internal error.
#[test]
fn a_folder_that_goes_before_it_is_listed_is_not_there() {
    let mut world = world("listing = true", &[("d/x", b"x")]);
    let listing = world.begin("GET", "/d/", &[]).unwrap_err();
    world.await_wake(listing.id);
    std::fs::remove_dir_all(world.root().join("d")).unwrap();
    assert!(matches!(world.service.resume(listing.token), Reply::Later(_)));
    assert_eq!(world.finish(listing, false).status, 404);
}

#[test]
fn a_connection_that_ends_while_it_waits_leaves_nothing_behind() {
    let mut world = world("", &[("a", b"a")]);
    let held = hold_up(&world);
    let gone = world.begin("GET", "/a", &[]).unwrap_err();
    let left = world.begin("GET", "/a", &[]).unwrap_err();
    let outcome = Outcome { status: 0, body_bytes: 0, complete: false, duration: Duration::ZERO };
    world.service.done(gone.token, &outcome);
    // Its place is taken by another, which must not be told what the first one waited for.
    let other = world.begin("GET", "/b", &[]).unwrap_err();
    assert_eq!(other.token, gone.token);
    drop(held);
    assert_eq!(world.finish(left, false).text(), "a");
    assert_eq!(world.finish(other, false).status, 404);
}

#[test]
fn nobody_gets_in_by_the_password_of_one_whose_place_he_took() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let auth = format!("auth = {{ users = {{ ada = '{hash}' }} }}");
    let mut world = world(&auth, &[("a", b"a")]);
    let held = hold_up(&world);
    let right = [("Authorization", "Basic YWRhOnNlY3JldA==")];
    let wrong = [("Authorization", "Basic YWRhOmd1ZXNz")];
    let gone = world.begin("GET", "/a", &right).unwrap_err();
    let outcome = Outcome { status: 0, body_bytes: 0, complete: false, duration: Duration::ZERO };
    world.service.done(gone.token, &outcome);
    let guess = world.begin("GET", "/a", &wrong).unwrap_err();
    assert_eq!(guess.token, gone.token);
    drop(held);
    assert_eq!(world.finish(guess, false).status, 401);
}
