#![no_main]
//! A request's head: what is accepted is of the form RFC 9112 gives, found by other means, and
//! whether it is accepted does not depend on how it arrives.

use http::Settings;
use http::drive::{HeadFacts, Session, Wire, read_head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(head)) = read_head(bytes, &Settings::default()) {
        check(&bytes[..head.length], &head);
    }
    let mut whole = Session::open(Settings::default(), Wire::default());
    whole.receive(bytes);
    let mut split = Session::open(Settings::default(), Wire::default());
    let half = bytes.len() / 2;
    split.receive(&bytes[..half]);
    for byte in &bytes[half..] {
        split.receive(&[*byte]);
    }
    assert_eq!(whole.text(), split.text());
    assert_eq!(whole.finish(), split.finish());
});

/// Reads an accepted head again, slowly.
fn check(head: &[u8], facts: &HeadFacts) {
    let bare = |index: usize| match head[index] {
        b'\r' => head.get(index + 1) != Some(&b'\n'),
        b'\n' => index == 0 || head[index - 1] != b'\r',
        byte => byte == 0x7F || (byte < b' ' && byte != b'\t'),
    };
    assert!(!(0..head.len()).any(bare), "a bare CR or LF, or a control character");
    let text = String::from_utf8_lossy(head);
    let text = text.strip_suffix("\r\n\r\n").expect("an empty line at the end");
    let mut lines = text.split("\r\n");
    let request_line: Vec<&str> = lines.next().expect("a request line").split(' ').collect();
    let [method, target, version] = request_line[..] else { panic!("a request line of three") };
    assert!(!method.is_empty() && target.is_ascii() && !target.contains('#'));
    assert!(matches!(version, "HTTP/1.0" | "HTTP/1.1"));
    assert!(target.contains(&facts.path) || facts.path == "/" || facts.path == "*");

    let fields: Vec<(String, &str)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a colon");
            assert!(!name.is_empty() && !name.contains([' ', '\t']), "whitespace in a name");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))
        })
        .collect();
    let values = |wanted: &str| -> Vec<&str> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect()
    };
    let hosts = values("host");
    assert!(hosts.len() == 1 || (hosts.is_empty() && version == "HTTP/1.0"));
    match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => assert_eq!(facts.content_length, Some(0)),
        ([length], []) => assert_eq!(facts.content_length, length.parse().ok()),
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1");
            assert_eq!(facts.content_length, None);
        }
        both => panic!("accepted with {both:?}"),
    }
}
