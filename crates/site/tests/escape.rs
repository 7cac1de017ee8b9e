//! No path, in whatever spelling and through whatever links, leads out of the root.

mod harness;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use harness::World;
use proptest::prelude::*;

/// What every file outside of the root holds.
const SECRET: &str = "what nobody may see";

/// A folder outside, and in it the root with files, folders and links of all kinds.
#[derive(Clone, Debug)]
struct Farm {
    /// Where a link is and where it points.
    links: Vec<(String, String)>,
}

/// A path of few names, so that links and requests meet. `inside` are those that the root knows.
fn path(inside: bool) -> impl Strategy<Value = String> {
    const NAMES: [&str; 9] = ["a", "b", "c", "file", "..", ".", "root", "secret", "outside"];
    let names = if inside { &NAMES[..4] } else { &NAMES[..] };
    let segment = proptest::sample::select(names);
    proptest::collection::vec(segment, 1..6).prop_map(|segments| segments.join("/"))
}

fn farm() -> impl Strategy<Value = Farm> {
    let target = prop_oneof![
        6 => path(false),
        1 => path(false).prop_map(|path| format!("FOLDER/{path}")),
        1 => Just("/".to_owned()),
        1 => Just("/proc/self/cwd".to_owned()),
        1 => Just("/proc/self/fd/0/../../../../etc/passwd".to_owned()),
    ];
    proptest::collection::vec((path(true), target), 0..12).prop_map(|links| Farm { links })
}

/// A request's path: plain names, dots and slashes, in plain and escaped spelling.
fn request() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("/a"), 4 => Just("/b"), 4 => Just("/c"), 4 => Just("/file"), 2 => Just("/secret"),
        2 => Just("/outside"), 1 => Just("/root"), 2 => Just("/.."), 1 => Just("/%2e%2e"),
        1 => Just("/.%2E"), 1 => Just("%2f.."), 1 => Just("/..%5c"), 1 => Just("\\.."), 1 => Just("/."),
        1 => Just("//"), 1 => Just("%00"), 1 => Just("/%252e%252e"), 1 => Just("/etc/passwd"),
        1 => Just("/.../"), 1 => Just("/..;"),
    ];
    proptest::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

impl Farm {
    fn plant(&self, root: &Path) {
        let folder = root.parent().unwrap();
        for (name, content) in [
            ("secret", SECRET),
            ("outside/file", SECRET),
            ("outside/a/file", SECRET),
            ("root/file", "inside"),
            ("root/a/file", "inside"),
            ("root/a/b/file", "inside"),
            ("root/c/file", "inside"),
        ] {
            harness::write_all(folder, &[(name, content.as_bytes())]);
        }
        for (place, target) in &self.links {
            let target = target.replace("FOLDER", folder.to_str().unwrap());
            let place: PathBuf = root.join(place);
            let _ = std::fs::create_dir_all(place.parent().unwrap());
            // Where something is already, or the way there is a link itself, there is one less.
            let inside = place.parent().unwrap().canonicalize();
            if inside.is_ok_and(|parent| parent.starts_with(root)) {
                let _ = symlink(target, place);
            }
        }
    }
}

/// What a visitor may be told: the content of a file in the root, a folder's redirect or listing,
/// or that there is nothing.
fn check(world: &mut World, target: &str) -> Result<(), TestCaseError> {
    let answer = world.get(target);
    prop_assert!(!answer.text().contains(SECRET), "{} gave the secret away", target);
    prop_assert!(!answer.text().contains("root:"), "{} gave /etc/passwd away", target);
    match answer.status {
        200 if answer.text().starts_with("{\"path\"") => {
            prop_assert!(!answer.text().contains("\"secret\""), "{}: {}", target, answer.text());
        }
        200 => prop_assert_eq!(answer.text(), "inside"),
        301 => {
            let location = answer.header("Location").unwrap();
            prop_assert!(location.starts_with('/') && !location.starts_with("//"), "{}", location);
        }
        status => prop_assert!([400, 403, 404].contains(&status), "{}: {}", target, status),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn nothing_outside_is_ever_shown(
        farm in farm(),
        requests in proptest::collection::vec(request(), 40),
    ) {
        let toml = "[[host]]\nroot = 'ROOT'\nlisting = true\n";
        let mut world = World::new(toml, |root| farm.plant(root));
        for request in requests {
            let target = format!("{request}?format=json");
            check(&mut world, &target)?;
        }
    }
}

#[test]
fn known_ways_out_are_closed() {
    let farm = Farm {
        links: [
            ("up", ".."),
            ("out", "../outside"),
            ("far", "../../root/../secret"),
            ("a/up", "../.."),
        ]
        .map(|(place, target)| (place.to_owned(), target.to_owned()))
        .to_vec(),
    };
    let mut world = World::new("[[host]]\nroot = 'ROOT'\n", |root| farm.plant(root));
    for target in [
        "/../secret",
        "/..%2fsecret",
        "/..%2Fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/.%2e/secret",
        "/..%5csecret",
        "/..\\secret",
        "/..%c0%afsecret",
        "/..%252fsecret",
        "/%252e%252e/secret",
        "/a/../../secret",
        "/a/b/../../../secret",
        "/./../secret",
        "//../secret",
        "/..;/secret",
        "/.../secret",
        "/%00/../secret",
        "/file%00.html",
        "/up/secret",
        "/up/outside/file",
        "/up/root/../secret",
        "/out/file",
        "/out/a/file",
        "/far",
        "/a/up/secret",
        "/proc/self/environ",
        "/etc/passwd",
        "//etc/passwd",
        "/C:/windows/win.ini",
    ] {
        let answer = world.get(target);
        assert!([400, 404].contains(&answer.status), "{target}: {}", answer.status);
        assert!(!answer.text().contains(SECRET), "{target}");
    }
    assert_eq!(world.get("/file").text(), "inside");
    assert_eq!(world.get("/a/b/../file").text(), "inside");
}
