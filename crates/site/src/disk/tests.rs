//! No path escapes the root, and files that change while they are read are noticed.

use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use app::{FileSource, Prepared, Wake};
use base::ConnId;
use tempfile::TempDir;

use super::{Found, Kind, OpenError, OpenFile, Root, read_whole};
use crate::pool::Pool;

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::write(root.join("a/b/file"), "inside").unwrap();
    std::fs::write(folder.path().join("secret"), "outside").unwrap();
    symlink("b", root.join("a/link")).unwrap();
    symlink("../../secret", root.join("a/out")).unwrap();
    symlink("/", root.join("a/top")).unwrap();
    folder
}

fn content(found: &Found) -> String {
    String::from_utf8(read_whole(&found.fd, found.stamp.size()).unwrap()).unwrap()
}

#[test]
fn both_ways_to_open_stay_below_the_root() {
    let folder = folder();
    let path = folder.path().join("root");
    for root in [Root::open(&path).unwrap(), Root::open_walking(&path).unwrap()] {
        assert_eq!(content(&root.find(b"a/b/file").unwrap()), "inside");
        assert_eq!(root.find(b"a/b").unwrap().kind, Kind::Folder);
        assert_eq!(root.find(b"").unwrap().kind, Kind::Folder);
        for outside in [
            b"..".as_slice(),
            b"../secret",
            b"a/../../secret",
            b"a/out",
            b"a/top/etc/passwd",
            b"/etc/passwd",
            b"a/b/file/..",
            b"a//b/../../../secret",
        ] {
            let shown = String::from_utf8_lossy(outside);
            assert_eq!(root.find(outside).unwrap_err(), OpenError::NotFound, "{shown}");
        }
    }
}

#[test]
fn without_openat2_no_link_is_followed_at_all() {
    let folder = folder();
    let path = folder.path().join("root");
    assert_eq!(content(&Root::open(&path).unwrap().find(b"a/link/file").unwrap()), "inside");
    let walking = Root::open_walking(&path).unwrap();
    assert_eq!(walking.find(b"a/link/file").unwrap_err(), OpenError::NotFound);
    assert_eq!(walking.find(b"a/link").unwrap_err(), OpenError::NotFound);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = folder();
    let root = Root::open(&folder.path().join("root")).unwrap();
    assert_eq!(root.find(b"nothing").unwrap_err(), OpenError::NotFound);
    assert_eq!(root.find(b"a/b/file/x").unwrap_err(), OpenError::NotFound);
    assert_eq!(root.find(&[b'x'; 300]).unwrap_err(), OpenError::NotFound);
    assert_eq!(root.find(&b"x/".repeat(3_000)).unwrap_err(), OpenError::NotFound);
    assert!(Root::open(&folder.path().join("secret")).is_err());
}

#[derive(Default)]
struct Wakes(Mutex<Vec<ConnId>>);

impl Wake for Wakes {
    fn wake(&self, id: ConnId) {
        self.0.lock().unwrap().push(id);
    }
}

/// A file of three parts and a bit, opened.
fn large() -> (TempDir, Pool, Arc<Wakes>, OpenFile) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("large"), vec![7; LARGE]).unwrap();
    let root = Root::open(folder.path()).unwrap();
    let found = root.find(b"large").unwrap();
    let pool = Pool::start(1, 8).unwrap();
    let wakes = Arc::new(Wakes::default());
    let wake: Arc<dyn Wake> = Arc::clone(&wakes) as _;
    let file = OpenFile::new(found.fd, found.stamp.size(), pool.queue(), wake);
    (folder, pool, wakes, file)
}

const LARGE: usize = (3 << 20) + 5;

/// Asks for a part until it is there.
fn prepared(file: &OpenFile, wakes: &Wakes, offset: u64, length: u64) -> Prepared {
    let id = ConnId::new(0, 1, 2);
    loop {
        match file.prepare(offset, length, id) {
            Prepared::Later => loop {
                if wakes.0.lock().unwrap().pop().is_some() {
                    break;
                }
                std::thread::yield_now();
            },
            answer => return answer,
        }
    }
}

#[test]
fn a_part_is_ready_up_to_a_bound_and_to_the_end_of_the_file() {
    let (_folder, _pool, wakes, file) = large();
    let whole = LARGE as u64;
    let Prepared::Ready(first) = prepared(&file, &wakes, 0, whole) else { panic!() };
    assert!((1..=1 << 20).contains(&first), "{first}");
    assert_eq!(prepared(&file, &wakes, whole - 5, 100), Prepared::Ready(5));
    assert_eq!(prepared(&file, &wakes, whole - 1, 1), Prepared::Ready(1));
    assert_eq!(file.prepare(whole, 1, ConnId::new(0, 0, 0)), Prepared::Short);
    let mut bytes = [0; 10];
    assert_eq!(file.read_at(whole - 3, &mut bytes), Ok(3));
    assert_eq!(bytes[..4], [7, 7, 7, 0]);
}

#[test]
fn a_file_that_shrinks_is_short_and_one_that_grows_is_as_it_was() {
    let (folder, _pool, wakes, file) = large();
    let path = folder.path().join("large");
    let on_disk = std::fs::File::options().append(true).open(&path).unwrap();
    on_disk.set_len(LARGE as u64 + 100).unwrap();
    let end = LARGE as u64;
    assert_eq!(file.prepare(end, 1, ConnId::new(0, 0, 0)), Prepared::Short);
    assert_eq!(file.read_at(end - 3, &mut [0; 10]), Ok(3));
    on_disk.set_len(1 << 20).unwrap();
    assert_eq!(prepared(&file, &wakes, 2 << 20, 10), Prepared::Short);
    let Prepared::Ready(count) = prepared(&file, &wakes, (1 << 20) - 10, 100) else { panic!() };
    assert!((1..=10).contains(&count), "{count}");
}

/// A read that failed once made every later answer from the file short, for as long as it was kept.
#[test]
fn a_read_that_failed_ends_one_answer_and_is_tried_again() {
    let folder = folder();
    let pool = Pool::start(1, 8).unwrap();
    let wakes = Arc::new(Wakes::default());
    // What cannot be read stands for a disk that fails.
    let unreadable = Root::open(folder.path()).unwrap().find(b"root").unwrap().fd;
    let file = OpenFile::new(unreadable, 10, pool.queue(), Arc::clone(&wakes) as _);
    for _ in 0..3 {
        assert_eq!(file.prepare(0, 10, ConnId::new(0, 1, 2)), Prepared::Later);
        while wakes.0.lock().unwrap().pop().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(file.prepare(0, 10, ConnId::new(0, 1, 2)), Prepared::Short);
    }
}

#[test]
fn a_file_that_is_replaced_goes_on_as_it_was() {
    let (folder, _pool, wakes, file) = large();
    let path = folder.path().join("large");
    std::fs::write(folder.path().join("other"), vec![9; LARGE]).unwrap();
    std::fs::rename(folder.path().join("other"), &path).unwrap();
    assert!(matches!(prepared(&file, &wakes, 0, 100), Prepared::Ready(_)));
    let mut byte = [0];
    assert_eq!((file.read_at(5, &mut byte), byte), (Ok(1), [7]));
}
