//! Puts a report into `docs/benchmarks.md`, in place of the one before.

use std::fs;

use crate::Outcome;
use crate::metadata::Metadata;

const DOCUMENT: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- cargo xtask bench serve --write: from here -->";
const END: &str = "<!-- cargo xtask bench serve --write: to here -->";

/// Writes the report between the two marks.
pub fn write(report: &str) -> Outcome {
    let file = Metadata::load()?.workspace_root.join(DOCUMENT);
    let text = fs::read_to_string(&file)?;
    let replaced = replace(&text, report)
        .ok_or_else(|| format!("{DOCUMENT} has lost its marks:\n{BEGIN}\n{END}"))?;
    fs::write(file, replaced)?;
    println!("written to {DOCUMENT}");
    Ok(())
}

fn replace(text: &str, report: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", report.trim()))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, replace};

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let expected = format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n");
        assert_eq!(replace(&text, "new\n"), Some(expected.clone()));
        assert_eq!(replace(&expected, "new"), Some(expected));
        assert_eq!(replace("no marks", "new"), None);
    }
}
