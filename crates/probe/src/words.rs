//! What a curve says, in one plain line.

use base::Grouped;
use chart::Unit;

use crate::fit::Growth;
use crate::probe::Counted;

/// A count of what a probe counts along.
#[must_use]
pub fn counted(counted: Counted, n: u64) -> String {
    match counted {
        Counted::Things => Grouped(n).to_string(),
        Counted::Kibibytes => Unit::Bytes.format(n as f64 * 1024.0),
    }
}

/// What a growth says when counts from `first` to `reached` were measured.
#[must_use]
pub fn says(growth: Growth, unit: Unit, along: Counted, (first, reached): (u64, u64)) -> String {
    let value = |value: f64| unit.format(value);
    let last = counted(along, reached);
    match growth {
        Growth::Unknown if reached == 0 => "nothing measured".to_owned(),
        Growth::Unknown => format!("too few samples to tell, up to {last}"),
        Growth::Flat { value: flat } => format!("flat to {last}: {}", value(flat)),
        Growth::Log { doubling, .. } => format!(
            "grows with log n: {} at {}, {} more with each doubling, {} at {last}",
            value(growth.at(first as f64).max(0.0)),
            counted(along, first),
            value(doubling),
            value(growth.at(reached as f64)),
        ),
        Growth::Linear { each, .. } => {
            let (per, each) = match along {
                Counted::Things => ("1,000", each * 1000.0),
                Counted::Kibibytes => ("MiB", each * 1024.0),
            };
            format!(
                "grows with n: {} at {}, {} more for each {per}, {} at {last}",
                value(growth.at(first as f64).max(0.0)),
                counted(along, first),
                value(each),
                value(growth.at(reached as f64)),
            )
        }
        Growth::Shared { .. } => format!(
            "falls: {} at {}, towards {} at {last}",
            value(growth.at(first as f64)),
            counted(along, first),
            value(growth.at(reached as f64)),
        ),
        Growth::Step { at, before, after } => format!(
            "flat at {} to {}; step to {} at {}",
            value(before),
            counted(along, at.saturating_sub(1)),
            value(after),
            counted(along, at),
        ),
    }
}
