//! Puts a report into `docs/benchmarks.md`, in place of the one before.

use std::fs;

use crate::Outcome;
use crate::metadata::Metadata;

const DOCUMENT: &str = "docs/benchmarks.md";

/// The marks between which the report of a benchmark stands.
fn marks(benchmark: &str) -> [String; 2] {
    let mark =
        |place: &str| format!("<!-- cargo xtask bench {benchmark} --write: {place} here -->");
    [mark("from"), mark("to")]
}

/// Writes a benchmark's report between its two marks.
pub fn write(benchmark: &str, report: &str) -> Outcome {
    let file = Metadata::load()?.workspace_root.join(DOCUMENT);
    let text = fs::read_to_string(&file)?;
    let replaced = replace(&text, benchmark, report).ok_or_else(|| {
        format!("{DOCUMENT} has lost its marks:\n{}", marks(benchmark).join("\n"))
    })?;
    fs::write(file, replaced)?;
    println!("written to {DOCUMENT}");
    Ok(())
}

fn replace(text: &str, benchmark: &str, report: &str) -> Option<String> {
    let [begin, end] = marks(benchmark);
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", report.trim()))
}

#[cfg(test)]
mod tests {
    use super::{marks, replace};

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let [begin, end] = marks("stack");
        let text = format!("a\n{begin}\nold\n{end}\nb\n");
        let expected = format!("a\n{begin}\n\nnew\n\n{end}\nb\n");
        assert_eq!(replace(&text, "stack", "new\n"), Some(expected.clone()));
        assert_eq!(replace(&expected, "stack", "new"), Some(expected.clone()));
        assert_eq!(replace(&expected, "serve", "new"), None);
    }
}
