//! Every dependency's licence lets the whole be given on as MIT OR Apache-2.0.

use crate::metadata::Metadata;

/// Licences (SPDX identifiers) that ask for no more than to be named.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Complains of every package whose licence is none of [`ACCEPTED`].
pub fn check(metadata: &Metadata) -> Vec<String> {
    let verdict = |package: &crate::metadata::Package| {
        let (name, version) = (&package.name, &package.version);
        match package.license.as_deref() {
            None => Some(format!("{name} {version} names no licence in its manifest")),
            Some(licence) if is_accepted(licence) => None,
            Some(licence) => Some(format!(
                "{name} {version} is under {licence:?}, which xtask/src/tidy/licences.rs does not \
                 accept"
            )),
        }
    };
    metadata.packages.iter().filter_map(verdict).collect()
}

/// Whether an SPDX expression can be met with accepted licences alone: one side of every `OR`,
/// both sides of every `AND`. `AND` binds tighter, and the old form `MIT/Apache-2.0` means `OR`.
pub(super) fn is_accepted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> bool {
    let mut accepted = all_of(words);
    while take(words, "OR") {
        accepted |= all_of(words);
    }
    accepted
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut accepted = one(words);
    while take(words, "AND") {
        accepted &= one(words);
    }
    accepted
}

fn one(words: &mut &[&str]) -> bool {
    if take(words, "(") {
        let accepted = any_of(words);
        return take(words, ")") && accepted;
    }
    let Some((name, rest)) = words.split_first() else { return false };
    *words = rest;
    if !take(words, "WITH") {
        return ACCEPTED.contains(name);
    }
    let Some((exception, rest)) = words.split_first() else { return false };
    *words = rest;
    ACCEPTED.contains(&format!("{name} WITH {exception}").as_str())
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}
