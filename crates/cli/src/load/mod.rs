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

use std::fs;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;
use std::time::SystemTime;

use base::Grouped;
use load::Plan;

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
    let target = match (&options.net, &options.url) {
        (Net::Mem, _) => Target::read(crew::MEMORY_URL)?,
        (_, Some(url)) => Target::read(url)?,
        (_, None) => return Err(Problem::unplaced("whom to ask? Give a URL").into()),
    };
    target.check(options.i_may_load_this_host)?;
    let plan = plan::plan(options, &target)?;
    let tls = tls_settings(options, &target)?;
    let arrangement = machine::arrange(&plan, &options.net)?;
    // Before any thread is started, which would else be asked to handle them.
    let signals = Signals::catch().map_err(|error| Failure::system("signals", &error))?;
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
    let mut crew = crew::assemble(job, arrangement, &place)?;
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

/// Says what will be sent, before it is.
fn announce(plan: &Plan, target: &Target, arrangement: Arrangement, shards: u16) {
    for phase in &plan.phases {
        let requests = match phase.requests() {
            Some(count) => format!("{} requests", Grouped(count)),
            None => "as many requests as are answered".to_owned(),
        };
        let time = match phase.until {
            load::Until::Time(time) => {
                format!(" in {:.1} s", (time + phase.warmup).as_secs_f64())
            }
            load::Until::Requests(_) => String::new(),
        };
        let bytes = Grouped(phase.request.len() as u64);
        let name = if plan.phases.len() > 1 { format!("{}: ", phase.name) } else { String::new() };
        tell(&format!(
            "{name}{requests} of {bytes} bytes to {}{time}, over {} connections",
            target.url,
            Grouped(phase.all_connections()),
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
    let broken = |what: String| Failure::ended(Problem::unplaced(what));
    let json = report::json(&target.url, engine, phases).map_err(|error| broken(error.to_string()));
    match &options.json {
        Some(None) => print(&format!("{}\n", json?))?,
        Some(Some(path)) => {
            save("--json", path, format!("{}\n", json?).as_bytes())?;
            print(&report::table(engine, phases))?;
        }
        None => print(&report::table(engine, phases))?,
    }
    if let Some(path) = &options.hdr {
        save("--hdr", path, &report::hdr(began, phases).map_err(broken)?)?;
    }
    if let Some(path) = &options.svg {
        save("--svg", path, report::svg(&target.url, phases).as_bytes())?;
    }
    Ok(())
}

/// Prints a report. Whoever closes the pipe early (`crore load ... | head`) has seen enough.
fn print(text: &str) -> Result<(), Failure> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::system("standard output", &error))
        }
        _ => Ok(()),
    }
}

fn save(flag: &str, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    fs::write(path, bytes).map_err(|error| {
        let reason = format!("{} cannot be written: {error}", path.display());
        Problem::new(Place::Flag(flag.into()), reason)
    })
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
