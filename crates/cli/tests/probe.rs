//! `crore probe` at small counts: every probe leaves samples, a picture and a line in the report, and an
//! interruption leaves nothing else.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{assert_documented, run, stderr};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Names of all probes, as the command itself lists them.
fn names() -> Vec<String> {
    let output = run(&["probe", "--list", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |probe: &Value| probe["name"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

fn files(folder: &Path) -> BTreeSet<String> {
    let name = |entry: Result<fs::DirEntry, _>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(folder).unwrap().map(name).collect()
}

/// Pictures that not all probes have.
fn is_further_picture(file: &str) -> bool {
    file.ends_with("-memory.svg") || file.ends_with("-p99.svg")
}

#[test]
fn every_probe_measures_and_is_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = run(&["probe", "all", "--count", "6", "--out", out]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let results = fs::read_to_string(folder.path().join("run.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results["probes"].as_array().unwrap().len(), names().len());
    assert_documented(&results, include_str!("../../../docs/probe.md"), &[]);
    let mut expected = BTreeSet::from(["report.html".to_owned(), "run.json".to_owned()]);
    for probe in results["probes"].as_array().unwrap() {
        let name = probe["name"].as_str().unwrap();
        let csv = fs::read_to_string(folder.path().join(format!("{name}.csv"))).unwrap();
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("curve,measure,n,value"));
        for curve in probe["curves"].as_array().unwrap() {
            let (label, says) = (curve["name"].as_str().unwrap(), curve["says"].as_str().unwrap());
            let samples = csv.lines().filter(|line| line.starts_with(&format!("\"{label}\",ns,")));
            // What a machine has not, it says.
            assert!(samples.count() > 0 || curve["end"].is_string(), "{name}: {label}: {says}");
        }
        for line in lines {
            let mut values = line.rsplit(',');
            assert!(values.next().unwrap().parse::<f64>().unwrap() >= 0.0, "{line}");
            assert!(values.next().unwrap().parse::<u64>().unwrap() > 0, "{line}");
        }
        let svg = fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
        assert!(page.contains(&format!("<section id=\"{name}\">")), "{name}");
        expected.extend([format!("{name}.csv"), format!("{name}.svg")]);
    }
    let found: BTreeSet<String> =
        files(folder.path()).into_iter().filter(|file| !is_further_picture(file)).collect();
    assert_eq!(found, expected, "something was left behind");
    for foreign in ["<script", "http://", "https://", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn running_out_of_descriptors_ends_a_graph_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ulimit -n 64 && exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_crore"),
            "probe",
            "socket",
            "connect",
            "--count",
            "500",
        ])
        .arg("--json")
        .arg("--out")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    for probe in results["probes"].as_array().unwrap() {
        for curve in probe["curves"].as_array().unwrap() {
            let end = curve["end"].as_str().unwrap_or_default();
            assert!(end.contains("out of descriptors (EMFILE); ulimit -n is 64"), "{curve}");
            assert!(curve["reached"].as_u64().unwrap() < 64);
        }
        let name = probe["name"].as_str().unwrap();
        let svg = fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap();
        assert!(svg.contains("class=\"end\"") && svg.contains("(EMFILE)"), "{name}");
    }
}

/// Processes whose command line or memory file is the probe's, or whose parent is `parent`.
fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent_id =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        if parent_id == Some(parent) {
            children.push(id);
        }
    }
    children
}

/// Interrupts a probe in its middle, and sees that its children and files are gone.
fn interrupt(name: &str, signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_crore"))
        .args(["probe", name, "--count", "20000", "--out"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_scratch = |file: &String| file.starts_with(".crore-probe");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut children = Vec::new();
    while children.is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
        children = children_of(child.id());
    }
    assert!(!children.is_empty(), "{name} has made no child");
    kill_process(Pid::from_child(&child), signal).unwrap();
    let status = child.wait().unwrap();
    if signal == Signal::KILL {
        // Nobody could clean up, but the kernel ends what was made.
        while children.iter().any(|id| is_running(*id)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        // The next run removes the files, once the last child of the killed one is gone.
        let out = folder.path().to_str().unwrap();
        while files(folder.path()).iter().any(is_scratch) && Instant::now() < deadline {
            assert!(run(&["probe", "socket", "--count", "2", "--out", out]).status.success());
        }
    } else {
        assert_eq!(status.code(), Some(1), "{name}");
        assert!(files(folder.path()).contains("report.html"), "{name}");
    }
    assert!(!files(folder.path()).iter().any(is_scratch), "{name} left files");
    let left: Vec<_> = children.iter().filter(|id| is_running(**id)).collect();
    assert!(left.is_empty(), "{name} left processes: {left:?}");
}

fn is_running(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[test]
fn an_interrupted_probe_leaves_no_child_and_no_file() {
    interrupt("fork", Signal::INT);
    interrupt("spawn", Signal::TERM);
    interrupt("connect", Signal::INT);
}

/// A child whose parent died before the child could ask to die with it once stayed for ever.
#[test]
fn a_killed_probe_leaves_no_child_and_no_file_for_long() {
    for name in ["fork", "spawn", "fork", "spawn", "servers", "fork"] {
        interrupt(name, Signal::KILL);
    }
}

#[test]
fn two_runs_are_laid_over_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(run(&["probe", "socket", "--count", "50", "--out", &at("before")]).status.success());
    let (after, before) = (at("after"), at("before"));
    let output = run(&["probe", "socket", "--count", "50", "--out", &after, "--compare", &before]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(&before), "{printed}");
    let page = fs::read_to_string(folder.path().join("after/report.html")).unwrap();
    assert!(page.contains("class=\"dashed c0\"") && page.contains("class=\"compared\""));
    let missing = run(&["probe", "socket", "--out", &after, "--compare", &at("nowhere")]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("nowhere"), "{}", stderr(&missing));
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is() {
    let misspelt = run(&["probe", "conect"]);
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(stderr(&misspelt).contains("connect"), "{}", stderr(&misspelt));
    let nothing = run(&["probe"]);
    assert_eq!(nothing.status.code(), Some(2));
    let elsewhere = run(&["probe", "socket", "--url", "http://192.0.2.1/"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(stderr(&elsewhere).contains("loopback"), "{}", stderr(&elsewhere));
}
