//! `crore serve`: the life of a server, from its settings to its last connection.
//!
//! Invariant: the order of the start. Signals are caught; addresses are bound while the process may still be root; then
//! it gives up root, then it confines itself; only then is the first thread started and the first
//! connection accepted. What a reload finds wrong changes nothing.

mod announce;
mod attend;
pub mod capacity;
mod diagnostics;
mod failure;
mod listen;
mod notify;
mod reload;
mod sandbox;
mod signals;
mod start;
mod user;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{info, warn};

use crate::settings::{self, Given, LogFormat, Settings, Sources};
use crate::status::Board;

use diagnostics::Diagnostics;
pub use failure::Failure;
use sandbox::{Confinement, Paths};
pub use signals::Signals;
use user::Identity;

/// Serves until told to stop.
///
/// # Errors
/// When the settings are wrong, or the server cannot start or go on.
pub fn serve(sources: &Sources) -> Result<(), Failure> {
    let no_signals = |error| Failure::system("a descriptor for signals", &error);
    signals::hold_reloads().map_err(no_signals)?;
    let given = sources.read()?;
    let settings = Settings::new(&given)?;
    settings.check_link(&given)?;
    let diagnostics = Diagnostics::start(&settings.level);
    warn_of_misspelt_variables();
    let signals = Arc::new(Signals::catch().map_err(no_signals)?);
    let Some(bound) = listen::bind(&given, &settings, &signals)? else {
        info!("told to stop before there was an address to serve on");
        return Ok(());
    };
    // Opens what the kernel tells about the process, which a confined process could not.
    let board = Board::new();
    if let Some(file) = log_file(&settings) {
        user::make_file_for(settings.user.as_deref(), file)
            .map_err(|problem| Failure::at(&given, "log_file", problem))?;
    }
    let identity = become_user(&given, &settings)?;
    let content = site::Content::open(&given.site).map_err(|e| given.site_problems(e))?;
    let bound = bound.decide();
    let confinement = confine(&given, &settings)?;

    let started = start::start(&given, &settings, bound, content, board)?;
    started.announce(&given, &identity, &confinement);
    let reloader = reload::Reloader::new(sources, &given, settings, &started, diagnostics)
        .confined_to(&confinement);
    attend::attend(started, reloader, &signals)
}

/// Says whether the settings are good, as far as can be said without doing what they ask for.
///
/// # Errors
/// When they are not.
pub fn check(sources: &Sources) -> Result<(), Failure> {
    let given = sources.read()?;
    Settings::new(&given)?.check_link(&given)?;
    given.site.check().map_err(|errors| given.site_problems(errors))?;
    Ok(())
}

fn warn_of_misspelt_variables() {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for (name, nearest) in settings::misspelt_variables(set) {
        warn!("the environment sets {name}, which is no setting; did you mean {nearest}?");
    }
}

fn become_user(given: &Given<'_>, settings: &Settings) -> Result<Identity, Failure> {
    let mut readable = roots(given);
    readable.extend(given.document.iter().map(|document| document.path().to_owned()));
    let identity = user::become_user(settings.user.as_deref(), &readable)
        .map_err(|problem| Failure::at(given, "user", problem))?;
    for path in user::forbidden(&readable) {
        warn!(
            "{identity} is not permitted to read {}: change that, or choose another --user",
            path.display()
        );
    }
    if identity == Identity::Root {
        warn!("serving as root, as was asked for; any other user is safer");
    }
    Ok(identity)
}

fn confine(given: &Given<'_>, settings: &Settings) -> Result<Confinement, Failure> {
    let folder_of = |path: &Path| path.parent().map(PathBuf::from);
    let sockets = settings.listen.iter().chain(&settings.admin).filter_map(|address| {
        let crore::Address::Unix(path) = address else { return None };
        folder_of(path)
    });
    let paths = Paths {
        folders: sandbox::folders_for(&roots(given)),
        files_in: given.document.iter().map(|document| document.folder().to_owned()).collect(),
        logs_in: log_file(settings).and_then(folder_of).into_iter().collect(),
        sockets_in: sockets.collect(),
    };
    sandbox::confine(settings.sandbox, &paths)
        .map_err(|problem| Failure::at(given, "sandbox", problem))
}

/// The file of the access log, where there is one.
fn log_file(settings: &Settings) -> Option<&Path> {
    settings.log_file.as_deref().filter(|_| settings.log != LogFormat::None)
}

/// The folders that are served.
fn roots(given: &Given<'_>) -> Vec<PathBuf> {
    given.site.roots().map(PathBuf::from).collect()
}
