//! `crore demo`: small ones, whose figures have to be there and to make sense.

mod common;

use common::{assert_documented, run, stderr};
use serde_json::Value;

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is no number"))
}

#[test]
fn two_thousand_connections_give_all_figures() {
    let output = run(&["demo", "--connections", "2000", "--seconds", "1", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "busy",
        "churn_per_second",
        "churn_server_busy",
        "connections",
        "established_per_second",
        "kept_waiting",
        "kept_waiting_at_70_percent",
        "latency_at_70_percent_us",
        "latency_us",
        "packet_cost_ns",
        "packets_per_second",
        "requests_per_second",
        "rss_bytes",
        "server_bytes_per_connection",
        "undisturbed",
        "undisturbed_at_70_percent",
    ];
    // Missing where the kernel does not say how long a thread waits.
    let says = report["kept_waiting"].get("server").is_some();
    let expected = &expected[..expected.len() - if says { 0 } else { 2 }];
    assert_eq!(names, expected);
    assert_documented(&report, include_str!("../../../docs/demo.md"), &[]);
    assert_eq!(report["connections"], 2_000);
    assert!(number(&report["established_per_second"]) > 0.0);
    let requests = number(&report["requests_per_second"]);
    assert!(requests > 0.0);
    // A request and its answer are a packet each; acknowledgments may ride on others.
    assert!(number(&report["packets_per_second"]) > 1.9 * requests);
    let bytes = number(&report["server_bytes_per_connection"]);
    assert!(bytes > 64.0 && number(&report["rss_bytes"]) > 2_000.0 * bytes, "{bytes}");
    for figures in ["latency_us", "latency_at_70_percent_us"] {
        let latency = |name: &str| number(&report[figures][name]);
        assert!(latency("p50") > 0.0);
        assert!(latency("p50") <= latency("p99") && latency("p99") <= latency("p999"));
    }
    for figures in ["undisturbed", "undisturbed_at_70_percent"].into_iter().filter(|_| says) {
        let calm = &report[figures];
        assert!((0.0..=1.0).contains(&number(&calm["part_of_time"])), "{calm}");
        // Missing on a machine so busy that there is no such time.
        if let Some(latency) = calm.get("latency_us") {
            let [p50, p99, p999] = ["p50", "p99", "p999"].map(|name| number(&latency[name]));
            assert!(0.0 < p50 && p50 <= p99 && p99 <= p999, "{calm}");
        }
    }
    assert!(number(&report["churn_per_second"]) > 0.0);
    let busy = ["server", "clients"].map(|end| number(&report["busy"][end]));
    assert!(busy.iter().all(|share| (0.0..=1.1).contains(share)), "{busy:?}");
    for figures in ["kept_waiting", "kept_waiting_at_70_percent"] {
        // Missing where the kernel does not count it.
        let shares = report[figures].as_object().unwrap().values().map(number);
        assert!(shares.clone().all(|share| (0.0..=1.1).contains(&share)), "{report}");
    }
    let costs = report["packet_cost_ns"].as_array().unwrap();
    let steps: Vec<_> = costs.iter().map(|cost| cost["connections"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1_000, 2_000]);
    assert!(costs.iter().all(|cost| number(&cost["ns"]) > 0.0));
}

/// Two pairs of shards, fewer requests than they could answer, and figures for people.
#[test]
fn a_given_rate_is_kept_by_all_shards_together() {
    let few = ["--connections", "300", "--server-shards", "2", "--rate", "500", "--seconds", "1"];
    let output = run(&[&["demo"], &few[..]].concat());
    let (table, lines) = (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output));
    assert!(output.status.success(), "{lines}");
    let value = |name: &str| -> u64 {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        let word = line.strip_prefix(name).and_then(|rest| rest.split_whitespace().next());
        word.unwrap().replace(',', "").parse().unwrap()
    };
    assert_eq!(value("connections"), 300);
    assert!((1..=510).contains(&value("requests")), "{table}");
    assert!(lines.lines().all(|line| line.starts_with("crore: ")), "{lines}");
}

/// Three thousand million take 486 GB, both ends together.
#[test]
fn more_than_memory_holds_is_refused_with_what_would_fit() {
    let output = run(&["demo", "--connections", "3000000000"]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("3000000000 connections take") && told.contains("would fit"), "{told}");
}
