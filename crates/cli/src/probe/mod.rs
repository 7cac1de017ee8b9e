//! `crore probe`: how this operating system scales. Says what it will use, measures, and leaves raw
//! samples, pictures and a report in a folder. What is measured, and how, is the crate `probe`.

mod choice;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use probe::{Probe, Results, Session};

use crate::serve::Failure;
use crate::settings::Problem;

/// Where results go unless said otherwise.
const FOLDER: &str = "crore-probe";

/// The arguments of `crore probe`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What to measure: names of probes, or all
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// How many to reach, in place of each probe's own number
    #[arg(short, long, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    count: Option<u64>,

    /// Where the report, the pictures and the raw samples go
    #[arg(short, long, value_name = "DIR", default_value = FOLDER, value_hint = ValueHint::DirPath)]
    out: PathBuf,

    /// Lay the results of an earlier run, in this folder, over these
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    compare: Option<PathBuf>,

    /// For the probe http: ask this server, which must be on this machine
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,

    /// Print the results as JSON
    #[arg(long)]
    json: bool,

    /// List the probes, with what each takes, and measure nothing
    #[arg(long)]
    list: bool,
}

/// Measures what is asked for, or lists what there is.
///
/// # Errors
/// When a name is not known, a file cannot be written or read, or it was interrupted.
pub fn probe(options: &Options) -> Result<(), Failure> {
    let mut probes = choice::probes(&options.names, options.list)?;
    let url = options.url.as_deref();
    let server = url.map(|url| choice::with_server(&mut probes, url)).transpose()?;
    let session = Session { probes, count: options.count, folder: options.out.clone(), server };
    if options.list {
        return list(&session, options.json);
    }
    let other = options.compare.as_deref().map(earlier).transpose()?;
    // Results on standard output, the way there on standard error.
    eprintln!("{}", plan(&session));
    let ran = session.run(|line| eprintln!("{line}"));
    let (results, interrupted) = ran.map_err(|error| cannot_write(&options.out, &error))?;
    let label = options.compare.as_ref().map(|folder| folder.display().to_string());
    let other = other.as_ref().zip(label.as_deref());
    let page = session.report(&results, other);
    let page = page.map_err(|error| cannot_write(&options.out, &error))?;
    if options.json {
        print!("{}", results.json());
    } else {
        say(&results, other);
        println!("\nThe report: {}", page.display());
    }
    if interrupted {
        let problem = Problem::unplaced("interrupted; the report has what was measured until then");
        return Err(Failure::ended(problem));
    }
    Ok(())
}

/// What the run will take, before it starts.
fn plan(session: &Session) -> String {
    let curves: usize = session.probes.iter().map(|probe| probe.curves.len()).sum();
    let root = if rustix::process::geteuid().is_root() { "" } else { " It needs no root." };
    format!(
        "{} probes, {curves} curves of {} s at most each, most of them far less; on this machine only. \
         Interrupting it (Ctrl-C) leaves nothing behind.{root}",
        session.probes.len(),
        probe::TIME_MAX.as_secs(),
    )
}

fn say(results: &Results, other: Option<(&Results, &str)>) {
    for findings in &results.probes {
        println!("{}: {}", findings.name, findings.question);
        for line in findings.lines() {
            println!("  {line}");
        }
        let before = other.and_then(|(other, label)| {
            Some((other.probes.iter().find(|probe| probe.name == findings.name)?, label))
        });
        if let Some((before, label)) = before {
            for line in probe::compared(findings, before, label) {
                println!("  {line}");
            }
        }
    }
}

fn list(session: &Session, json: bool) -> Result<(), Failure> {
    let needs = |probe: &Probe| session.needs(probe);
    if json {
        let entry = |probe: &&Probe| {
            serde_json::json!({
                "name": probe.name,
                "question": probe.question,
                "method": probe.method,
                "takes": needs(probe),
                "count": probe.goal(session.count),
                "curves": probe.curves.iter().map(|curve| curve.name).collect::<Vec<_>>(),
            })
        };
        let entries: Vec<_> = session.probes.iter().map(entry).collect();
        println!("{:#}", serde_json::Value::Array(entries));
        return Ok(());
    }
    let bold = std::io::stdout().is_terminal();
    for probe in &session.probes {
        let name = probe.name;
        let name = if bold { format!("\x1b[1m{name}\x1b[0m") } else { name.to_owned() };
        println!("{name}\n    {}\n    {}", probe.question, needs(probe));
        println!(
            "    with {}",
            probe.curves.iter().map(|curve| curve.name).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}

fn earlier(folder: &Path) -> Result<Results, Failure> {
    Results::read(folder).map_err(|error| {
        let problem = Problem::unplaced(format!(
            "{}: there are no results that could be read: {error}",
            folder.display()
        ));
        problem.advise("--compare wants the folder that an earlier run named with --out").into()
    })
}

fn cannot_write(folder: &Path, error: &std::io::Error) -> Failure {
    let problem = Problem::unplaced(format!("{}: {error}", folder.display()));
    Failure::ended(problem.advise("--out names a folder to write to"))
}
