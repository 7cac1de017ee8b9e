//! A host of its own for a test, made of a network namespace: [`Namespace`]. Invariant: it and all
//! there is in it are gone when it is dropped; those that a killed run left behind go when the next
//! one is made.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Outcome;

/// How namespaces of tests are called: this, the process, a number.
const PREFIX: &str = "crore-test-";

/// Where iproute2 keeps namespaces.
const NAMESPACES: &str = "/run/netns";

/// One host.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with nothing in it but the loopback interface.
    ///
    /// # Errors
    /// When that fails: it needs root and iproute2.
    pub fn new() -> Outcome<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_left_behind()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // From here on, leaving early removes what is there.
        let made = Self { name: format!("{PREFIX}{}-{number}", std::process::id()) };
        output(Command::new("ip").args(["netns", "add", &made.name]))?;
        made.run("ip link set lo up")?;
        Ok(made)
    }

    /// Its name, for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command on this host.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program.as_ref());
        command
    }

    /// Runs a command line, words separated by spaces, on this host and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the message has what it printed.
    pub fn run(&self, line: &str) -> Outcome<String> {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().unwrap_or_default());
        output(command.args(words))
    }

    /// The same with something on its standard input, and what it prints is no matter.
    ///
    /// # Errors
    /// When it fails; the message has what it printed.
    pub fn feed(&self, line: &str, input: &str) -> Outcome {
        // A file, because a pipe could be full before it is read.
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().unwrap_or_default());
        output(command.args(words).stdin(file)).map(drop)
    }

    /// Runs a function on a thread that lives on this host: sockets that it opens are the host's, and
    /// so are those of threads that it starts.
    ///
    /// # Errors
    /// What the function says, or when there is no such thread to be had.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        let namespace = File::open(Path::new(NAMESPACES).join(&self.name))?;
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                act()
            });
            inside.join().unwrap_or_else(|panic| {
                let said = panic.downcast_ref::<String>().cloned();
                let said = said.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()));
                Err(said.unwrap_or_else(|| "it panicked".into()).into())
            })
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // One that was not made is not there.
        let _ = output(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}

/// What a command printed.
///
/// # Errors
/// When it fails; the message has what it printed.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{text}{complaint}", output.status).into())
}

/// Removes the namespaces of runs that are over.
fn remove_left_behind() -> Outcome {
    let Ok(names) = fs::read_dir(NAMESPACES) else { return Ok(()) };
    for name in names {
        let name = name?.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            output(Command::new("ip").args(["netns", "delete", &name]))?;
        }
    }
    Ok(())
}
