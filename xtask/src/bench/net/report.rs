//! What `crore load --json` says: [`read`].

use serde_json::Value;

/// Answers a second, and how long they took in microseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Said {
    pub rate: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
}

/// Reads a report. Any error in it is one.
pub(super) fn read(report: &str) -> Result<Said, String> {
    let report: Value = serde_json::from_str(report).map_err(|error| error.to_string())?;
    let clean = report["errors"].as_object().is_some_and(serde_json::Map::is_empty);
    let latency = &report["latency_us"];
    let numbers =
        [&report["requests_per_second"], &latency["p50"], &latency["p90"], &latency["p99"]];
    match numbers.map(Value::as_f64) {
        [Some(rate), Some(p50), Some(p90), Some(p99)] if clean => Ok(Said { rate, p50, p90, p99 }),
        _ => Err(format!("crore load met errors: {}", report["errors"])),
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, read};

    #[test]
    fn only_reports_without_errors_count() {
        let good = r#"{"requests_per_second": 5000.5,
            "latency_us": {"p50": 20.5, "p90": 40, "p99": 90}, "errors": {}}"#;
        assert_eq!(read(good), Ok(Said { rate: 5000.5, p50: 20.5, p90: 40.0, p99: 90.0 }));
        let bad = r#"{"requests_per_second": 5000.5,
            "latency_us": {"p50": 20.5, "p90": 40, "p99": 90}, "errors": {"reset": 1}}"#;
        assert!(read(bad).is_err());
        assert!(read(r#"{"errors": {}}"#).is_err());
    }
}
