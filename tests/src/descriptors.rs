//! File descriptors: many of these tests hold thousands.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;

/// Raises this process's limit to at least `wanted` descriptors; children inherit it.
///
/// # Errors
/// When the hard limit is lower and this process may not raise it.
pub fn raise(wanted: u64) -> Outcome {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    let raised = Rlimit { current: Some(wanted), maximum };
    setrlimit(Resource::Nofile, raised).map_err(|error| {
        format!("needs {wanted} file descriptors, the limit (ulimit -Hn) is lower: {error}").into()
    })
}
