//! The units of axes, and how people write values in them.

/// What a number on an axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Things: `1,500`, from ten thousand on `20 k`, `3 M`.
    #[default]
    Count,
    /// Time in nanoseconds: `250 ns`, `1.5 µs`, `20 ms`, `3 s`.
    Nanoseconds,
    /// Bytes: `64 B`, `4 KiB`, `1.5 MiB`.
    Bytes,
    /// Things a second: `150 k/s`.
    PerSecond,
    /// Bytes a second: `1.5 GB/s`, in powers of ten as rates are given.
    BytesPerSecond,
    /// A share from 0 to 1: `0.5` is `50%`.
    Share,
}

const TIME: &[(f64, &str)] = &[(1.0, " ns"), (1e3, " µs"), (1e6, " ms"), (1e9, " s")];
const BYTES: &[(f64, &str)] = &[
    (1.0, " B"),
    (1024.0, " KiB"),
    (1_048_576.0, " MiB"),
    (1_073_741_824.0, " GiB"),
    (1_099_511_627_776.0, " TiB"),
];
const COUNT: &[(f64, &str)] = &[(1.0, ""), (1e3, " k"), (1e6, " M"), (1e9, " G")];
const RATE: &[(f64, &str)] = &[(1.0, "/s"), (1e3, " k/s"), (1e6, " M/s"), (1e9, " G/s")];
const BYTE_RATE: &[(f64, &str)] =
    &[(1.0, " B/s"), (1e3, " kB/s"), (1e6, " MB/s"), (1e9, " GB/s"), (1e12, " TB/s")];

impl Unit {
    /// `value` as people write it, at most four digits long where that loses nothing that matters.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self {
            _ if value == 0.0 && self != Self::Share => "0".to_owned(),
            Self::Share => format!("{}%", digits(value * 100.0)),
            Self::Count if value.abs() < 10_000.0 => thousands(value),
            _ => {
                let (factor, name) = self.step(value);
                format!("{}{name}", digits(value / factor))
            }
        }
    }

    /// Steps of a linear axis are round in powers of this.
    pub(crate) fn base(self) -> f64 {
        if self == Self::Bytes { 2.0 } else { 10.0 }
    }

    /// The largest step that is not above `value`. What rounds up to the next step is in that one:
    /// 999.96 ns are 1 µs.
    fn step(self, value: f64) -> (f64, &'static str) {
        let steps = match self {
            Self::Nanoseconds => TIME,
            Self::Bytes => BYTES,
            Self::PerSecond => RATE,
            Self::BytesPerSecond => BYTE_RATE,
            Self::Count | Self::Share => COUNT,
        };
        let fits = |step: &&(f64, &str)| value.abs() * 1.0005 >= step.0;
        *steps.iter().rev().find(fits).unwrap_or(&steps[0])
    }
}

/// Three digits after rounding, more where the value is above 1000.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A whole number with its thousands apart, or a small one with its decimals.
fn thousands(value: f64) -> String {
    if value.abs() < 1000.0 {
        return digits(value);
    }
    let whole = format!("{value:.0}");
    let (head, tail) = whole.split_at(whole.len() - 3);
    format!("{head},{tail}")
}
