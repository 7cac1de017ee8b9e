//! The crore command, as users run it.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;
use crate::{Outcome, ports};

/// The environment variable that says which `crore` to test.
pub const PROGRAM: &str = "CRORE_PROGRAM";

/// A running `crore serve`.
#[derive(Debug)]
pub struct Crore {
    /// The process itself.
    pub process: Process,
    address: SocketAddr,
}

/// What differs from one use to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// The program; `None` for the one that [`PROGRAM`] names.
    pub program: Option<&'a Path>,
    /// The folder served; `None` for the built-in site.
    pub root: Option<&'a Path>,
    /// The configuration file.
    pub configuration: Option<&'a Path>,
    /// Further flags.
    pub flags: &'a [&'a str],
    /// The processor it runs on; `None` for any.
    pub core: Option<u32>,
}

impl Crore {
    /// Starts crore on a free address and waits until it listens.
    ///
    /// # Errors
    /// When it does not start; the message has what it printed.
    pub fn start(settings: &Settings<'_>) -> Outcome<Self> {
        let address = ports::free()?;
        let path = match settings.program {
            Some(program) => program.to_owned(),
            None => program()?,
        };
        let mut command = pinned(&path, settings.core);
        command.arg("serve").args(settings.root);
        command.args(["--listen", &address.to_string()]);
        if let Some(file) = settings.configuration {
            command.arg("--config").arg(file);
        }
        command.args(settings.flags);
        let mut process = Process::start(command)?;
        ports::wait_for(&mut process, address)?;
        Ok(Self { process, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The program under test.
///
/// # Errors
/// When nobody said which it is.
pub fn program() -> Outcome<PathBuf> {
    let path = env::var_os(PROGRAM).ok_or_else(|| {
        format!("{PROGRAM} is not set; `cargo xtask heavy` builds crore and sets it")
    })?;
    Ok(path.into())
}

/// `program`, pinned if that was asked for. The wrapper becomes the program, so that the process
/// started is crore itself.
fn pinned(program: &Path, core: Option<u32>) -> Command {
    let Some(core) = core else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}
