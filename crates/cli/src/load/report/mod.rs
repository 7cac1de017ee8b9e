//! What was found, as a table for people, as JSON for programs, as a log of histograms and as a
//! picture. Invariant: every form is made of the same [`Figures`](super::figures::Figures).

mod hdr;
mod json;
mod picture;
mod table;

pub use hdr::hdr;
pub use json::json;
pub use picture::svg;
pub use table::table;

use std::time::Duration;

/// A time for people: `250 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`.
pub fn time(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    // What would be rounded to 1000 of a unit is 1.00 of the next.
    let (value, unit) = match nanos {
        0.0 => return "-".to_owned(),
        ..1e3 => return format!("{nanos} ns"),
        ..999.5e3 => (nanos / 1e3, "µs"),
        ..999.5e6 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn times_have_three_digits() {
        for (nanos, text) in [
            (0, "-"),
            (250, "250 ns"),
            (7, "7 ns"),
            (12_345, "12.3 µs"),
            (99_960, "100 µs"),
            (999_700, "1.00 ms"),
            (4_560_000, "4.56 ms"),
            (1_200_000_000, "1.20 s"),
        ] {
            assert_eq!(super::time(Duration::from_nanos(nanos)), text);
        }
    }
}
