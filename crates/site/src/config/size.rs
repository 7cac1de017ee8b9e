//! A number of bytes as people write it: [`Size`].

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number of bytes, with a binary unit or without: `8192`, `16KiB`, `1MiB`, `2GiB`. In a file
/// it is a string, or a whole number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(pub u64);

/// Bytes in a unit, largest first. A bare letter means the binary unit, as in nginx and systemd.
const UNITS: [(&str, &str, u32); 4] =
    [("TiB", "T", 40), ("GiB", "G", 30), ("MiB", "M", 20), ("KiB", "K", 10)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let advice = || "expected a number of bytes: 8192, 16KiB, 1MiB or 2GiB".to_owned();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let count: u64 = digits.parse().map_err(|_| advice())?;
        let unit = unit.trim_start();
        if unit.is_empty() || unit == "B" {
            return Ok(Self(count));
        }
        let matches = |name: &str| name.eq_ignore_ascii_case(unit);
        let unit = UNITS.iter().find(|(name, short, _)| matches(name) || matches(short));
        let (_, _, shift) = unit.ok_or_else(advice)?;
        let bytes = count.checked_mul(1 << shift);
        bytes.map(Self).ok_or_else(|| "that is more than 64 bits of bytes".into())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(TextOrCount)
    }
}

struct TextOrCount;

impl Visitor<'_> for TextOrCount {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes such as 65536 or \"64KiB\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Size, E> {
        let count = u64::try_from(count);
        count.map(Size).map_err(|_| E::custom("a number of bytes is not negative"))
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_with_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("8192", 8_192),
            ("5B", 5),
            ("16KiB", 16 << 10),
            ("16k", 16 << 10),
            ("1 MiB", 1 << 20),
            ("2G", 2 << 30),
            ("3TiB", 3 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "KiB", "1KB", "-1", "1.5MiB", "16777216TiB", "99999999999999999999"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
