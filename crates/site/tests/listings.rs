//! Folders without an index file.

mod harness;

use std::os::unix::fs::symlink;

use harness::World;

const TOML: &str = "[[host]]\nroot = 'ROOT'\nlisting = true\n";

fn world(files: &[(&str, &[u8])]) -> World {
    World::new(TOML, |root| harness::write_all(root, files))
}

#[test]
fn a_folder_is_listed_for_people() {
    let mut world = world(&[("d/b.txt", b"hello"), ("d/a.txt", b""), ("d/sub/x", b"x")]);
    let answer = world.get("/d/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("Vary"), Some("Accept-Encoding, Accept"));
    let page = answer.text();
    let places =
        ["./sub/", "./a.txt", "./b.txt"].map(|name| page.find(&format!("href=\"{name}\"")));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{page}");
    assert!(page.contains("5 B") && page.contains("1 folder, 2 files"), "{page}");
}

#[test]
fn a_folder_is_listed_for_programs() {
    let mut world = world(&[("a b.txt", b"hello"), ("sub/x", b"x")]);
    for answer in [
        world.get_with("/", &[("Accept", "application/json")]),
        world.get("/?format=json"),
        world.get_with("/?format=json", &[("Accept", "text/html")]),
    ] {
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        let listing: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(listing["path"], "/");
        assert_eq!(listing["truncated"], false);
        assert_eq!(listing["entries"][0]["name"], "sub");
        assert_eq!(listing["entries"][0]["type"], "folder");
        assert_eq!(listing["entries"][1]["href"], "./a%20b.txt");
        assert_eq!(listing["entries"][1]["size"], 5);
    }
    let browser = "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8";
    let answer = world.get_with("/", &[("Accept", browser)]);
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
}

#[test]
fn names_are_text_wherever_they_stand() {
    let nasty = [
        "<script>alert(1)</script>",
        "\" onmouseover=\"alert(1)",
        "' onclick='x",
        "a&b;c",
        "javascript:alert(1)",
        "%2e%2e",
        "#x?y=1",
        "line\nbreak",
        "\u{202E}gpj.exe",
        "space name ",
    ];
    let files: Vec<_> = nasty.iter().map(|name| (name.replace('/', ""), b"x")).collect();
    let files: Vec<_> = files.iter().map(|(name, x)| (name.as_str(), x.as_slice())).collect();
    let mut world = world(&files);
    let odd = std::ffi::OsStr::from_bytes(b"not \xFF utf-8");
    std::fs::write(world.root().join(odd), "x").unwrap();
    let page = world.get("/").text();
    for forbidden in ["<script", "\" onm", "' onc", "href=\"javascript", "\u{202E}"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
    let listing: serde_json::Value =
        serde_json::from_slice(&world.get("/?format=json").body).unwrap();
    let entries = listing["entries"].as_array().unwrap();
    assert_eq!(entries.len(), files.len() + 1);
    // Every address given is that of the file: also the one in the page.
    for entry in entries {
        let href = entry["href"].as_str().unwrap();
        let answer = world.get(href.strip_prefix('.').unwrap());
        assert_eq!((answer.status, answer.text().as_str()), (200, "x"), "{href}");
        let in_page = href.replace('&', "&amp;").replace('\'', "&#39;");
        assert!(page.contains(&format!("href=\"{in_page}\"")), "{in_page} in {page}");
    }
}

#[test]
fn the_path_above_the_list_is_text_too() {
    let mut world = world(&[("a\"><b>/c&d/x", b"x")]);
    let page = world.get("/a%22%3E%3Cb%3E/c&d/").text();
    assert!(page.contains("<title>/a&quot;&gt;&lt;b&gt;/c&amp;d/</title>"), "{page}");
    assert!(page.contains("href=\"/a%22%3E%3Cb%3E/c&amp;d/\""), "{page}");
    assert!(!page.contains("<b>"), "{page}");
}

#[test]
fn what_cannot_be_had_is_not_listed() {
    let mut world = world(&[("shown", b"x"), (".hidden", b"x"), ("back\\slash", b"x")]);
    let root = world.root();
    symlink("shown", root.join("link")).unwrap();
    symlink("/etc/passwd", root.join("outside")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let listing: serde_json::Value =
        serde_json::from_slice(&world.get("/?format=json").body).unwrap();
    let names = listing["entries"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["link", "shown"]);
}

#[test]
fn headings_sort() {
    let mut world = world(&[("a", b"333"), ("B", b"1"), ("c", b"22"), ("folder/x", b"")]);
    let mut order = |query: &str| {
        let listing: serde_json::Value =
            serde_json::from_slice(&world.get(&format!("/?format=json&{query}")).body).unwrap();
        let names = listing["entries"].as_array().unwrap().iter();
        names.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(""), ["folder", "a", "B", "c"]);
    assert_eq!(order("sort=name&order=desc"), ["folder", "c", "B", "a"]);
    assert_eq!(order("sort=size"), ["folder", "B", "c", "a"]);
    assert_eq!(order("sort=size&order=desc"), ["folder", "a", "c", "B"]);
    assert_eq!(order("sort=nonsense&order=x"), ["folder", "a", "B", "c"]);
    let page = world.get("/?sort=size").text();
    assert!(
        page.contains("aria-sort=\"ascending\"><a href=\"?sort=size&amp;order=desc\""),
        "{page}"
    );
}

#[test]
fn a_folder_too_large_to_list_is_cut_off_and_says_so() {
    let mut world = World::new(TOML, |root| {
        for number in 0..10_001 {
            std::fs::File::create(root.join(number.to_string())).unwrap();
        }
    });
    let listing: serde_json::Value =
        serde_json::from_slice(&world.get("/?format=json").body).unwrap();
    assert_eq!(listing["entries"].as_array().unwrap().len(), 10_000);
    assert_eq!(listing["truncated"], true);
    assert!(world.get("/").text().contains("there is more that is not listed"));
}

#[test]
fn a_listing_is_compressed_and_revalidated_like_a_page() {
    let files: Vec<_> = (0..100).map(|number| format!("file number {number}")).collect();
    let files: Vec<_> = files.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    let mut world = world(&files);
    let answer = world.get_with("/", &[("Accept-Encoding", "gzip")]);
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"));
    let tag = answer.header("ETag").unwrap().to_owned();
    let again = world.get_with("/", &[("Accept-Encoding", "gzip"), ("If-None-Match", &tag)]);
    assert_eq!(again.status, 304);
    world.write("one more", b"x");
    let again = world.get_with("/", &[("Accept-Encoding", "gzip"), ("If-None-Match", &tag)]);
    assert_eq!(again.status, 200);
}

use std::os::unix::ffi::OsStrExt;
