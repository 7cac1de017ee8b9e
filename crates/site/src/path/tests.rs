//! Paths as RFC 3986 resolves them, and those that are refused.

use proptest::prelude::*;

use super::{PathError, Target, encode_path};

fn parsed(raw: &str) -> (String, bool) {
    let target = Target::parse(raw).unwrap_or_else(|why| panic!("{raw}: {why:?}"));
    (String::from_utf8_lossy(target.relative()).into_owned(), target.is_folder())
}

#[test]
fn paths_resolve_as_rfc_3986_says() {
    for (raw, relative, folder) in [
        ("/", "", true),
        ("/a", "a", false),
        ("/a/", "a", true),
        ("/a/b.c", "a/b.c", false),
        ("/a//b", "a/b", false),
        ("//evil.example/x", "evil.example/x", false),
        ("/a/./b", "a/b", false),
        ("/a/../b", "b", false),
        ("/a/b/..", "a", true),
        ("/a/.", "a", true),
        ("/%61%2e%62", "a.b", false),
        ("/a/%2e%2E/b", "b", false),
        ("/%e4%b8%ad", "中", false),
        ("/a%2520b", "a%20b", false),
        ("/.well-known/acme", ".well-known/acme", false),
        ("/a+b c", "a+b c", false),
    ] {
        assert_eq!(parsed(raw), (relative.to_owned(), folder), "{raw}");
    }
}

#[test]
fn what_is_no_path_or_leads_out_is_refused() {
    use PathError::{Hidden, Malformed};
    for (raw, why) in [
        ("", Malformed),
        ("a", Malformed),
        ("*", Malformed),
        ("/%", Malformed),
        ("/%4", Malformed),
        ("/%zz", Malformed),
        ("/%+1", Malformed),
        ("/a%00b", Malformed),
        ("/..", Malformed),
        ("/../etc/passwd", Malformed),
        ("/a/../../b", Malformed),
        ("/%2e%2e/b", Malformed),
        ("/.%2e/b", Malformed),
        ("/a%2fb", Hidden),
        ("/..%2fetc", Hidden),
        ("/a%5cb", Hidden),
        ("/..\\..\\etc", Hidden),
        ("/.git/config", Hidden),
        ("/a/.env", Hidden),
        ("/a/.well-known/x", Hidden),
        ("/%2egit", Hidden),
        ("/...", Hidden),
    ] {
        assert_eq!(Target::parse(raw), Err(why), "{raw}");
    }
}

#[test]
fn canonical_form_encodes_what_must_be_and_nothing_else() {
    for (raw, canonical) in [
        ("/", "/"),
        ("/a/", "/a/"),
        ("//a//b", "/a/b"),
        ("/%61", "/a"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/a%2520b", "/a%2520b"),
        ("/é", "/%C3%A9"),
        ("/a'(b)&c", "/a'(b)&c"),
        ("/%22%3C%3E", "/%22%3C%3E"),
        ("/x%0d%0aSet-Cookie:1", "/x%0D%0ASet-Cookie:1"),
    ] {
        assert_eq!(Target::parse(raw).unwrap().canonical(), canonical, "{raw}");
    }
}

#[test]
fn extension_is_of_the_last_segment_only() {
    for (raw, has) in [("/a.b/c", false), ("/a/b.js", true), ("/a.js/", false), ("/", false)] {
        assert_eq!(Target::parse(raw).unwrap().has_extension(), has, "{raw}");
    }
}

proptest! {
    #[test]
    fn no_path_has_a_segment_that_climbs_or_hides(raw in "(/|%2e|%2E|\\.|%2f|%5c|\\\\|a|%00|%|.)*") {
        if let Ok(target) = Target::parse(&raw) {
            let bytes = target.relative();
            if !bytes.is_empty() {
                for segment in bytes.split(|&byte| byte == b'/') {
                    prop_assert!(!segment.is_empty());
                    prop_assert!(segment[0] != b'.' || segment == b".well-known");
                    prop_assert!(!segment.contains(&0) && !segment.contains(&b'\\'));
                }
            }
        }
    }

    #[test]
    fn canonical_form_names_the_same_and_is_its_own(raw in "/(%[0-9a-f]{2}|[a-z./ é%])*") {
        if let Ok(target) = Target::parse(&raw) {
            let canonical = target.canonical();
            let again = Target::parse(&canonical).unwrap();
            prop_assert_eq!(&again, &target);
            prop_assert_eq!(again.canonical(), canonical);
        }
    }

    #[test]
    fn encoded_bytes_are_plain_ascii(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut path = String::new();
        encode_path(&bytes, &mut path);
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\`^{|}".contains(&byte);
        let all_plain = path.bytes().all(plain);
        prop_assert!(all_plain, "{}", path);
    }
}
