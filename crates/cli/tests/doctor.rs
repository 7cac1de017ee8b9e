//! `crore doctor` as a program uses it: its JSON, its exit status, what it says to wrong questions.
//! Nothing here changes the machine.

mod common;

use std::process::{Command, Output};

use serde_json::Value;

fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crore"));
    command.arg("doctor").args(arguments).stdin(std::process::Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn one_connection_can_be_held_and_the_document_says_on_what() {
    let output = doctor(&["--connections", "1", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["connections"], 1);
    assert_eq!(document["suffices"], true);
    let holdings: Vec<&Value> =
        document["capacity"].as_array().unwrap().iter().map(|way| &way["holding"]).collect();
    assert_eq!(holdings, ["kernel-sockets", "own-stack"]);
    common::assert_documented(&document, include_str!("../../../docs/doctor.md"), &[]);
    let exchange = &document["exchange_ns"];
    assert!(exchange["epoll"].as_u64().unwrap() > 0, "{exchange}");
    assert!(exchange["own_stack"].as_u64().unwrap() > 0, "{exchange}");
    for finding in document["findings"].as_array().unwrap() {
        let verdict = finding["verdict"].as_str().unwrap();
        assert!(["ok", "slower", "lacking", "unknown"].contains(&verdict), "{finding}");
        assert!(finding["topic"].is_string() && finding["reading"].is_string(), "{finding}");
        let is_wrong = ["slower", "lacking"].contains(&verdict);
        assert_eq!(finding["cost"].is_string(), is_wrong, "{finding}");
    }
}

#[test]
fn more_than_any_machine_holds_is_no() {
    let output = doctor(&["--connections", "4000000000", "--net", "kernel"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("no   they take 1") && said.contains("LACKING"), "{said}");
}

#[test]
fn nobody_reading_on_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crore"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.args(["doctor", "--connections", "1"]).stdout(writer);
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn a_wrong_question_is_told_so() {
    for (arguments, said) in [
        (&["--connections", "0"][..], "0 is not in 1..=4000000000"),
        (&["--net", "carrier-pigeon"], "write kernel, stack, or stack:IFACE"),
        (&["--fix", "nonsense"], "nothing was found about `nonsense`"),
        (&["--undo", "--fix", "all"], "cannot be used with"),
    ] {
        let output = doctor(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}
