//! Standard output and standard error, where the reader may have gone (`crore doctor | head`): whoever
//! closes the pipe early has seen enough, and that is no error. Invariant: what is printed
//! goes through here, so that a full disk is an answer and not a crash; progress bars and the log see to it
//! themselves.

use std::fmt::Display;
use std::io::{self, Write};

use crate::serve::Failure;

/// Prints `text` on standard output.
///
/// # Errors
/// When it cannot be written for another reason than that nobody reads it any more.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    is_read(text).map(|_| ())
}

/// The same; whether there is still somebody who reads.
///
/// # Errors
/// As those of [`print`].
pub fn is_read(text: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::system("to write to standard output", &error)),
    }
}

/// Prints a line on standard output.
///
/// # Errors
/// As those of [`print`].
pub fn line(text: impl Display) -> Result<(), Failure> {
    print(format!("{text}\n").as_bytes())
}

/// Tells a line on standard error, if anybody reads it.
pub fn tell(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Whether what goes to this terminal may have colours (<https://no-color.org>) and bold letters.
pub fn may_be_styled(is_terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_terminal && !is_set("NO_COLOR") && !is_dumb
}
