//! The date functions against the RFC's examples and against the httpdate crate.

use std::string::String;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::{LAST, format_date, parse_date};

/// Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example.
const EXAMPLE: u64 = 784_111_777;

#[test]
fn the_three_forms_of_the_rfc() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(parse_date(text.as_bytes(), EXAMPLE), Some(EXAMPLE), "{text}");
    }
    assert_eq!(&format_date(EXAMPLE), b"Sun, 06 Nov 1994 08:49:37 GMT");
}

#[test]
fn what_is_no_date() {
    for text in [
        "",
        ",",
        "Sun",
        "Sun,",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Tue, 30 Feb 1999 00:00:00 GMT",
        "Mon, 00 Nov 1994 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun, 06 Nov 1994",
        "0",
        "-1",
    ] {
        assert_eq!(parse_date(text.as_bytes(), EXAMPLE), None, "{text}");
    }
}

#[test]
fn two_digits_of_year_are_at_most_fifty_years_ahead() {
    let in_2026 = 1_790_000_000;
    let year = |text: &str| parse_date(text.as_bytes(), in_2026).map(format_date);
    assert_eq!(year("Friday, 06-Nov-76 08:49:37 GMT"), Some(*b"Fri, 06 Nov 2076 08:49:37 GMT"));
    assert_eq!(year("Sunday, 06-Nov-77 08:49:37 GMT"), Some(*b"Sun, 06 Nov 1977 08:49:37 GMT"));
}

#[test]
fn times_beyond_four_digits_of_year_are_the_last_second() {
    assert_eq!(&format_date(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
}

fn reference(unix: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix))
}

proptest! {
    #[test]
    fn writes_what_httpdate_writes(unix in 0..=LAST) {
        let text = format_date(unix);
        let expected = reference(unix);
        prop_assert_eq!(text.as_slice(), expected.as_bytes());
        prop_assert_eq!(parse_date(&text, unix), Some(unix));
    }

    #[test]
    fn reads_what_httpdate_reads(
        text in "(Sun|Mon|Tue|Sunday|Monday),? [0-9 ]?[0-9][ -](Jan|Feb|Nov)[ -](19|20)?[0-9]{2} [0-2][0-9]:[0-6][0-9]:[0-6][0-9]( GMT)?"
    ) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let theirs = httpdate::parse_http_date(&text).ok();
        let theirs = theirs.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        // Where we read a date, httpdate reads the same one; it is laxer about the weekday.
        if let Some(ours) = parse_date(text.as_bytes(), now) {
            prop_assert_eq!(theirs.map(|time| time.as_secs()), Some(ours), "{}", text);
        }
    }
}
