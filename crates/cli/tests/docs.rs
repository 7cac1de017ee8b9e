//! What the documentation shows has to be true: every example of a configuration is a good one.

mod common;

use common::{Folder, crore, stderr};

#[test]
fn every_example_of_a_configuration_is_good() {
    let text = include_str!("../../../docs/configuration.md");
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").map_or(rest, |(example, _)| example))
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let folder = Folder::new();
        let file = folder.write("crore.toml", example);
        let mut command = crore();
        // What the file says of the engine is part of the example.
        command.env_remove("CRORE_NET").args(["serve", "--check", "-c", &file]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}\n{example}", stderr(&output));
    }
}

/// The example of the server names every key there is.
#[test]
fn every_flag_is_in_the_example() {
    let text = include_str!("../../../docs/configuration.md");
    let help = String::from_utf8(common::run(&["serve", "-h"]).stdout).unwrap();
    let flags = help.lines().filter_map(|line| line.trim_start().split("--").nth(1));
    let elsewhere = ["help", "config", "check", "verbose", "quiet"];
    for flag in flags.filter_map(|rest| rest.split([' ', '[', '.']).next()) {
        let key = format!("\n{flag} = ");
        assert!(elsewhere.contains(&flag) || text.contains(&key), "{flag} is not there");
    }
}
