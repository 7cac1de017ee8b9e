//! The citations of RFC 9293 in the code are true, and complete: every quotation is found in the
//! section it names, and every requirement the RFC numbers (MUST-n, SHLD-n) is cited where it is
//! implemented and where it is tested, or has its reason in docs/rfc9293.md.
//!
//! The form is duvet's: `//= specs/rfc9293.txt#section-…`, then the quotation after `//#`; a test's
//! citation says `//= type=test` in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const SPEC: &str = "specs/rfc9293.txt";

struct Citation {
    place: String,
    section: String,
    test: bool,
    quote: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One space where there were any, and none after a hyphen at which a line was broken.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("- ", "-")
}

/// The text of every section, by number.
fn sections() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join(SPEC)).unwrap();
    let body = &text[text.rfind("\n1.  Purpose and Scope").unwrap()..];
    let mut sections = BTreeMap::new();
    let mut number = String::new();
    for line in body.lines() {
        let heading = line.split_once(".  ").filter(|(number, _)| {
            number.starts_with(|first: char| first.is_ascii_digit())
                && number.chars().all(|c| c.is_ascii_digit() || c == '.')
        });
        match heading {
            Some((heading, _)) => number = heading.to_owned(),
            None if line.starts_with("Appendix") => break,
            None => {
                let section: &mut String = sections.entry(number.clone()).or_default();
                section.push_str(line);
                section.push('\n');
            }
        }
    }
    sections.into_iter().map(|(number, text)| (number, normal(&text))).collect()
}

/// The numbered requirements that `text` names, as in (MUST-7).
fn requirements(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for kind in ["(MUST-", "(SHLD-"] {
        for (at, _) in text.match_indices(kind) {
            let number: String =
                text[at + kind.len()..].chars().take_while(char::is_ascii_digit).collect();
            found.insert(format!("{}{number}", &kind[1..]));
        }
    }
    found
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn citations() -> Vec<Citation> {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    let mut citations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).peekable();
        while let Some((at, line)) = lines.next() {
            let start = format!("//= {SPEC}#section-");
            let Some(section) = line.strip_prefix(&start) else { continue };
            let test = lines.next_if(|(_, line)| *line == "//= type=test").is_some();
            let mut quote = String::new();
            while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with("//#")) {
                quote.push_str(line.trim_start_matches("//#"));
                quote.push('\n');
            }
            citations.push(Citation {
                place: format!("{}:{at}", file.display()),
                section: section.to_owned(),
                test,
                quote: normal(&quote),
            });
        }
    }
    citations
}

#[test]
fn every_quotation_is_found_in_its_section() {
    let sections = sections();
    let citations = citations();
    assert!(citations.len() > 50, "{} citations found", citations.len());
    let wrong: Vec<String> = citations
        .iter()
        .filter(|citation| {
            let text = sections.get(&citation.section);
            citation.quote.is_empty() || !text.is_some_and(|text| text.contains(&citation.quote))
        })
        .map(|citation| {
            format!("{}: not in {}: {}", citation.place, citation.section, citation.quote)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_requirement_is_cited_and_tested_or_has_a_reason() {
    let sections = sections();
    let all: BTreeSet<String> = sections.values().flat_map(|text| requirements(text)).collect();
    assert!(all.len() > 90, "{} requirements found", all.len());
    let cited = |test: bool| -> BTreeSet<String> {
        let citations = citations();
        let wanted = citations.iter().filter(|citation| citation.test == test);
        wanted.flat_map(|citation| requirements(&citation.quote)).collect()
    };
    let reasons = fs::read_to_string(root().join("docs/rfc9293.md")).unwrap();
    let excused: BTreeSet<String> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|first| first.starts_with("MUST-") || first.starts_with("SHLD-"))
        .map(str::to_owned)
        .collect();
    let without = |cited: &BTreeSet<String>| -> Vec<String> {
        all.iter().filter(|id| !cited.contains(*id) && !excused.contains(*id)).cloned().collect()
    };
    let (implemented, tested) = (cited(false), cited(true));
    let missing = (without(&implemented), without(&tested));
    assert!(
        missing.0.is_empty() && missing.1.is_empty(),
        "not cited where implemented: {}\nnot cited in a test: {}",
        missing.0.join(" "),
        missing.1.join(" ")
    );
    let idle: Vec<_> = excused
        .iter()
        .filter(|id| !all.contains(*id) || implemented.contains(*id) && tested.contains(*id))
        .collect();
    assert!(idle.is_empty(), "excused without need: {idle:?}");
}
