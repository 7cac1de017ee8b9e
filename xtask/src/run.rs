//! Running other programs: with a time limit, their output shown and counted.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::ci::Tally;

/// How long a program may run unless more is given.
const MINUTES: u32 = 10;

/// `timeout`'s exit code when it had to end the program.
const TIMED_OUT: i32 = 124;

/// How much of what a program printed its failure repeats.
const KEPT_LINES: usize = 60;

/// A program about to be run.
pub struct Invocation {
    words: Vec<String>,
    variables: Vec<(String, String)>,
    folder: Option<PathBuf>,
    minutes: u32,
}

impl Invocation {
    /// Nothing but the program's name.
    pub fn new(program: &str) -> Self {
        Self {
            words: vec![program.to_owned()],
            variables: Vec::new(),
            folder: None,
            minutes: MINUTES,
        }
    }

    /// Adds arguments.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.words.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it in this folder.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Lets it run this long.
    pub fn minutes(mut self, minutes: u32) -> Self {
        self.minutes = minutes;
        self
    }

    /// Runs it, shows what it prints, and counts the tests in that. A failure, also that of a test, is
    /// an error that has the end of what was printed.
    pub fn run(self) -> Outcome<Tally> {
        println!("$ {}", self.words.join(" "));
        let (output, input) = io::pipe()?;
        // The command keeps its end of the pipe open, so it goes before anything is read.
        let mut child = self.command().stdout(input.try_clone()?).stderr(input).spawn()?;
        let mut tally = Tally::default();
        let mut last = VecDeque::new();
        // Whatever bytes it prints: a line that is not UTF-8 is no reason to stop.
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            tally.add_line(&line);
            println!("{line}");
            if last.len() == KEPT_LINES {
                last.pop_front();
            }
            last.push_back(line.into_owned());
        }
        let status = child.wait()?;
        if status.code() == Some(TIMED_OUT) {
            return Err(failure(&format!("did not end within {} minutes", self.minutes), last));
        }
        if status.success() && tally.failed == 0 {
            return Ok(tally);
        }
        let what = match tally.failed {
            0 => format!("{}: {status}", self.words.join(" ")),
            failed => format!("{}: {failed} tests failed", self.words.join(" ")),
        };
        Err(failure(&what, last))
    }

    /// Runs it without showing anything, and gives what it wrote to its standard output.
    pub fn quietly(self) -> Outcome<String> {
        let output = self.command().stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}\n{reason}", self.words.join(" "), output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self) -> Command {
        // With a process group of its own, so that what the program started ends with it.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", &format!("{}m", self.minutes)]).args(&self.words);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null());
        command
    }
}

/// What went wrong, and the last that the program said.
fn failure(what: &str, last: VecDeque<String>) -> Box<dyn Error + Send + Sync> {
    format!("{what}; the last it printed:\n{}", Vec::from(last).join("\n")).into()
}

/// Whether a program of this name is installed.
pub fn program_exists(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
