//! `/status.json`: a reading as JSON. The names in it are stable.
//!
//! | name | what |
//! | --- | --- |
//! | `version` | crore's version |
//! | `state` | `starting`, `serving` or `draining` |
//! | `engine`, `engine_reason` | what drives the connections, and why that was chosen |
//! | `addresses` | where it listens |
//! | `max_connections` | how many connections it may hold |
//! | `time` | seconds since the Unix epoch |
//! | `uptime_seconds` | since the start |
//! | `cpu_seconds` | CPU time the process has used |
//! | `resident_bytes` | memory of the process that is backed by pages; null if unknown |
//! | `base_bytes` | the part of `connection_bytes` that was there before the first connection |
//! | `bytes_per_connection` | the rest of it, by `connections`; null while there are none |
//! | `total` | every figure (see [`FIGURES`]), summed over the shards; those of crore's own stack only where it is the engine |
//! | `shards` | for each: `shard`, its number; `cpu`, which it is pinned to, or null; every figure |

use serde_json::{Map, Value, json};

use super::board::{Reading, State};
use super::figures::FIGURES;

/// The document for `reading`.
pub fn write(reading: &Reading) -> String {
    let state = match reading.state {
        State::Starting => "starting",
        State::Serving => "serving",
        State::Draining => "draining",
    };
    let total = |place| reading.total(place);
    let document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": state,
        "engine": reading.facts.engine,
        "engine_reason": reading.facts.engine_reason,
        "addresses": reading.facts.addresses,
        "max_connections": reading.facts.max_connections,
        "time": reading.time.as_secs_f64(),
        "uptime_seconds": reading.uptime.as_secs_f64(),
        "cpu_seconds": reading.cpu_time.as_secs_f64(),
        "resident_bytes": reading.resident,
        "base_bytes": reading.facts.base_bytes,
        "bytes_per_connection": reading.bytes_per_connection(),
        "total": figures(reading, total),
        "shards": reading.shards.iter().map(|shard| {
            let mut figures = figures(reading, |place| shard.values[place]);
            figures.insert("shard".into(), shard.index.into());
            figures.insert("cpu".into(), shard.cpu.clone().into());
            figures
        }).collect::<Vec<_>>(),
    });
    document.to_string()
}

fn figures(reading: &Reading, value: impl Fn(usize) -> u64) -> Map<String, Value> {
    let figures = FIGURES.iter().enumerate();
    let told = figures.filter(|(_, figure)| reading.own_stack || !figure.is_of_own_stack());
    told.map(|(place, figure)| (figure.key(), value(place).into())).collect()
}
