//! What the command says of itself: help, completions, manual.

mod common;

use common::{run, stderr};

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Each flag of `crore serve`, and whether it is a setting, so has a variable.
const FLAGS: [(&str, bool); 33] = [
    ("--listen", true),
    ("--admin", true),
    ("--net", true),
    ("--address", true),
    ("--gateway", true),
    ("--park", true),
    ("--pcap", true),
    ("--pcap-bytes", true),
    ("--pcap-host", true),
    ("--pcap-port", true),
    ("--shards", true),
    ("--max-connections", true),
    ("--max-connections-per-client", true),
    ("--evict-idle", true),
    ("--header-time", true),
    ("--idle-time", true),
    ("--body-pace", true),
    ("--send-pace", true),
    ("--header-bytes", true),
    ("--header-lines", true),
    ("--target-bytes", true),
    ("--body-bytes", true),
    ("--log", true),
    ("--log-file", true),
    ("--level", true),
    ("--user", true),
    ("--sandbox", true),
    ("--drain", true),
    ("--config", true),
    ("--check", false),
    ("--verbose", false),
    ("--quiet", false),
    ("--help", false),
];

#[test]
fn help_tells_of_every_flag_with_its_variable_and_its_default() {
    let (short, long) = (text(&["serve", "-h"]), text(&["serve", "--help"]));
    for (flag, is_setting) in FLAGS {
        let variable = flag.replace("--", "CRORE_").replace('-', "_").to_uppercase();
        for (help, text) in [("-h", &short), ("--help", &long)] {
            let found = text.lines().any(|line| {
                let words = line.split([' ', ',', '[', '.']);
                words.into_iter().any(|word| word == flag)
            });
            assert!(found, "{flag} is not in {help}");
        }
        let found = long.contains(&format!("[env: {variable}]"));
        assert_eq!(found, is_setting, "{flag}: {variable}");
    }
    for text in [&short, &long] {
        assert!(text.contains("[default: 127.0.0.1:8080]"));
        assert!(text.contains("Examples:"));
        let listed = text.lines().filter(|line| line.trim_start().starts_with('-'));
        let flags = listed.filter(|line| line.contains("--")).count();
        assert_eq!(flags, FLAGS.len(), "a flag is missing in this test");
    }
    assert!(long.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn without_arguments_the_command_says_what_it_can_do() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    for command in ["serve", "demo", "load", "probe", "stat", "ss", "completions", "man"] {
        assert!(stderr(&output).contains(&format!("  {command} ")));
    }
}

#[test]
fn every_shell_gets_a_completion_script_with_the_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&["completions", shell]);
        assert!(script.contains("max-connections"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_crore_and_for_each_command() {
    assert!(text(&["man"]).contains(".TH crore 1"));
    let serve = text(&["man", "serve"]);
    assert!(serve.contains(".TH crore-serve 1"));
    assert!(serve.contains("CRORE_MAX_CONNECTIONS"));
    // Each page that crore's own lists is there, says whose it is, and names no flag that is none.
    let crore = text(&["man"]);
    let listed: Vec<&str> = crore
        .lines()
        .filter_map(|line| line.strip_prefix("crore\\-")?.strip_suffix("(1)"))
        .collect();
    assert!(listed.len() >= 9, "{crore}");
    for command in listed {
        let page = text(&["man", command]);
        let version = env!("CARGO_PKG_VERSION");
        assert!(page.contains(&format!(".TH crore-{command} 1  \"crore {version}\"")), "{page}");
        assert!(!page.contains("version\\fR"), "{command} has no --version");
    }
    for command in ["serve", "demo", "doctor", "load", "probe", "stat"] {
        assert!(text(&["man", command]).contains("Examples:"), "{command}");
    }
    let output = run(&["man", "sevre"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no command `sevre`"));
}

#[test]
fn a_misspelt_flag_is_answered_with_the_right_one() {
    let output = run(&["serve", "--max-conections", "5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--max-connections"), "{}", stderr(&output));
}
