//! Every row of RFC 9110 section 13.2.2, and the fields' own rules.

use std::string::String;
use std::vec::Vec;

use super::{Precondition, Validators, allows_range, evaluate};
use crate::Method;
use crate::tests::request;

const NOW: u64 = 784_111_800;
/// Sun, 06 Nov 1994 08:49:37 GMT
const MODIFIED: u64 = 784_111_777;

const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

const STRONG: Validators<'_> = Validators { etag: Some("\"a\""), last_modified: Some(MODIFIED) };
const WEAK: Validators<'_> = Validators { etag: Some("W/\"a\""), last_modified: Some(MODIFIED) };
const NONE: Validators<'_> = Validators { etag: None, last_modified: None };

/// Header lines written as `Name: value` with `|` between them.
fn lines(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (String::from(name), String::from(value))
    };
    text.split('|').filter(|text| !text.is_empty()).map(line).collect()
}

fn outcome(method: Method<'_>, validators: Validators<'_>, header: &str) -> Precondition {
    request(method, &lines(header), NOW, |request| evaluate(request, validators))
}

#[test]
fn preconditions_of_get() {
    use Precondition::{Failed, NotModified, Passed};
    let dated = |field: &str, date: &str| std::format!("{field}: {date}");
    for (validators, header, expected) in [
        (STRONG, String::new(), Passed),
        (STRONG, "If-Match: \"a\"".into(), Passed),
        (STRONG, "If-Match: \"b\", \"a\"".into(), Passed),
        (STRONG, "If-Match: \"b\"|If-Match: \"a\"".into(), Passed),
        (STRONG, "If-Match: *".into(), Passed),
        (STRONG, "If-Match: \"b\"".into(), Failed),
        (STRONG, "If-Match: W/\"a\"".into(), Failed),
        (STRONG, "If-Match: a".into(), Failed),
        (STRONG, "If-Match: \"b\" \"a\"".into(), Failed),
        (STRONG, "If-Match: \"a\",,".into(), Passed),
        (STRONG, "If-Match: \"x,\"a\"".into(), Failed),
        (WEAK, "If-Match: W/\"a\"".into(), Failed),
        (WEAK, "If-Match: *".into(), Passed),
        (NONE, "If-Match: *".into(), Passed),
        (NONE, "If-Match: \"a\"".into(), Failed),
        (STRONG, dated("If-Unmodified-Since", BEFORE), Failed),
        (STRONG, dated("If-Unmodified-Since", SAME), Passed),
        (STRONG, dated("If-Unmodified-Since", AFTER), Passed),
        (STRONG, dated("If-Unmodified-Since", "yesterday"), Passed),
        (NONE, dated("If-Unmodified-Since", BEFORE), Passed),
        // If-Match has precedence over If-Unmodified-Since.
        (STRONG, dated("If-Match: \"a\"|If-Unmodified-Since", BEFORE), Passed),
        (STRONG, "If-None-Match: \"a\"".into(), NotModified),
        (STRONG, "If-None-Match: W/\"a\"".into(), NotModified),
        (WEAK, "If-None-Match: \"a\"".into(), NotModified),
        (WEAK, "If-None-Match: W/\"a\"".into(), NotModified),
        (STRONG, "If-None-Match: *".into(), NotModified),
        (NONE, "If-None-Match: *".into(), NotModified),
        (STRONG, "If-None-Match: \"b\" , W/\"c\"\t,\"a\"".into(), NotModified),
        (STRONG, "If-None-Match: \"b\"".into(), Passed),
        (STRONG, "If-None-Match: a".into(), Passed),
        (STRONG, "If-None-Match: w/\"a\"".into(), Passed),
        (STRONG, dated("If-Modified-Since", BEFORE), Passed),
        (STRONG, dated("If-Modified-Since", SAME), NotModified),
        (STRONG, dated("If-Modified-Since", AFTER), NotModified),
        (STRONG, dated("If-Modified-Since", "0"), Passed),
        (NONE, dated("If-Modified-Since", AFTER), Passed),
        // If-None-Match has precedence over If-Modified-Since.
        (STRONG, dated("If-None-Match: \"b\"|If-Modified-Since", AFTER), Passed),
        (STRONG, dated("If-None-Match: \"a\"|If-Modified-Since", BEFORE), NotModified),
        // What fails first decides.
        (STRONG, "If-None-Match: \"a\"|If-Match: \"b\"".into(), Failed),
        (STRONG, "If-None-Match: \"a\"|If-Match: \"a\"".into(), NotModified),
        // A date given twice is not one date.
        (STRONG, std::format!("If-Modified-Since: {SAME}|If-Modified-Since: {SAME}"), Passed),
    ] {
        assert_eq!(outcome(Method::Get, validators, &header), expected, "{header}");
        assert_eq!(outcome(Method::Head, validators, &header), expected, "HEAD {header}");
    }
}

#[test]
fn other_methods_fail_where_get_is_not_modified() {
    let put = Method::Other("PUT");
    assert_eq!(outcome(put, STRONG, "If-None-Match: \"a\""), Precondition::Failed);
    assert_eq!(outcome(put, STRONG, "If-None-Match: *"), Precondition::Failed);
    let since = std::format!("If-Modified-Since: {SAME}");
    assert_eq!(outcome(put, STRONG, &since), Precondition::Passed);
}

#[test]
fn if_range_wants_the_same_strong_validator() {
    for (validators, header, expected) in [
        (STRONG, String::new(), true),
        (STRONG, "If-Range: \"a\"".into(), true),
        (STRONG, "If-Range: W/\"a\"".into(), false),
        (WEAK, "If-Range: W/\"a\"".into(), false),
        (STRONG, "If-Range: \"b\"".into(), false),
        (STRONG, "If-Range: \"a\", \"b\"".into(), false),
        (STRONG, "If-Range: \"a".into(), false),
        (NONE, "If-Range: \"a\"".into(), false),
        (STRONG, std::format!("If-Range: {SAME}"), true),
        (STRONG, std::format!("If-Range: {AFTER}"), false),
        (STRONG, std::format!("If-Range: {BEFORE}"), false),
        (STRONG, "If-Range: \"a\"|If-Range: \"a\"".into(), false),
        (NONE, "If-Range: nothing".into(), false),
    ] {
        let allowed = |now| {
            request(Method::Get, &lines(&header), now, |request| allows_range(request, validators))
        };
        assert_eq!(allowed(NOW), expected, "{header}");
    }
    // A date is not strong before its second is over.
    let header = lines(&std::format!("If-Range: {SAME}"));
    let early = request(Method::Get, &header, MODIFIED, |request| allows_range(request, STRONG));
    assert!(!early);
}
