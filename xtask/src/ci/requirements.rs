//! RFC 9293, by duvet: every citation is of the RFC's text (duvet fails where it finds nothing like it;
//! the citations test of `tcp` is stricter), and every requirement
//! that it numbers MUST-n is cited where it is implemented and where it is tested, or has its reason
//! in docs/rfc9293.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::{Invocation, program_exists};

use super::report::Tally;

/// Where `.duvet/config.toml` has it write its report: the RFC's text, line by line, each with what
/// cites it, as in `TEXT[!MUST,implementation,test]: … (MUST-1).`
const REPORT: &str = "target/duvet.txt";
const REASONS: &str = "docs/rfc9293.md";
/// What a requirement has to be cited by.
const WANTED: [&str; 2] = ["implementation", "test"];

/// Runs duvet, which is installed if it is missing. It looks at nothing but the tree.
pub fn check(metadata: &Metadata) -> Outcome<Tally> {
    if !program_exists("duvet") {
        Invocation::new("cargo").arguments(&["install", "duvet", "--locked"]).run()?;
    }
    let root = metadata.workspace_root.as_path();
    fs::create_dir_all(root.join("target"))?;
    // Where the variable CI is set, duvet would only compare with a report that is there already.
    Invocation::new("duvet").arguments(&["report", "--ci", "false"]).folder(root).run()?;
    let (report, reasons) =
        (fs::read_to_string(root.join(REPORT))?, fs::read_to_string(root.join(REASONS))?);
    let missing = missing(&report, &reasons)?;
    if missing.is_empty() { Ok(Tally::default()) } else { Err(missing.join("\n").into()) }
}

/// The requirements that lack a citation and have no reason to.
fn missing(report: &str, reasons: &str) -> Outcome<Vec<String>> {
    let mut cited: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    let mut lines = report.lines().filter_map(split).peekable();
    while let Some((flags, text)) = lines.next() {
        for number in text.split("(MUST-").skip(1) {
            // The RFC's lines are broken at hyphens, too.
            let broken = lines.peek().filter(|_| number.is_empty());
            let number = leading_number(broken.map_or(number, |(_, next)| next.trim_start()));
            cited.entry(number).or_default().extend(flags.split(','));
        }
    }
    if cited.len() < 50 {
        return Err(format!("duvet tells of {} requirements only", cited.len()).into());
    }
    let excused = |number: u32| reasons.contains(&format!("\n| MUST-{number} |"));
    let lacking = cited.iter().filter(|(number, _)| !excused(**number));
    Ok(lacking
        .flat_map(|(number, by)| {
            let lacks = WANTED.iter().filter(|wanted| !by.contains(**wanted));
            lacks.map(move |wanted| format!("MUST-{number} lacks a citation, type {wanted}"))
        })
        .collect())
}

/// What a line of the report is cited by, and its text.
fn split(line: &str) -> Option<(&str, &str)> {
    line.trim_start().strip_prefix("TEXT[")?.split_once("]: ")
}

fn leading_number(text: &str) -> u32 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::missing;

    fn report(last: &str) -> String {
        let cited = |number| format!("TEXT[!MUST,implementation,test]: a (MUST-{number}).\n");
        (1..=60).map(cited).collect::<String>() + last
    }

    #[test]
    fn a_requirement_is_cited_by_code_and_test_or_excused() {
        assert!(missing(&report(""), "").unwrap().is_empty());
        let text =
            report("  TEXT[!MUST,test]: x (MUST-61), y (MUST-62)\n  TEXT[!MUST]: (MUST-63)\n");
        let lacking = missing(&text, "\n| MUST-62 | why |\n| MUST-63 | why |").unwrap();
        assert_eq!(lacking, ["MUST-61 lacks a citation, type implementation"]);
        assert!(missing("nothing", "").is_err());
    }
}
