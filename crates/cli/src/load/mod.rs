//! `crore load`: sends load to a server, and says how it fared.
//!
//! - [`options`] is what can be said, [`net`] what carries the connections, [`target`] whom to ask,
//!   [`plan`] what that comes to, [`machine`] whether this machine can do it.
//! - [`crew`] are the shards, here or in workers; [`conduct`] leads them through the phases, with
//!   [`progress`] shown meanwhile.
//! - [`figures`] is what was found, [`report`] its forms, [`fail_if`] what is held against it.
//!
//! The generator itself is the crate `load`, which knows nothing of all this.

mod conduct;
mod crew;
mod fail_if;
mod figures;
mod machine;
mod net;
mod options;
mod plan;
mod progress;
mod report;
pub mod target;

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use base::Grouped;
use load::Plan;

use crate::output;
use crate::serve::{Failure, Signals};
use crate::settings::{Place, Problem};

pub use options::Options;

use crew::Job;
use figures::Figures;
use machine::Arrangement;
use net::{Net, Place as NetPlace};
use progress::{Progress, tell};
use target::Target;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing speaks against it.
    Good,
    /// No request was answered.
    Unanswered,
    /// A condition of `--fail-if` held.
    Failed,
}

/// Sends the load, and prints the report on standard output.
///
/// # Errors
/// When what was asked for cannot be done.
pub fn load(options: &Options) -> Result<Verdict, Failure> {
    if options.worker {
        return crew::work().map(|()| Verdict::Good);
    }
    let mut target = match (&options.net, &options.url) {
        (Net::Mem, _) => Target::read(crew::MEMORY_URL)?,
        (_, Some(url)) => Target::read(url)?,
        (_, None) => return Err(Problem::unplaced("whom to ask? Give a URL").into()),
    };
    target.check(options.i_may_load_this_host)?;
    if !options.net.is_own_stack() {
        target.settle(&options.sources);
    }
    check_files(options)?;
    let plan = plan::plan(options, &target)?;
    let tls = tls_settings(options, &target)?;
    let arrangement = machine::arrange(&plan, &options.net)?;
    // Before any thread is started, which would else be asked to handle them.
    let signals = Signals::catch().map_err(|error| Failure::system("signals", &error))?;
    let signals = Arc::new(signals);
    let shards = shards(options, &target)?;
    announce(&plan, &target, arrangement, shards);
    let job = Job {
        plan: plan.clone(),
        first: 0,
        shards,
        of: u32::from(shards),
        net: options.net.clone(),
        tls,
    };
    let place = NetPlace { addresses: options.address.clone(), gateways: options.gateway.clone() };
    let mut crew = crew::assemble(job, arrangement, &place, &signals)?;
    let began = SystemTime::now();
    let mut progress = Progress::new();
    let phases = conduct::conduct(&plan, crew.as_mut(), &signals, &mut progress)?;
    let engine = crew.engine();
    drop(crew);
    write(options, &target, &engine, began, &phases)?;
    Ok(verdict(options, &phases))
}

/// How connections are made secure, where they are. What is wrong with it is told before any is
/// opened.
fn tls_settings(options: &Options, target: &Target) -> Result<Option<tls::Settings>, Problem> {
    let given = options.insecure.then_some("--insecure");
    let given = given.or(options.cacert.is_some().then_some("--cacert"));
    let (false, given) = (target.secure, given) else {
        let trust = match &options.cacert {
            _ if options.insecure => tls::Trust::Anyone,
            None => tls::Trust::System,
            Some(path) => tls::Trust::Roots(fs::read(path).map_err(|error| {
                let reason = format!("{} cannot be read: {error}", path.display());
                Problem::new(Place::Flag("--cacert".into()), reason)
            })?),
        };
        let settings = tls::Settings { name: target.name().to_owned(), trust };
        let flag = if options.cacert.is_some() { "--cacert" } else { "URL" };
        return match tls::Client::new(&settings) {
            Ok(_) => Ok(Some(settings)),
            Err(error) => Err(Problem::new(Place::Flag(flag.into()), error.to_string())),
        };
    };
    match given {
        None => Ok(None),
        Some(flag) => {
            let problem = Problem::new(Place::Flag(flag.into()), "there is no certificate in http");
            Err(problem.advise("write https://, or leave it out"))
        }
    }
}

fn shards(options: &Options, target: &Target) -> Result<u16, Problem> {
    let cpus = u16::try_from(shard::cpu::parallelism()).unwrap_or(u16::MAX);
    let local = target.address.ip().to_canonical().is_loopback();
    let wanted = if local { cpus / 2 } else { cpus }.min(net::most_shards(&options.net)?);
    Ok(options.shards.unwrap_or(wanted).max(1))
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", Grouped(count), if count == 1 { "" } else { "s" })
}

/// Says what will be sent, before it is.
fn announce(plan: &Plan, target: &Target, arrangement: Arrangement, shards: u16) {
    for phase in &plan.phases {
        let requests = match phase.requests() {
            Some(count) => counted(count, "request"),
            None => "as many requests as are answered".to_owned(),
        };
        let time = match phase.until {
            load::Until::Time(time) => format!(" in {:.1} s", time.as_secs_f64()),
            load::Until::Requests(_) => String::new(),
        };
        let warmup = match phase.warmup.as_secs_f64() {
            0.0 => String::new(),
            seconds => format!(", after {seconds:.1} s that are not counted"),
        };
        let bytes = Grouped(phase.request.len() as u64);
        let name = if plan.phases.len() > 1 { format!("{}: ", phase.name) } else { String::new() };
        let connections = counted(phase.all_connections(), "connection");
        tell(&format!(
            "{name}{requests} of {bytes} bytes to {target}{time}, over {connections}{warmup}"
        ));
    }
    match arrangement {
        Arrangement::Workers(count) => {
            tell(&format!("in {count} processes, because one may not have enough descriptors"));
        }
        Arrangement::Here if shards > 1 => tell(&format!("with {shards} shards")),
        Arrangement::Here | Arrangement::Memory => {}
    }
    let remark = machine::remark(plan).filter(|_| arrangement != Arrangement::Memory);
    if let Some(remark) = remark {
        tell(&remark);
    }
}

/// Prints and writes the report in every form asked for.
fn write(
    options: &Options,
    target: &Target,
    engine: &str,
    began: SystemTime,
    phases: &[Figures],
) -> Result<(), Failure> {
    let json = report::json(&target.url, engine, phases).map_err(|error| error.to_string());
    match &options.json {
        Some(None) => {
            let broken = |what| Failure::ended(Problem::unplaced(what));
            output::line(json.clone().map_err(broken)?)?;
        }
        _ => output::print(report::table(engine, phases).as_bytes())?,
    }
    // One file that cannot be written is no reason to lose the others.
    let mut problems = Vec::new();
    for (flag, path) in files(options) {
        let written = match flag {
            "--json" => json.clone().map(|text| format!("{text}\n").into_bytes()),
            "--hdr" => report::hdr(began, phases),
            _ => Ok(report::svg(&target.url, phases).into_bytes()),
        };
        let written =
            written.and_then(|bytes| fs::write(path, bytes).map_err(|error| error.to_string()));
        problems.extend(written.err().map(|error| cannot_write(flag, path, &error)));
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure { problems, wrong_setting: false }) }
}

/// The files that a report is written to, each with its flag.
fn files(options: &Options) -> impl Iterator<Item = (&'static str, &Path)> {
    let json = options.json.as_ref().and_then(Option::as_ref);
    let all = [("--json", json), ("--hdr", options.hdr.as_ref()), ("--svg", options.svg.as_ref())];
    all.into_iter().filter_map(|(flag, path)| Some((flag, path?.as_path())))
}

/// Makes sure, before anything is sent, that what is found can be written where it is to go.
fn check_files(options: &Options) -> Result<(), Problem> {
    for (flag, path) in files(options) {
        // What is there stays as it is until there is something to put in its place.
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.map_err(|error| cannot_write(flag, path, &error.to_string()))?;
    }
    Ok(())
}

fn cannot_write(flag: &str, path: &Path, error: &str) -> Problem {
    let reason = format!("{} cannot be written: {error}", path.display());
    let problem = Problem::new(Place::Flag(flag.into()), reason);
    problem.advise("name a file in a folder that you may write to, on a disk with room")
}

/// Holds the figures against the conditions.
fn verdict(options: &Options, phases: &[Figures]) -> Verdict {
    let mut verdict = Verdict::Good;
    for figures in phases {
        for condition in &options.fail_if {
            if let Some(value) = condition.holds(figures) {
                tell(&format!("failed: {condition} ({value}, {})", figures.name));
                verdict = Verdict::Failed;
            }
        }
    }
    let came =
        |figures: &Figures| figures.tally.answers + figures.tally.slow_answers + figures.idle > 0;
    if verdict == Verdict::Good && !phases.iter().any(came) {
        return Verdict::Unanswered;
    }
    verdict
}
