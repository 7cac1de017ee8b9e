//! How source files look: short, introduced, with `unsafe` only where it belongs and nothing left
//! undone.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::code;
use crate::Outcome;

/// Lines a source file may have: past this it is two things.
const LINES_MAX: usize = 600;

/// Where `unsafe` may be written.
const UNSAFE_ALLOWED: &[&str] = &[
    "crates/mem/",
    "crates/port-",
    "crates/probe/src/sys/",
    "crates/sock/",
    "crates/shard/",
    // Functions that C calls.
    "tools/packetdrill/",
];

/// Words that mark something unfinished; halved so that this file does not contain them.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("db", "g!(")];

/// Complains of every Rust file that breaks one of the rules.
pub fn check(root: &Path, files: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.extension() == Some(OsStr::new("rs"))) {
        let text = fs::read_to_string(root.join(file))?;
        complaints.extend(complaints_about(&file.to_string_lossy(), &text));
    }
    Ok(complaints)
}

pub(super) fn complaints_about(file: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!("{file}: {lines} lines; more than {LINES_MAX} is two files"));
    }
    // A fuzz target must open with its attribute.
    let first = text.lines().find(|line| !line.starts_with("#![") && !line.is_empty());
    if !first.is_some_and(|line| line.starts_with("//!")) {
        complaints.push(format!("{file}: opens without //!: say what the file owns"));
    }
    if !UNSAFE_ALLOWED.iter().any(|folder| file.starts_with(folder)) {
        let used = code::line_of_word(&code::without_comments_and_texts(text), "unsafe");
        complaints.extend(used.map(|line| {
            format!("{file}:{line}: unsafe belongs into {} only", UNSAFE_ALLOWED.join(", "))
        }));
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            complaints.push(format!("{file}:{}: {word}: finish it or leave it out", index + 1));
        }
    }
    complaints
}
