//! Printing where the reader may have gone (`crore doctor | head`): whoever closes the pipe early has
//! seen enough, and that is no error.

use std::io::{self, Write};

use crate::serve::Failure;

/// Prints `text` on standard output.
///
/// # Errors
/// When it cannot be written for another reason than that nobody reads it any more.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::system("to print", &error))
        }
        _ => Ok(()),
    }
}

/// Tells a line on standard error, if anybody reads it.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
