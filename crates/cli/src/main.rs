//! The `crore` command.
//!
//! - [`command`] is the command line, [`settings`] what it, the environment and the file say.
//! - [`serve`] is `crore serve`: the life of a server from its settings to its last connection.
//! - [`demo`] is `crore demo`: a server and ten million clients in one process.
//! - [`doctor`] is `crore doctor`: whether this machine can hold so many connections.
//! - [`probe`] is `crore probe`: how this operating system scales.
//! - [`stat`] is `crore stat`: what a running server's shards do, as a table.
//! - [`load`] is `crore load`: a load generator.
//! - [`status`] is what a running server tells of itself over HTTP.
//!
//! The allocator is the system's. What an idle connection costs is a record in memory that its
//! engine reserved, 80 bytes in all as measured, none of them from the allocator, so that another
//! one could not make it less; what is served is kept in caches of a bounded size.

#![forbid(unsafe_code)]
// They panic where nobody reads, or the disk is full: `output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod command;
mod demo;
mod doctor;
mod load;
mod output;
mod probe;
mod serve;
mod settings;
mod stat;
mod status;

use std::process::ExitCode;

use command::Action;
use serve::Failure;

/// The exit status when a setting is wrong, as when a flag is (clap's).
const WRONG_SETTING: u8 = 2;
/// The exit status when a condition of `crore load --fail-if` held.
const CONDITION_HELD: u8 = 3;

fn main() -> ExitCode {
    match command::action() {
        Ok(Action::Print(text)) => end(output::print(&text)),
        Ok(Action::Check(sources)) => end(serve::check(&sources)
            .map(|()| {
                let file = sources.file().map(|file| format!("{}: ", file.display()));
                format!("{}the settings are good", file.unwrap_or_default())
            })
            .and_then(output::line)),
        Ok(Action::Serve(sources)) => end(serve::serve(&sources)),
        Ok(Action::Demo(options)) => end(demo::demo(&options)),
        Ok(Action::Doctor(options)) => match doctor::doctor(&options) {
            Ok(true) => ExitCode::SUCCESS,
            // Said already, as the answer to the question.
            Ok(false) => ExitCode::FAILURE,
            Err(failure) => end(Err(failure)),
        },
        Ok(Action::Load(options)) => match load::load(&options) {
            Ok(load::Verdict::Good) => ExitCode::SUCCESS,
            Ok(load::Verdict::Unanswered) => ExitCode::FAILURE,
            Ok(load::Verdict::Failed) => ExitCode::from(CONDITION_HELD),
            Err(failure) => end(Err(failure)),
        },
        Ok(Action::Probe(options)) => end(probe::probe(&options)),
        Ok(Action::Stat(options)) => end(stat::stat(&options)),
        Ok(Action::Ss(options)) => end(stat::connections(&options)),
        Err(problem) => end(Err(problem.into())),
    }
}

/// Tells what went wrong, if something did.
fn end(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    for problem in &failure.problems {
        output::tell(format!("crore: {problem}"));
    }
    if failure.wrong_setting { ExitCode::from(WRONG_SETTING) } else { ExitCode::FAILURE }
}
