//! The configuration file: TOML, read whole, every error with its place in it.
//! Invariant: what a file says is taken in full or not at all.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Spot};
use super::suggest::nearest;

/// The largest configuration file read, in bytes. A larger one is some other file by mistake.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A configuration file's content.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is not text, or is larger than 4 MiB.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let refused = |reason: String, advice: &str| {
            let reason = format!("the configuration {} {reason}", path.display());
            Err(Problem::new(Place::Default, reason).advise(advice))
        };
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => {
                return refused(
                    format!("cannot be read: {error}"),
                    "give a file that exists and that crore may read with --config",
                );
            }
            Ok(length) if length as u64 > MAX_FILE_BYTES => {
                return refused("is larger than 4 MiB".into(), "is this the right file?");
            }
            Ok(_) => {}
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(_) => refused("is not UTF-8 text".into(), "TOML files are written in UTF-8"),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder the file is in: relative paths in the file start there.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Reads the whole content as a `T`.
    ///
    /// # Errors
    /// At the first thing that is not TOML, not known or not of the right kind.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        toml::from_str(&self.text).map_err(|error| {
            let place = match error.span() {
                Some(span) => self.place(span),
                None => Place::Default,
            };
            explain(place, error.message())
        })
    }

    /// The place of the bytes `span`.
    pub fn place(&self, span: Range<usize>) -> Place {
        Place::File(Spot::new(&self.path, &self.text, span))
    }

    /// The place of the value under `keys`, outermost first; a number picks from a list. None when
    /// there is no such value.
    pub fn find(&self, keys: &[&str]) -> Option<Place> {
        let root = DeTable::parse(&self.text).ok()?;
        let (first, rest) = keys.split_first()?;
        let mut value = root.get_ref().get(*first)?;
        for key in rest {
            value = match value.get_ref() {
                DeValue::Table(table) => table.get(*key)?,
                DeValue::Array(list) => list.get(key.parse::<usize>().ok()?)?,
                // A list of one may be written without its brackets.
                _ if *key == "0" => value,
                _ => return None,
            };
        }
        Some(self.place(value.span()))
    }
}

/// Makes a problem of what the TOML reader says, with the nearest known name as advice where a
/// name is not known.
fn explain(place: Place, message: &str) -> Problem {
    let unknown = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.split_once('`'));
    let Some((wrong, rest)) = unknown else {
        return Problem::new(place, in_words(message.trim_end()));
    };
    // The names that would do stand in backquotes: every second piece is one.
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let what = if message.starts_with("unknown field") { "setting" } else { "value" };
    let problem = Problem::new(place, format!("unknown {what} `{wrong}`"));
    match nearest(wrong, known.iter().copied()) {
        Some(name) => problem.advise(format!("did you mean `{name}`?")),
        None if known.is_empty() => problem,
        None => problem.advise(format!("known here: {}", known.join(", "))),
    }
}

/// Says what the reader says in Rust's terms in those of whoever wrote the file.
fn in_words(message: &str) -> String {
    const TERMS: [(&str, &str); 4] = [
        ("a nonzero u16", "a whole number from 1 to 65535"),
        ("a nonzero u32", "a whole number from 1 to 4294967295"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("a boolean", "true or false, without quotes"),
    ];
    let mut message = message.replace('\n', ", ");
    for (term, words) in TERMS {
        if let Some(start) = message.strip_suffix(&format!("expected {term}")) {
            message = format!("{start}expected {words}");
        }
    }
    message
}
