//! What is wrong with a setting, told so that it can be put right: the place it came from (file,
//! line and column with the line itself; environment variable; flag), the reason, and what to do.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing wrong with the settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    place: Place,
    reason: String,
    advice: Option<String>,
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The command line: the flag as it is written there, `--shards`.
    Flag(String),
    /// An environment variable and its value.
    Environment(String, String),
    /// The configuration file.
    File(Spot),
    /// Nobody gave the value, it is the built-in one; or the problem is not one of a single value.
    Default,
}

/// A place in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    path: PathBuf,
    /// From 1 on.
    line: usize,
    /// From 1 on, in characters.
    column: usize,
    /// The whole line.
    text: String,
    /// Characters from the column on that are meant, at least 1.
    width: usize,
}

impl Problem {
    /// A problem at `place`. The reason is a clause without a full stop.
    pub fn new(place: Place, reason: impl Into<String>) -> Self {
        Self { place, reason: reason.into(), advice: None }
    }

    /// A problem that is not one of a single value.
    pub fn unplaced(reason: impl Into<String>) -> Self {
        Self::new(Place::Default, reason)
    }

    /// The same problem, with the place that its value came from.
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Adds what to do about it.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl Spot {
    /// The place of the bytes `span` of `text`, the content of the file at `path`.
    pub fn new(path: &Path, text: &str, span: Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let line = text[..line_start].matches('\n').count() + 1;
        let width = text[start..end.min(line_end)].chars().count();
        Self {
            path: path.to_owned(),
            line,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].trim_end().replace('\t', " "),
            width: width.max(1),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = &self.reason;
        let mut margin = 1;
        match &self.place {
            Place::Default => write!(f, "{reason}")?,
            Place::Flag(flag) => write!(f, "{flag}: {reason}")?,
            Place::Environment(name, value) => write!(f, "{name}={value}: {reason}")?,
            Place::File(spot) => {
                margin = spot.line.to_string().len();
                write!(f, "{}:{}:{}: {reason}", spot.path.display(), spot.line, spot.column)?;
                write!(f, "\n{:margin$} |\n{} | {}", "", spot.line, spot.text)?;
                write!(f, "\n{:margin$} | {:indent$}", "", "", indent = spot.column - 1)?;
                write!(f, "{}", "^".repeat(spot.width))?;
            }
        }
        match &self.advice {
            Some(advice) => write!(f, "\n{:margin$} = {advice}", ""),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
