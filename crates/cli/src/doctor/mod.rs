//! `crore doctor`: whether this machine can hold so many connections, and what would help. The
//! readings and what they mean are those of the crate `doctor`; here is what a person asks and sees.
//!
//! Invariant: nothing is changed that was not shown before and agreed to.

mod costs;
mod print;
mod speed;

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use doctor::{Finding, FixError, Journal, Machine, Net, Question, Report, Tree, Undone};

use crate::output;
use crate::serve::Failure;
use crate::settings::{Place, Problem};

use speed::Speed;

/// The arguments of `crore doctor`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Connections to hold at once
    #[arg(short, long, value_name = "COUNT", default_value = "10000000")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
    connections: u64,

    /// On what: kernel (sockets), stack (crore's own), or stack:IFACE; both unless told
    #[arg(long, value_name = "NET", value_parser = net)]
    net: Option<Net>,

    /// Print the findings as JSON
    #[arg(long, conflicts_with_all = ["fix", "undo"])]
    json: bool,

    /// Carry out what mends these findings, after showing it: their names, or all
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    fix: Vec<String>,

    /// With --fix: also write what makes it last to files in /etc
    #[arg(long, requires = "fix")]
    for_good: bool,

    /// With --fix: do not ask
    #[arg(short, long, requires = "fix")]
    yes: bool,

    /// Take back what --fix did
    #[arg(long, conflicts_with = "fix")]
    undo: bool,
}

fn net(text: &str) -> Result<Net, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("kernel" | "epoll" | "uring", "") => Ok(Net::Kernel),
        ("stack", "") => Ok(Net::Stack { interface: None }),
        ("stack" | "xdp", interface) if !interface.is_empty() => {
            Ok(Net::Stack { interface: Some(interface.to_owned()) })
        }
        ("tap", _) => Ok(Net::Stack { interface: None }),
        _ => Err("write kernel, stack, or stack:IFACE with the name of an interface".into()),
    }
}

/// Examines the machine, and prints what was found on standard output. Says whether it can hold the
/// connections asked for.
///
/// # Errors
/// When something asked for could not be fixed or taken back.
pub fn doctor(options: &Options) -> Result<bool, Failure> {
    if options.undo {
        return undo().map(|()| true);
    }
    let question = Question {
        connections: options.connections,
        net: options.net.clone(),
        costs: costs::costs(),
    };
    let report = doctor::examine(&Machine::this(), &question);
    if options.fix.is_empty() {
        let speed = Speed::measured(question.net.as_ref());
        let form = if options.json { print::json } else { print::text };
        output::print(form(&report, &speed).as_bytes())?;
        return Ok(report.suffices());
    }
    let chosen = chosen(&report, &options.fix)?;
    fix(&chosen, options)?;
    Ok(doctor::examine(&Machine::this(), &question).suffices())
}

/// The findings that are to be fixed.
fn chosen<'a>(report: &'a Report, names: &[String]) -> Result<Vec<&'a Finding>, Failure> {
    let can = |finding: &&Finding| finding.mend().is_some_and(|mend| !mend.changes.is_empty());
    if names.iter().any(|name| name == "all") {
        return Ok(report.findings.iter().filter(can).collect());
    }
    let find = |name: &String| {
        let finding = report.findings.iter().find(|finding| finding.topic == *name);
        let place = || Place::Flag("--fix".into());
        let finding = finding.ok_or_else(|| {
            let known: BTreeSet<&str> =
                report.findings.iter().map(|finding| finding.topic.as_str()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            Problem::new(place(), format!("nothing was found about `{name}`"))
                .advise(format!("known here: {known}"))
        })?;
        match finding.mend() {
            Some(mend) if mend.changes.is_empty() => {
                let reason = format!("{name}: crore cannot carry this out in your place");
                Err(Problem::new(place(), reason).advise(mend.now.clone()))
            }
            Some(_) => Ok(Some(finding)),
            None => {
                output::tell(format!("{name}: {}: there is nothing to mend", finding.reading));
                Ok(None)
            }
        }
    };
    let found: Result<Vec<_>, Problem> = names.iter().map(find).collect();
    Ok(found.map_err(wrong)?.into_iter().flatten().collect())
}

fn fix(chosen: &[&Finding], options: &Options) -> Result<(), Failure> {
    if chosen.is_empty() {
        return output::line("nothing to do");
    }
    for mend in chosen.iter().filter_map(|finding| finding.mend()) {
        output::line(&mend.now)?;
        for lasting in mend.lasting.iter().filter(|_| options.for_good) {
            output::line(format!("  {}: {}", lasting.file, lasting.line))?;
        }
    }
    if !options.yes && !agreed()? {
        return output::line("nothing was changed");
    }
    let tree = Tree::at("/");
    let mut journal = Journal::load(&tree).map_err(refused)?;
    for finding in chosen {
        for done in journal.fix(&tree, finding, options.for_good).map_err(refused)? {
            // Told or not, what was begun is finished.
            let _ = output::line(format!("done: {done}"));
        }
    }
    output::line("`crore doctor --undo` takes it back")
}

/// Asks whoever is at the terminal.
fn agreed() -> Result<bool, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let problem = Problem::new(Place::Flag("--fix".into()), "there is nobody to ask");
        return Err(wrong(problem.advise("--yes carries it out without asking")));
    }
    output::print(b"Carry this out? [y/N] ")?;
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::system("to read the answer", &error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn undo() -> Result<(), Failure> {
    let tree = Tree::at("/");
    let mut journal = Journal::load(&tree).map_err(refused)?;
    if journal.is_empty() {
        return output::line("there is nothing to take back");
    }
    for undone in journal.undo(&tree).map_err(refused)? {
        let told = match undone {
            Undone::Restored(what) => format!("restored: {what}"),
            Undone::Left(what) => format!("left: {what}"),
        };
        output::line(told)?;
    }
    Ok(())
}

fn wrong(problem: Problem) -> Failure {
    Failure { problems: vec![problem], wrong_setting: true }
}

// By value: it is what `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
fn refused(error: FixError) -> Failure {
    Failure::ended(Problem::unplaced(error.to_string()))
}
