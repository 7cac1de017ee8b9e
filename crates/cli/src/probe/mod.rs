//! `crore probe`: how this operating system scales. Says what it will use, measures, and leaves raw
//! samples, pictures and a report in a folder. What is measured, and how, is the crate `probe`.

mod choice;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use probe::{Probe, Results, Session};

use crate::output;
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

    /// For the probe http: ask this server in place of crore's own
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,

    /// With --url: ask an address that is not this machine's, private or link-local
    ///
    /// Thousands of connections to somebody else's server are an attack. This flag says that you may.
    #[arg(long, requires = "url")]
    i_may_load_this_host: bool,

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
    let allowed = options.i_may_load_this_host;
    let server = url.map(|url| choice::with_server(&mut probes, url, allowed)).transpose()?;
    let session = Session { probes, count: options.count, folder: options.out.clone(), server };
    if options.list {
        return list(&session, options.json);
    }
    let other = options.compare.as_deref().map(earlier).transpose()?;
    // Results on standard output, the way there on standard error.
    output::tell(plan(&session));
    let ran = session.run(|line| output::tell(line));
    let (results, interrupted) = ran.map_err(|error| cannot_write(&options.out, &error))?;
    let label = options.compare.as_ref().map(|folder| folder.display().to_string());
    let other = other.as_ref().zip(label.as_deref());
    let page = session.report(&results, other);
    let page = page.map_err(|error| cannot_write(&options.out, &error))?;
    let text = match options.json {
        true => results.json(),
        false => format!("{}\nThe report: {}\n", said(&results, other), page.display()),
    };
    output::print(text.as_bytes())?;
    if interrupted {
        let problem = Problem::unplaced("interrupted; the report has what was measured until then");
        return Err(Failure::ended(problem));
    }
    Ok(())
}

/// What the run will take, before it starts.
fn plan(session: &Session) -> String {
    let (probes, curves) = (session.probes.len(), session.curves());
    let place = match session.server {
        Some(server) if !server.ip().to_canonical().is_loopback() => {
            format!("on this machine and to {server}")
        }
        _ => "on this machine only".to_owned(),
    };
    let root = if rustix::process::geteuid().is_root() { "" } else { " It needs no root." };
    let plural =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {} of {} s at most each and {} s together, most of them far less; {place}. Interrupting it \
         (Ctrl-C) leaves nothing behind.{root}",
        plural(probes, "probe"),
        plural(curves, "curve"),
        probe::TIME_MAX.as_secs(),
        session.time_max().as_secs(),
    )
}

/// All that was found, in lines.
fn said(results: &Results, other: Option<(&Results, &str)>) -> String {
    let mut text = String::new();
    for findings in &results.probes {
        text += &format!("{}: {}\n", findings.name, findings.question);
        let before = other.and_then(|(other, label)| {
            Some((other.probes.iter().find(|probe| probe.name == findings.name)?, label))
        });
        let compared = before.map(|(before, label)| probe::compared(findings, before, label));
        for line in findings.lines().chain(compared.into_iter().flatten()) {
            text += &format!("  {line}\n");
        }
    }
    text
}

fn list(session: &Session, json: bool) -> Result<(), Failure> {
    let needs = |probe: &Probe| session.needs(probe);
    let names = |probe: &Probe| probe.curves.iter().map(|curve| curve.name).collect::<Vec<_>>();
    if json {
        let entry = |probe: &&Probe| {
            serde_json::json!({
                "name": probe.name,
                "question": probe.question,
                "method": probe.method,
                "takes": needs(probe),
                "count": probe.goal(session.count),
                "curves": names(probe),
            })
        };
        let entries: Vec<_> = session.probes.iter().map(entry).collect();
        return output::print(format!("{:#}\n", serde_json::Value::Array(entries)).as_bytes());
    }
    let may_be_bold = output::may_be_styled(std::io::stdout().is_terminal());
    let (bold, plain) = if may_be_bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let entry = |probe: &&Probe| {
        format!(
            "{bold}{}{plain}\n    {}\n    {}\n    with {}\n",
            probe.name,
            probe.question,
            needs(probe),
            names(probe).join(", ")
        )
    };
    output::print(session.probes.iter().map(entry).collect::<String>().as_bytes())
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
