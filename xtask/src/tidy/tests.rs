//! Each rule refuses what it is there to refuse, and nothing near it.

use super::code::{line_of_word, without_comments_and_texts};
use super::licences::is_accepted;
use super::links::{anchor, targets};
use super::sources::complaints_about;

fn uses_unsafe(source: &str) -> bool {
    line_of_word(&without_comments_and_texts(source), "unsafe").is_some()
}

#[test]
fn unsafe_code_is_found_where_it_is_code() {
    assert!(uses_unsafe("fn f() { unsafe { g() } }"));
    assert!(uses_unsafe("let c = '\"'; unsafe { g() } // \""));
    assert!(uses_unsafe("let c = '\\''; unsafe fn g<'a>(x: &'a str) {}"));
    assert!(uses_unsafe("let s = r#\"a\"b\"#; unsafe {}"));
    assert!(uses_unsafe("let bar = 1; let s = \"\\\\\"; unsafe {}"));
}

#[test]
fn the_word_unsafe_is_no_code_in_comments_texts_and_names() {
    assert!(!uses_unsafe("// unsafe { }"));
    assert!(!uses_unsafe("/* a /* b */ unsafe */"));
    assert!(!uses_unsafe("let s = \"\\\" unsafe\";"));
    assert!(!uses_unsafe("let s = br##\"\"# unsafe\"##;"));
    assert!(!uses_unsafe("#![forbid(unsafe_code)]"));
}

#[test]
fn lines_keep_their_numbers() {
    let code = without_comments_and_texts("/*\n\n*/ let s = \"\n\"; unsafe {}");
    assert_eq!(line_of_word(&code, "unsafe"), Some(4));
}

#[test]
fn a_tidy_file_gives_no_complaint() {
    assert_eq!(complaints_about("crates/http/src/a.rs", "//! A.\n\nfn f() {}\n"), [""; 0]);
    assert_eq!(complaints_about("fuzz/a.rs", "#![no_main]\n//! A.\n"), [""; 0]);
    let uses = "//! A.\nfn f() { unsafe { g() } }\n";
    assert_eq!(complaints_about("crates/mem/src/a.rs", uses), [""; 0]);
}

#[test]
fn each_broken_rule_is_named() {
    let only = |text: &str| {
        let complaints = complaints_about("crates/http/src/a.rs", text);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        complaints.into_iter().next().unwrap_or_default()
    };
    assert!(only("fn f() {}\n").contains("opens without"));
    assert!(only(&format!("//! A.\n{}", "\n".repeat(600))).contains("601 lines"));
    assert!(only("//! A.\nfn f() { unsafe { g() } }\n").contains("a.rs:2: unsafe"));
    assert!(only(concat!("//! A.\n// TO", "DO\n")).contains("a.rs:2"));
}

#[test]
fn licences_are_read_as_expressions() {
    assert!(is_accepted("MIT OR Apache-2.0"));
    assert!(is_accepted("MIT/Apache-2.0"));
    assert!(is_accepted("(MIT OR GPL-3.0) AND Unicode-3.0"));
    assert!(is_accepted("GPL-3.0 AND ISC OR Zlib"));
    assert!(is_accepted("Apache-2.0 WITH LLVM-exception"));
    assert!(!is_accepted("GPL-3.0"));
    assert!(!is_accepted("MIT AND GPL-3.0"));
    assert!(!is_accepted("GPL-3.0 AND (ISC OR Zlib)"));
    assert!(!is_accepted("GPL-2.0 WITH Classpath-exception-2.0"));
    assert!(!is_accepted("(MIT"));
    assert!(!is_accepted(""));
}

#[test]
fn links_are_found_outside_code() {
    let text = "[a](b.md) and `[c](d.md)` ![e](f.png)\n```\n[g](h.md)\n```\n<img src=\"i.png\">";
    assert_eq!(targets(text), ["b.md", "f.png", "i.png"]);
}

#[test]
fn anchors_are_formed_as_github_forms_them() {
    assert_eq!(anchor("## The way of a request"), "the-way-of-a-request");
    assert_eq!(anchor("# `crore serve`: limits"), "crore-serve-limits");
}
