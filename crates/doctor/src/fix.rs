//! Carries out what mends, and takes it back: [`Journal`].
//!
//! Invariant: what was there is written down and on the disk before anything is changed, so that it
//! can be taken back whatever happens meanwhile. A value that somebody else has changed since is left.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Lasting, SYSCTL_FILE, TMPFILES_FILE};
use crate::tree::Tree;

/// Where it is written down what was there.
const JOURNAL: &str = "/var/lib/crore/doctor.json";

/// What was changed, in order.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Journal {
    entries: Vec<Entry>,
}

/// One thing changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// A value in /proc or /sys.
    Value { path: String, before: String, after: String },
    /// A line added to a file of crore's own.
    Line { path: String, line: String },
}

/// What became of one change when it was to be taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Undone {
    /// It is as it was.
    Restored(String),
    /// Somebody has changed it since: it was left.
    Left(String),
}

/// What kept something from being fixed or taken back.
#[derive(Debug)]
pub enum FixError {
    /// The finding has nothing that crore can carry out.
    NothingToDo(String),
    /// A file could not be read or written.
    File(String, io::Error),
    /// The journal is not one.
    Journal(serde_json::Error),
}

impl fmt::Display for FixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToDo(topic) => {
                write!(f, "{topic}: crore cannot carry this out; the command is shown with it")
            }
            Self::File(path, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "{path}: {error}; this takes root")
            }
            Self::File(path, error) => write!(f, "{path}: {error}"),
            Self::Journal(error) => write!(f, "{JOURNAL} cannot be read: {error}"),
        }
    }
}

impl std::error::Error for FixError {}

impl Journal {
    /// Reads what was changed before; empty if nothing was.
    ///
    /// # Errors
    /// When the journal is there and cannot be read.
    pub fn load(tree: &Tree) -> Result<Self, FixError> {
        match fs::read(tree.path(JOURNAL)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(FixError::Journal),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(at(JOURNAL)(error)),
        }
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Carries out what mends a finding, for now and, with `lasting`, for good. Says what it did.
    ///
    /// # Errors
    /// [`FixError`]; what was done before stays, and is in the journal.
    pub fn fix(
        &mut self,
        tree: &Tree,
        finding: &Finding,
        lasting: bool,
    ) -> Result<Vec<String>, FixError> {
        let nothing = || FixError::NothingToDo(finding.topic.clone());
        let mend = finding.mend().filter(|mend| !mend.changes.is_empty()).ok_or_else(nothing)?;
        let mut done = Vec::new();
        for change in &mend.changes {
            let before = tree.text(&change.path).map(chosen);
            let missing = || at(&change.path)(io::ErrorKind::NotFound.into());
            let entry = Entry::Value {
                path: change.path.clone(),
                before: before.ok_or_else(missing)?,
                after: change.value.clone(),
            };
            self.write_down(tree, entry)?;
            fs::write(tree.path(&change.path), &change.value).map_err(at(&change.path))?;
            done.push(format!("{} = {}", change.path, change.value));
        }
        if let Some(lasting) = mend.lasting.as_ref().filter(|_| lasting) {
            done.extend(self.add_lines(tree, lasting)?);
        }
        Ok(done)
    }

    fn add_lines(&mut self, tree: &Tree, lasting: &Lasting) -> Result<Vec<String>, FixError> {
        // Other files belong to the distribution or to the person who runs the machine.
        if ![SYSCTL_FILE, TMPFILES_FILE].contains(&lasting.file.as_str()) {
            return Ok(Vec::new());
        }
        let mut done = Vec::new();
        for line in lasting.line.lines() {
            let text = written(tree, &lasting.file)?;
            if text.lines().any(|there| there == line) {
                continue;
            }
            let entry = Entry::Line { path: lasting.file.clone(), line: line.to_owned() };
            self.write_down(tree, entry)?;
            let start = if text.is_empty() { HEADING } else { text.as_str() };
            replace(&tree.path(&lasting.file), &format!("{start}\n{line}\n"))
                .map_err(at(&lasting.file))?;
            done.push(format!("{}: {line}", lasting.file));
        }
        Ok(done)
    }

    fn write_down(&mut self, tree: &Tree, entry: Entry) -> Result<(), FixError> {
        self.entries.push(entry);
        self.save(tree)
    }

    fn save(&self, tree: &Tree) -> Result<(), FixError> {
        let text = serde_json::to_string_pretty(self).map_err(FixError::Journal)?;
        replace(&tree.path(JOURNAL), &text).map_err(at(JOURNAL))
    }

    /// Takes everything back, the last first.
    ///
    /// # Errors
    /// [`FixError`]; what is left to take back stays in the journal.
    pub fn undo(&mut self, tree: &Tree) -> Result<Vec<Undone>, FixError> {
        let mut undone = Vec::new();
        while let Some(entry) = self.entries.last() {
            undone.push(take_back(tree, entry)?);
            self.entries.pop();
            self.save(tree)?;
        }
        match fs::remove_file(tree.path(JOURNAL)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(JOURNAL)(error)),
            _ => Ok(undone),
        }
    }
}

/// The first line of a file that crore makes.
const HEADING: &str = "# Written by `crore doctor --fix`; `crore doctor --undo` takes it back.";

fn take_back(tree: &Tree, entry: &Entry) -> Result<Undone, FixError> {
    match entry {
        Entry::Value { path, before, after } => {
            let now = tree.text(path).map(chosen).unwrap_or_default();
            if now == *before {
                return Ok(Undone::Restored(format!("{path} = {before}")));
            }
            // The kernel prints with tabs what was written with spaces.
            if !now.split_whitespace().eq(after.split_whitespace()) {
                return Ok(Undone::Left(format!("{path} = {now}, which crore did not write")));
            }
            fs::write(tree.path(path), before).map_err(at(path))?;
            Ok(Undone::Restored(format!("{path} = {before}")))
        }
        Entry::Line { path, line } => {
            let text = written(tree, path)?;
            let kept: Vec<&str> = text.lines().filter(|there| there != line).collect();
            if kept.iter().all(|line| *line == HEADING) {
                fs::remove_file(tree.path(path)).or_else(ignore_missing).map_err(at(path))?;
            } else {
                replace(&tree.path(path), &format!("{}\n", kept.join("\n"))).map_err(at(path))?;
            }
            Ok(Undone::Restored(format!("{path} without: {line}")))
        }
    }
}

/// What a file of crore's own holds; nothing if it is not there. One that cannot be read is left alone.
fn written(tree: &Tree, path: &str) -> Result<String, FixError> {
    match fs::read_to_string(tree.path(path)) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(at(path)(error)),
    }
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Of `always [madvise] never` the word chosen; any other text as it is.
fn chosen(text: String) -> String {
    let word = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    word.map(|(word, _)| word.to_owned()).unwrap_or(text)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}

fn at(path: &str) -> impl Fn(io::Error) -> FixError {
    let path = path.to_owned();
    move |error| FixError::File(path.clone(), error)
}
