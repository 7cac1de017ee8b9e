//! Links in documents that lead into the repository lead somewhere.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Complains of every relative link in a Markdown file whose file or heading is not there.
pub fn check(root: &Path, files: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.extension() == Some(OsStr::new("md"))) {
        let text = fs::read_to_string(root.join(file))?;
        for target in targets(&text) {
            if let Some(reason) = broken(root, file, &text, target) {
                complaints.push(format!("{}: link to {target}: {reason}", file.display()));
            }
        }
    }
    Ok(complaints)
}

fn broken(root: &Path, file: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = root.join(file).parent().map(Path::to_owned).unwrap_or_default();
    let text = if path.is_empty() {
        text.to_owned()
    } else if folder.join(path).is_dir() {
        return None;
    } else {
        match fs::read(folder.join(path)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => return Some(error.to_string()),
        }
    };
    let found = heading.is_empty() || headings(&text).any(|anchor| anchor == heading);
    (!found).then(|| format!("there is no heading {heading:?}"))
}

/// The targets of `[text](target)` and of `src="target"`, outside of code.
pub(super) fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in outside_fences(text) {
        // Every second piece between backticks is code.
        for prose in line.split('`').step_by(2) {
            found.extend(between(prose, "](", ')'));
            found.extend(between(prose, "src=\"", '"'));
        }
    }
    found
}

fn between<'a>(prose: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    prose.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The anchors of a document's headings, formed as GitHub forms them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    outside_fences(text).filter(|line| line.starts_with('#')).map(anchor)
}

pub(super) fn anchor(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
