//! Which source of a setting wins: flag over environment over file over default.
//!
//! Invariant: all four are the same [`Options`]. The environment is read as if each variable were
//! its flag; the defaults are what the flags' own declarations say when nothing is given. So a
//! value is read by the same code wherever it stands, and can be traced back to where it stood.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::file::Document;
use super::options::{LimitOptions, Options};
use super::problem::{Place, Problem};
use super::suggest::nearest;

/// The environment variable of the setting called `name`.
pub fn variable(name: &str) -> String {
    format!("CRORE_{}", name.to_uppercase())
}

/// Whether what is called `name` on the command line is a setting, and so has a variable.
pub fn has_variable(name: &str) -> bool {
    name == "config" || names(&flags()).any(|setting| setting == name)
}

/// Where the setting called `name` stands in the file, outermost table first. None for what only
/// the command line and the environment can say.
pub fn file_keys(name: &str) -> Option<Vec<String>> {
    let key = name.replace('_', "-");
    match name {
        "config" | "check" => None,
        // Read by the crate that serves files, as part of its own table.
        "root" => Some(vec!["site".into(), key]),
        _ if names(&limit_flags()).any(|limit| limit == name) => Some(vec!["limits".into(), key]),
        _ => Some(vec![key]),
    }
}

/// The flags of all settings, with their defaults.
pub(super) fn flags() -> Command {
    Options::augment_args(Command::new("crore"))
}

fn limit_flags() -> Command {
    LimitOptions::augment_args(Command::new("crore"))
}

/// The names of the settings that `command` has flags for.
pub(super) fn names(command: &Command) -> impl Iterator<Item = &str> {
    command.get_arguments().map(|arg| arg.get_id().as_str())
}

/// Settings given as flags.
#[derive(Debug)]
pub struct Flags {
    /// What was given; no defaults.
    pub options: Options,
    /// The names of those that were given.
    pub names: Vec<String>,
}

/// Takes the defaults out of what clap has read, since they come last, below environment and
/// file, and returns the names of the settings that are left: those that were given.
pub fn take_defaults_out(matches: &mut ArgMatches) -> Vec<String> {
    let mut given = Vec::new();
    for name in names(&flags()) {
        match matches.value_source(name) {
            Some(ValueSource::CommandLine) => given.push(name.to_owned()),
            // Cannot fail: the name is a known one.
            _ => drop(matches.try_clear_id(name)),
        }
    }
    given
}

/// Where settings come from that stay the same as long as the process runs, and the file that is
/// read anew when asked.
#[derive(Debug)]
pub struct Sources {
    flags: Flags,
    environment: Options,
    /// Name of a setting, value of its variable.
    variables: Vec<(String, String)>,
    file: Option<PathBuf>,
}

/// What all sources together say, and where each said it.
#[derive(Debug)]
pub struct Given<'a> {
    /// The settings merged. What has a default is there.
    pub options: Options,
    /// What is served.
    pub site: site::Config,
    /// The file, where there is one.
    pub document: Option<Document>,
    sources: &'a Sources,
}

impl Sources {
    /// Takes settings from the command line, the environment, where `lookup` finds a variable,
    /// and the file, whose name either of them may have given.
    ///
    /// # Errors
    /// When a variable's value cannot be read.
    pub fn new(
        flags: Flags,
        file: Option<PathBuf>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Problem> {
        let mut environment = Options::default();
        let mut variables = Vec::new();
        for name in names(&self::flags()) {
            if let Some(value) = lookup(&variable(name)) {
                environment = environment.or(from_variable(name, &value)?);
                variables.push((name.to_owned(), value.to_string_lossy().into_owned()));
            }
        }
        let file = file.or_else(|| lookup(&variable("config")).map(PathBuf::from));
        Ok(Self { flags, environment, variables, file })
    }

    /// The configuration file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads the file and merges all sources.
    ///
    /// # Errors
    /// When the file cannot be read or says what it must not say.
    pub fn read(&self) -> Result<Given<'_>, Problem> {
        let document = self.file().map(Document::read).transpose()?;
        let mut from_file = match &document {
            Some(document) => document.parse()?,
            None => Options::default(),
        };
        let mut site = site::Config {
            site: from_file.site.take().unwrap_or_default(),
            host: from_file.host.take().unwrap_or_default(),
        };
        if let Some(document) = &document {
            from_file.start_paths_at(document.folder());
            site.resolve(document.folder());
        }
        let above = self.flags.options.clone().or(self.environment.clone());
        let options = above.or(from_file).or(defaults());
        let given = Given { options, site, document, sources: self };
        given.with_root()
    }
}

impl Given<'_> {
    /// Puts the folder given on the command line or in the environment above the file's.
    fn with_root(mut self) -> Result<Self, Problem> {
        let Some(root) = self.options.root.clone() else { return Ok(self) };
        let hosts = &self.site.host;
        if !hosts.is_empty() && hosts.iter().all(|host| host.root.is_some()) {
            let problem = "every [[host]] of the file names a root of its own, so this is served \
                           by none";
            return Err(Problem::new(self.place("root", None), problem)
                .advise("leave it out, or the root of one host"));
        }
        self.site.site.root = Some(site::config::unspanned(root));
        Ok(self)
    }

    /// What is wrong with what is served, each with its place.
    pub fn site_problems(&self, errors: site::ConfigErrors) -> Vec<Problem> {
        let place = |span| match (span, &self.document) {
            (Some(span), Some(document)) => document.place(span),
            _ => self.place("root", None),
        };
        let problem = |error: site::ConfigError| {
            let is_root = error.span.is_none();
            let problem = Problem::new(place(error.span), error.message);
            // All that is said without a place of its own is about the folder to serve.
            if is_root {
                problem.advise("name a folder that is there and may be read")
            } else {
                problem
            }
        };
        errors.0.into_iter().map(problem).collect()
    }

    /// Where the value of the setting called `name` came from; in a list, where its part with the
    /// index `part` did.
    pub fn place(&self, name: &str, part: Option<usize>) -> Place {
        if self.sources.flags.names.iter().any(|flag| flag == name) {
            return Place::Flag(flag_as_written(name));
        }
        if let Some((_, value)) = self.sources.variables.iter().find(|(set, _)| set == name) {
            return Place::Environment(variable(name), value.clone());
        }
        let mut keys = file_keys(name).unwrap_or_default();
        keys.extend(part.map(|index| index.to_string()));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let document = self.document.as_ref();
        document.and_then(|document| document.find(&keys)).unwrap_or(Place::Default)
    }
}

/// The variables among `set` that are no setting but look like one misspelt, each with the name
/// it was most likely meant to have.
pub fn misspelt_variables(set: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let flags = flags();
    let mut known: Vec<String> = names(&flags).map(variable).collect();
    known.push(variable("config"));
    let unknown = set.filter(|name| name.starts_with("CRORE_") && !known.contains(name));
    let with_nearest = unknown.filter_map(|name| {
        let nearest = nearest(&name, known.iter().map(String::as_str))?.to_owned();
        Some((name, nearest))
    });
    with_nearest.collect()
}

/// What holds when nobody says anything.
fn defaults() -> Options {
    options_of(&flags().get_matches_from(["crore"]))
}

pub(super) fn options_of(matches: &ArgMatches) -> Options {
    Options::from_arg_matches(matches).expect("every setting is optional, and clap has read it")
}

fn flag_as_written(name: &str) -> String {
    if name == "root" { "DIR".into() } else { format!("--{}", name.replace('_', "-")) }
}

/// Reads one variable as if it were its flag.
fn from_variable(name: &str, value: &OsString) -> Result<Options, Problem> {
    let mut command = flags().no_binary_name(true).disable_help_flag(true);
    // Without the defaults of all others.
    for other in names(&flags()) {
        let none: Option<&'static str> = None;
        command = command.mut_arg(other, |arg| arg.default_value(none));
    }
    let mut argument = OsString::from(flag_as_written(name));
    argument.push("=");
    argument.push(value);
    let arguments = if name == "root" { vec!["--".into(), value.clone()] } else { vec![argument] };
    let matches = command.try_get_matches_from(arguments).map_err(|error| {
        let place = Place::Environment(variable(name), value.to_string_lossy().into_owned());
        explain(place, &error)
    })?;
    Ok(options_of(&matches))
}

/// Makes a problem of what clap says about a flag that was in truth a variable.
fn explain(place: Place, error: &clap::Error) -> Problem {
    let source = std::error::Error::source(error).map(ToString::to_string);
    if let Some(reason) = source {
        return Problem::new(place, reason);
    }
    let known = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) => known.as_slice(),
        _ => &[],
    };
    let wrong = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(wrong)) => wrong.as_str(),
        _ => "",
    };
    let reason = match error.kind() {
        ErrorKind::InvalidUtf8 => "this is not UTF-8 text".to_owned(),
        _ if wrong.is_empty() => "a value is missing".to_owned(),
        _ => format!("unknown value `{wrong}`"),
    };
    let problem = Problem::new(place, reason);
    match nearest(wrong, known.iter().map(String::as_str)) {
        Some(name) => problem.advise(format!("did you mean `{name}`?")),
        None if known.is_empty() => problem,
        None => problem.advise(format!("known here: {}", known.join(", "))),
    }
}
