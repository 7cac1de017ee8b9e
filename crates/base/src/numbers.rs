//! Numbers as people read them: [`Grouped`] and [`Bytes`]. Invariant: they are written without
//! allocating, and padded like any other text.

use core::fmt::{self, Write};

/// The longest: twenty digits, and a comma for every three of them.
const LONGEST: usize = 26;

/// A whole number with its thousands set apart: `10,000,000`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LONGEST];
        let mut start = LONGEST;
        let mut rest = self.0;
        let mut digits = 0;
        while rest > 0 || digits == 0 {
            if digits > 0 && digits % 3 == 0 {
                start -= 1;
                text[start] = b',';
            }
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            digits += 1;
        }
        f.pad(core::str::from_utf8(&text[start..]).unwrap_or_default())
    }
}

/// A number of bytes, to a tenth of its unit: `3.9 GiB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        // What would be rounded to 1024 of a unit is 1.0 of the next.
        while value >= 1023.5 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let decimals = usize::from(unit > 0 && value < 99.95);
        let mut text = Short { bytes: [0; LONGEST], length: 0 };
        write!(text, "{value:.decimals$} {}", UNITS[unit])?;
        f.pad(core::str::from_utf8(&text.bytes[..text.length]).unwrap_or_default())
    }
}

/// A text that is known to be no longer than [`LONGEST`].
struct Short {
    bytes: [u8; LONGEST],
    length: usize,
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::ToString;

    use super::{Bytes, Grouped};

    #[test]
    fn thousands_are_set_apart_from_the_right() {
        for (number, text) in [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (20_000, "20,000"),
            (10_000_000, "10,000,000"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(Grouped(number).to_string(), text);
        }
        assert_eq!(format!("{:>7}|{:<7}|", Grouped(1_000), Grouped(1_000)), "  1,000|1,000  |");
    }

    #[test]
    fn bytes_print_for_people() {
        for (count, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (3_957, "3.9 KiB"),
            (150 << 20, "150 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (104_857_599, "100 MiB"),
            (u64::MAX, "16777216 TiB"),
            (4_187_593_113, "3.9 GiB"),
        ] {
            assert_eq!(Bytes(count).to_string(), text);
        }
        assert_eq!(format!("{:>8}|{:<8}|", Bytes(3_957), Bytes(0)), " 3.9 KiB|0 B     |");
    }
}
