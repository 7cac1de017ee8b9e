//! Conditions under which a run has failed: `p99>5ms`. Invariant: a condition that cannot be told is
//! an error of the flag, never one that holds by chance.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::figures::Figures;

/// A condition on a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    figure: Figure,
    compare: Compare,
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// Times, in nanoseconds.
    Time(Kind, Point),
    RequestsPerSecond,
    BytesPerSecond,
    Connections,
    Errors,
    /// Errors for each request, in percent.
    ErrorShare,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Latency,
    FirstByte,
    Connect,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    Quantile(f64),
    Mean,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let advice = || {
            format!(
                "`{text}` is no condition; write a figure, >, >=, < or <=, and a bound: p99>5ms, \
                 connect_p50>1ms, first_byte_max>1s, errors>0, errors>0.1%, \
                 requests_per_second<1000, connections<64"
            )
        };
        let at = text.find(['>', '<']).ok_or_else(advice)?;
        let (name, rest) = text.split_at(at);
        let (compare, bound) = [
            (">=", Compare::AtLeast),
            ("<=", Compare::AtMost),
            (">", Compare::Above),
            ("<", Compare::Below),
        ]
        .into_iter()
        .find_map(|(sign, compare)| Some((compare, rest.strip_prefix(sign)?.trim())))
        .ok_or_else(advice)?;
        let name = name.trim();
        let (figure, bound) = match name {
            "errors" => match bound.strip_suffix('%') {
                Some(percent) => (Figure::ErrorShare, number(percent)),
                None => (Figure::Errors, number(bound)),
            },
            "requests_per_second" => (Figure::RequestsPerSecond, number(bound)),
            "bytes_per_second" => (Figure::BytesPerSecond, number(bound)),
            "connections" => (Figure::Connections, number(bound)),
            _ => (time_figure(name).ok_or_else(advice)?, time(bound)),
        };
        let bound = bound.ok_or_else(advice)?;
        Ok(Self { text: text.to_owned(), figure, compare, bound })
    }
}

fn time_figure(name: &str) -> Option<Figure> {
    let prefixes = [("connect_", Kind::Connect), ("first_byte_", Kind::FirstByte)];
    let prefixed =
        prefixes.iter().find_map(|(prefix, kind)| Some((*kind, name.strip_prefix(prefix)?)));
    let (kind, point) = prefixed.unwrap_or((Kind::Latency, name));
    let point = match point {
        "mean" => Point::Mean,
        "max" => Point::Max,
        _ => Point::Quantile(quantile(point.strip_prefix('p')?)?),
    };
    Some(Figure::Time(kind, point))
}

/// `99` is 0.99; `999` and `99.9` are 0.999, as in the report.
fn quantile(text: &str) -> Option<f64> {
    let percent = if text.len() > 2
        && text.starts_with("99")
        && text.bytes().all(|byte| byte.is_ascii_digit())
    {
        let (whole, part) = text.split_at(2);
        number(&format!("{whole}.{part}"))?
    } else {
        number(text)?
    };
    (percent <= 100.0).then_some(percent / 100.0)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// A time with its unit, in nanoseconds.
fn time(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 5] =
        [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    UNITS.iter().find_map(|(unit, factor)| Some(number(text.strip_suffix(unit)?)? * factor))
}

impl Condition {
    /// Whether it holds; what the figure was, if so.
    pub fn holds(&self, figures: &Figures) -> Option<String> {
        let tally = &figures.tally;
        let nanos = |time: Duration| time.as_nanos() as f64;
        let value = match self.figure {
            Figure::Time(kind, point) => {
                let times = match kind {
                    Kind::Latency => &tally.latency,
                    Kind::FirstByte => &tally.first_byte,
                    Kind::Connect => &tally.connect,
                };
                if times.count() == 0 {
                    // Nobody could say that it does not hold, and that nothing was answered is no
                    // reason to call a run good.
                    return figures.asked.then(|| "nothing was measured".to_owned());
                }
                nanos(match point {
                    Point::Quantile(quantile) => times.at(quantile),
                    Point::Mean => times.mean(),
                    Point::Max => times.max(),
                })
            }
            Figure::RequestsPerSecond => figures.requests_per_second(),
            Figure::BytesPerSecond => figures.bytes_per_second(),
            Figure::Connections => figures.connections as f64,
            Figure::Errors => tally.all_errors() as f64,
            Figure::ErrorShare => figures.error_share() * 100.0,
        };
        let holds = match self.compare {
            Compare::Above => value > self.bound,
            Compare::AtLeast => value >= self.bound,
            Compare::Below => value < self.bound,
            Compare::AtMost => value <= self.bound,
        };
        holds.then(|| match self.figure {
            Figure::Time(..) => super::report::time(Duration::from_nanos(value as u64)),
            Figure::ErrorShare => format!("{value:.3}%"),
            _ => format!("{value:.0}"),
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use load::{ErrorKind, Tally};

    use super::super::figures::Figures;
    use super::Condition;

    #[test]
    fn a_time_that_was_not_measured_is_not_within_its_bound() {
        for text in ["p99>5ms", "p99<5ms", "connect_max>1s", "first_byte_mean>1s"] {
            let condition: Condition = text.parse().unwrap();
            let asked = Figures { asked: true, ..Figures::default() };
            assert_eq!(condition.holds(&asked).as_deref(), Some("nothing was measured"));
            // A phase that only opens idle connections has no such time.
            assert_eq!(condition.holds(&Figures::default()), None);
        }
    }

    #[test]
    fn conditions_hold_of_what_they_name() {
        let mut tally = Tally::default();
        (tally.answers, tally.bytes_in) = (1_000, 5_000);
        for time in 1..=1_000 {
            tally.latency.record(time * 1_000_000);
            tally.connect.record(50_000);
        }
        tally.fail(ErrorKind::Status);
        tally.first_byte.record(1);
        let figures = Figures { tally, seconds: 2.0, connections: 64, ..Figures::default() };
        for (text, holds) in [
            ("p50>400ms", true),
            ("p50>600ms", false),
            ("p99 >= 0.9s", true),
            ("p999<990ms", false),
            ("p99.9>990ms", true),
            ("mean<600ms", true),
            ("max>1001ms", false),
            ("connect_p99>40us", true),
            ("connect_max>60µs", false),
            ("first_byte_p50>1ns", false),
            ("errors>0", true),
            ("errors>1", false),
            ("errors>0.05%", true),
            ("errors>0.2%", false),
            ("requests_per_second<501", true),
            ("requests_per_second<500", false),
            ("bytes_per_second<=2500", true),
            ("connections<64", false),
        ] {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.holds(&figures).is_some(), holds, "{text}");
        }
        for text in ["", "p99", "p99>5", "p101>5ms", "px>5ms", "errors>", "latency>5ms", "p99>-1ms"]
        {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
