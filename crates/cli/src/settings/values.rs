//! The values a setting can have, each read from text: a length of time, a pace, levels.
//! Invariant: a value means the same on the command line, in the environment and in the file.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;
use std::time::Duration;

use crore::Address;
use crore::http::Pace;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, Visitor};
use site::config::Size;
use tracing_subscriber::filter::Targets;

use super::suggest::nearest;

/// A length of time with its unit: `500ms`, `10s`, `5m`, `1h`. At most 49 days, the longest
/// time a connection's timer runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span(pub Duration);

/// Milliseconds in a unit of time, longest first.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest [`Span`] in milliseconds: what fits 32 bits, the width of a connection's timer.
const MAX_SPAN_MS: u64 = u32::MAX as u64 - 1;

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = number_and_unit(text).ok_or_else(|| time_advice(text))?;
        let unit = TIME_UNITS.iter().find(|(name, _)| *name == unit);
        let (_, factor) = unit.ok_or_else(|| time_advice(text))?;
        let millis = count.checked_mul(*factor).filter(|millis| (1..=MAX_SPAN_MS).contains(millis));
        millis
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| "a time is at least 1ms and at most 49 days (1176h)".into())
    }
}

fn time_advice(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(count) => format!("the unit is missing; write {count}s or {count}ms"),
        Err(_) => "expected a whole number and a unit: 500ms, 10s, 5m or 1h".into(),
    }
}

/// A least speed: bytes in a window of time, `2400/10s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeastPace(pub Pace);

impl FromStr for LeastPace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (bytes, window) = text.split_once('/').ok_or(
            "expected bytes and a window of time: 2400/10s is 2400 bytes in every 10 seconds",
        )?;
        let Size(bytes) = bytes.trim().parse()?;
        let Span(window) = window.trim().parse()?;
        Ok(Self(Pace { bytes, window }))
    }
}

/// Which diagnostics are told: a level, or a list of levels by part of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Levels(pub String);

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        const ADVICE: &str =
            "write off, error, warn, info, debug or trace; also for one part: info,site=debug";
        // The filter's own reading takes a misspelt level for the name of a part.
        for directive in text.split(',') {
            let level = directive.rsplit('=').next().unwrap_or(directive);
            if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
                return Err(format!("`{level}` is no level; {ADVICE}"));
            }
        }
        match text.parse::<Targets>() {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("{error}; {ADVICE}")),
        }
    }
}

/// What drives the connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Net {
    /// Kernel sockets: io_uring where a trial at the start shows that it is faster here, else epoll.
    Kernel,
    /// Kernel sockets by epoll.
    Epoll,
    /// Kernel sockets by io_uring.
    Uring,
    /// crore's own stack on the TAP device of this name.
    Tap(String),
    /// crore's own stack on an interface of this name, and whether in generic mode.
    Xdp(String, bool),
}

impl Net {
    /// Whether crore's own stack carries the connections.
    pub const fn is_own_stack(&self) -> bool {
        matches!(self, Self::Tap(_) | Self::Xdp(..))
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kernel" => Ok(Self::Kernel),
            "epoll" => Ok(Self::Epoll),
            "uring" => Ok(Self::Uring),
            _ => match text.split_once(':') {
                Some(("tap", "")) => Err("a TAP device needs a name: tap:crore0".into()),
                Some(("xdp", text)) => xdp(text),
                Some(("tap", device)) => Ok(Self::Tap(device.to_owned())),
                _ => Err(unknown_net(text)),
            },
        }
    }
}

/// Reads `eth0` or `eth0/generic`: no interface has a slash in its name.
fn xdp(text: &str) -> Result<Net, String> {
    let (interface, mode) = text.split_once('/').unwrap_or((text, ""));
    match mode {
        _ if interface.is_empty() => Err("an interface needs a name: xdp:eth0".into()),
        "" if !text.contains('/') => Ok(Net::Xdp(interface.to_owned(), false)),
        "generic" => Ok(Net::Xdp(interface.to_owned(), true)),
        _ => Err(format!("unknown mode `{mode}`; xdp:{interface}/generic is the only one")),
    }
}

fn unknown_net(text: &str) -> String {
    let meant = match nearest(text, ["kernel", "epoll", "uring"]) {
        Some(name) => format!("did you mean `{name}`?"),
        None if text == "tap" => "the device's name is missing: tap:crore0".into(),
        None if text == "xdp" => "the interface's name is missing: xdp:eth0".into(),
        None => "known here: kernel, epoll, uring, tap:DEVICE, xdp:INTERFACE".into(),
    };
    format!("unknown value `{text}`; {meant}")
}

/// Reads a whole number, and says what would be one; where the type has no zero, that it begins at 1.
///
/// # Errors
/// When it is none, or larger than the type holds.
pub fn whole<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::Zero => "at least 1 is possible".into(),
        IntErrorKind::PosOverflow => "this is more than is possible".into(),
        _ => "expected a whole number, such as 20".into(),
    })
}

/// Splits `10s` into 10 and `s`.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

/// Reads a value from a TOML string through its [`FromStr`], or from a TOML integer as if its
/// digits had been written in quotes; a list from several, or from one without brackets.
struct FromText<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

macro_rules! deserialize_from_text {
    ($($value:ty),*) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                source.deserialize_any(FromText(PhantomData))
            }
        }
    )*};
}

deserialize_from_text!(LeastPace, Levels, Net, Span);

/// Reads an address.
pub fn address<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Address>, D::Error> {
    source.deserialize_any(FromText(PhantomData)).map(Some)
}

/// Reads an IP address.
pub fn ip<'de, D: Deserializer<'de>>(source: D) -> Result<Option<IpAddr>, D::Error> {
    source.deserialize_any(FromText(PhantomData)).map(Some)
}

/// Reads a list of values, or a single one.
pub fn list<'de, T, D>(source: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    source.deserialize_any(List(PhantomData)).map(Some)
}

struct List<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        Ok(vec![text.parse().map_err(E::custom)?])
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(One(PhantomData))? {
            values.push(value);
        }
        Ok(values)
    }
}

struct One<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> DeserializeSeed<'de> for One<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<T, D::Error> {
        source.deserialize_any(FromText(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::time::Duration;

    use super::{LeastPace, Levels, Net, Span, whole};

    #[test]
    fn what_is_no_number_is_told_in_words() {
        assert_eq!(whole("20000"), Ok(20_000_u32));
        for (text, told) in [
            ("0", "at least 1"),
            ("65536", "more than is possible"),
            ("-1", "a whole number"),
            ("1e3", "a whole number"),
            ("", "a whole number"),
        ] {
            let said = whole::<NonZeroU16>(text).unwrap_err();
            assert!(said.contains(told), "{text}: {said}");
        }
    }

    #[test]
    fn a_device_has_a_kind_and_a_name() {
        assert_eq!("tap:crore0".parse(), Ok(Net::Tap("crore0".into())));
        assert_eq!("xdp:eth0".parse(), Ok(Net::Xdp("eth0".into(), false)));
        assert_eq!("xdp:eth0/generic".parse(), Ok(Net::Xdp("eth0".into(), true)));
        for (text, advice) in [
            ("tap", "the device's name is missing"),
            ("tap:", "needs a name: tap:crore0"),
            ("epol", "did you mean `epoll`?"),
            ("dpdk:0", "known here: kernel, epoll, uring, tap:DEVICE, xdp:INTERFACE"),
            ("xdp", "the interface's name is missing"),
            ("xdp:/generic", "needs a name: xdp:eth0"),
            ("xdp:eth0/", "unknown mode ``"),
            ("xdp:eth0/fast", "xdp:eth0/generic is the only one"),
        ] {
            let said = text.parse::<Net>().unwrap_err();
            assert!(said.contains(advice), "{text}: {said}");
        }
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, millis) in
            [("500ms", 500), ("10s", 10_000), ("5 m", 300_000), ("1h", 3_600_000), ("1ms", 1)]
        {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for (text, advice) in [
            ("10", "the unit is missing; write 10s or 10ms"),
            ("", "expected a whole number and a unit"),
            ("s", "expected a whole number and a unit"),
            ("1.5s", "expected a whole number and a unit"),
            ("-1s", "expected a whole number and a unit"),
            ("3d", "expected a whole number and a unit"),
            ("0s", "a time is at least 1ms and at most 49 days"),
            ("1194h", "a time is at least 1ms and at most 49 days"),
            ("18446744073709551615h", "a time is at least 1ms and at most 49 days"),
            ("99999999999999999999s", "expected a whole number and a unit"),
        ] {
            let said = text.parse::<Span>().unwrap_err();
            assert!(said.starts_with(advice), "{text}: {said}");
        }
    }

    #[test]
    fn a_pace_is_a_size_in_a_time() {
        let LeastPace(pace) = "2KiB/10s".parse().unwrap();
        assert_eq!((pace.bytes, pace.window), (2_048, Duration::from_secs(10)));
        for text in ["2400", "2400/", "/10s", "2400/10", "10s/2400"] {
            assert!(text.parse::<LeastPace>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_part_of_the_program() {
        for text in ["info", "OFF", "warn,site=debug", "site=trace"] {
            assert!(text.parse::<Levels>().is_ok(), "{text}");
        }
        for text in ["inof", "", "site=inof", "info,debgu", "3", "a=b=info"] {
            assert!(text.parse::<Levels>().is_err(), "{text}");
        }
    }
}
