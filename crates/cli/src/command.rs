//! The command line: what `crore` can do, and the help for it.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::demo;
use crate::doctor;
use crate::load;
use crate::probe;
use crate::settings::{self, Flags, Levels, Options, Problem, Sources};
use crate::stat;

/// Holds very many connections open and answers on each
///
/// `crore serve` serves a small site that is built in, on http://127.0.0.1:8080; `crore serve DIR`
/// serves a folder.
#[derive(Parser, Debug)]
#[command(name = "crore", version, arg_required_else_help = true)]
#[command(subcommand_required = true)]
struct Crore {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve a folder, or the built-in site, over HTTP
    ///
    /// Every setting is a flag, an environment variable and a key of the configuration file; a
    /// flag wins over a variable, a variable over the file, the file over the default.
    #[command(after_help = SERVE_EXAMPLES, after_long_help = SERVE_NOTES)]
    Serve(Box<Serve>),
    /// Show ten million connections, server and clients in this process
    ///
    /// A server and its clients, each on a TCP/IP stack of its own, joined by a wire of memory that
    /// carries real frames. All connections are opened, a request is answered on each, and they
    /// stay open while requests go over random ones. Needs two cores, no root, and about 160 bytes
    /// of memory a connection for both ends together.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(demo::Options),
    /// Say whether this machine can hold so many connections, and what would help
    ///
    /// Reads descriptors, memory, queues, ports, pages, processors and network devices. Each line is
    /// ok, or says what is wrong, what it costs, the command that mends it for now and the file that
    /// mends it for good. Changes nothing unless --fix is given. Exit status: 0 when the connections
    /// can be held, 1 when not, 2 when the question is wrong.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(doctor::Options),
    /// Send load to a server, and measure how it answers
    ///
    /// Closed loop, as many requests as are answered, or open loop at a set rate; over connections that
    /// stay, or one for each request, from as many addresses as are given; beside idle ones and slow
    /// ones; in phases that a script describes. Refuses addresses that may be somebody else's.
    #[command(after_help = LOAD_EXAMPLES)]
    Load(Box<load::Options>),
    /// Show how this system scales
    ///
    /// Each probe measures one operation of the operating system against how many there already are:
    /// fork with many processes alive, connect with many connections open, and so on. It keeps the raw
    /// samples (CSV), draws a picture (SVG), and says in a line how the time grows. All together make
    /// one page. Needs no root, stays on this machine, and leaves nothing behind but its folder.
    #[command(after_help = PROBE_EXAMPLES)]
    Probe(probe::Options),
    /// Show what a running server's shards do
    ///
    /// Connections, packets, what is sent again, what of each pool is in use, and packets dropped by
    /// reason, for each shard; read from the server's admin listener (crore serve --admin).
    #[command(after_help = STAT_EXAMPLES)]
    Stat(stat::Options),
    /// List the connections of crore's own stack in a running server
    ///
    /// As ss -ti does for the kernel's: state, bytes not consumed and not acknowledged, both ends,
    /// round-trip time, congestion window. No shard stops for it; read from the server's admin
    /// listener (crore serve --admin).
    Ss(stat::Connections),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
    /// Print the manual, in the form that man reads
    #[command(after_help = MAN_EXAMPLES)]
    Man(Man),
}

/// The arguments of `crore serve`.
#[derive(Args, Debug)]
struct Serve {
    #[command(flatten)]
    options: Options,

    /// Read settings from this file, which is TOML
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Configuration")]
    config: Option<PathBuf>,

    /// Say whether the settings are good, and do nothing else
    #[arg(long, help_heading = "Configuration")]
    check: bool,

    /// Tell more on standard error (debug); twice, all (trace)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    #[arg(conflicts_with = "level")]
    verbose: u8,

    /// Tell less on standard error (warnings); twice, errors only
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    #[arg(conflicts_with_all = ["level", "verbose"])]
    quiet: u8,
}

#[derive(Args, Debug)]
struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Args, Debug)]
struct Man {
    /// The page of this command, in place of that of crore itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

const STAT_EXAMPLES: &str = "\
Examples:
  crore stat                                    of the server whose --admin is 127.0.0.1:9090
  crore stat -a unix:/run/crore/admin.sock -i 5 what is added in every 5 seconds";

const SERVE_EXAMPLES: &str = "\
Examples:
  crore serve                                   the built-in site, http://127.0.0.1:8080
  crore serve public                            a folder
  crore serve -l 0.0.0.0:80 -l [::]:80 /srv     on all addresses; starts as root, becomes nobody
  crore serve -c crore.toml --admin 127.0.0.1:9090
  crore serve -c crore.toml --check             is the file good?

More on each setting: crore serve --help";

const SERVE_NOTES: &str = "\
Examples:
  crore serve                                   the built-in site, http://127.0.0.1:8080
  crore serve public                            a folder
  crore serve -l 0.0.0.0:80 -l [::]:80 /srv     on all addresses; starts as root, becomes nobody
  crore serve -l unix:/run/crore/http.sock public
  crore serve -c crore.toml --admin 127.0.0.1:9090
  crore serve -c crore.toml --check             is the file good?
  CRORE_SHARDS=2 crore serve public             a setting from the environment

Values:
  TIME is a number and a unit: 500ms, 10s, 5m, 1h. SIZE is bytes, or with a unit: 16KiB, 1MiB.
  A number in a file is written without quotes, all else within: shards = 2, drain = \"30s\".

Signals:
  SIGTERM, SIGINT  take no more connections, finish the answers under way, exit; a second one
                   exits at once
  SIGHUP           read the configuration anew and open the log file anew, closing no connection;
                   a file with an error in it is refused and changes nothing

Exit status:
  0 after a clean stop, 1 when the server could not start or go on, 2 when a setting is wrong.";

const DEMO_EXAMPLES: &str = "\
Examples:
  crore demo                                    ten million connections
  crore demo --connections 1000000 --json       fewer, and the results as JSON
  crore demo --rate 500000                      latency below full load";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  crore doctor                                  ten million connections, on either engine
  crore doctor --connections 50000 --net kernel
  crore doctor --fix somaxconn,ports            shows what it would do, asks, does it
  crore doctor --undo                           as it was before";
const PROBE_EXAMPLES: &str = "\
Examples:
  crore probe --list                            what there is, and what each takes
  crore probe all                               a few minutes; the page is crore-probe/report.html
  crore probe connect bind --count 19000        with more than by default
  crore probe all --out after --compare before  two kernels, two machines, two settings";

const LOAD_EXAMPLES: &str = "\
Examples:
  crore load http://127.0.0.1:8080/                         50 connections for 10 s
  crore load http://127.0.0.1:8080/ -c 200 -r 20000 -d 1m   open loop: 20,000 requests a second
  crore load http://127.0.0.1:8080/ --idle 15000            beside 15,000 that rest
  crore load http://127.0.0.1:8080/ --idle 200000 --sources 127.1.0.0/16
  crore load http://127.0.0.1:8080/ --fail-if 'p99>5ms' --fail-if 'errors>0' --json
  crore load http://127.0.0.1:8080/ --script storm.toml --svg storm.svg

Exit status:
  0 when requests were answered, 1 when none was or it could not go on, 2 when a setting is wrong,
  3 when a condition of --fail-if held.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  crore completions bash > ~/.local/share/bash-completion/completions/crore
  crore completions zsh  > ~/.zfunc/_crore
  crore completions fish > ~/.config/fish/completions/crore.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  crore man serve | man -l -
  crore man > /usr/local/share/man/man1/crore.1
  crore man serve > /usr/local/share/man/man1/crore-serve.1";

/// What the command line asks for.
#[derive(Debug)]
pub enum Action {
    /// Serve with these settings.
    Serve(Sources),
    /// Show many connections.
    Demo(demo::Options),
    /// Examine this machine.
    Doctor(doctor::Options),
    /// Measure how this system scales.
    Probe(probe::Options),
    /// Show what a running server's shards do.
    Stat(stat::Options),
    /// Send load.
    Load(Box<load::Options>),
    /// List a running server's connections.
    Ss(stat::Connections),
    /// Check these settings.
    Check(Sources),
    /// Print this.
    Print(Vec<u8>),
}

/// Reads the command line and the environment. Where the command line itself is wrong or asks for
/// help, this prints and exits, as is the custom.
///
/// # Errors
/// When a variable of the environment holds a value that cannot be read, or the page asked for
/// does not exist.
pub fn action() -> Result<Action, Problem> {
    let mut matches = command().get_matches();
    match matches.remove_subcommand() {
        Some((name, matches)) if name == "completions" => {
            let Completions { shell } = read(&matches);
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "crore", &mut script);
            Ok(Action::Print(script))
        }
        Some((name, matches)) if name == "man" => {
            let Man { command } = read(&matches);
            manual(command.as_deref()).map(Action::Print)
        }
        Some((name, matches)) if name == "demo" => Ok(Action::Demo(read(&matches))),
        Some((name, matches)) if name == "doctor" => Ok(Action::Doctor(read(&matches))),
        Some((name, matches)) if name == "load" => Ok(Action::Load(Box::new(read(&matches)))),
        Some((name, matches)) if name == "probe" => Ok(Action::Probe(read(&matches))),
        Some((name, matches)) if name == "stat" => Ok(Action::Stat(read(&matches))),
        Some((name, matches)) if name == "ss" => Ok(Action::Ss(read(&matches))),
        Some((_, matches)) => serve(matches),
        None => unreachable!("clap requires a command"),
    }
}

/// The whole command line, with the variable and the key of each setting in its help.
fn command() -> clap::Command {
    Crore::command().mut_subcommand("serve", |serve| serve.mut_args(with_other_names))
}

/// Adds to a flag's long help where else its setting can be given.
fn with_other_names(flag: clap::Arg) -> clap::Arg {
    let name = flag.get_id().as_str().to_owned();
    if !settings::has_variable(&name) {
        return flag;
    }
    let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string);
    let mut help = help.unwrap_or_default();
    help.push_str(&format!("\n\n[env: {}]", settings::variable(&name)));
    if let Some(keys) = settings::file_keys(&name) {
        help.push_str(&format!(" [file: {}]", keys.join(".")));
    }
    flag.long_help(help)
}

fn read<T: FromArgMatches>(matches: &clap::ArgMatches) -> T {
    T::from_arg_matches(matches).expect("clap has read the same declaration")
}

fn serve(mut matches: clap::ArgMatches) -> Result<Action, Problem> {
    let mut names = settings::take_defaults_out(&mut matches);
    let Serve { mut options, config, check, verbose, quiet } = read(&matches);
    let level = match (verbose, quiet) {
        (0, 0) => None,
        (0, 1) => Some("warn"),
        (0, _) => Some("error"),
        (1, _) => Some("debug"),
        _ => Some("trace"),
    };
    if let Some(level) = level {
        options.level = Some(Levels(level.to_owned()));
        names.push("level".to_owned());
    }
    let lookup = |variable: &str| std::env::var_os(variable);
    let sources = Sources::new(Flags { options, names }, config, lookup)?;
    Ok(if check { Action::Check(sources) } else { Action::Serve(sources) })
}

/// The manual page of crore, or of one of its commands.
fn manual(page: Option<&str>) -> Result<Vec<u8>, Problem> {
    let crore = command();
    let page = match page {
        None => crore,
        Some(name) => {
            let found = crore.get_subcommands().find(|command| command.get_name() == name);
            let names: Vec<&str> = crore.get_subcommands().map(clap::Command::get_name).collect();
            let known = names.join(", ");
            let missing = || Problem::unplaced(format!("there is no command `{name}`"));
            let full_name = format!("crore-{name}");
            found
                .ok_or_else(|| missing().advise(format!("known here: {known}")))?
                .clone()
                .display_name(full_name)
                .bin_name(format!("crore {name}"))
        }
    };
    let mut text = Vec::new();
    // `crore help` shows what these pages do, and has none of its own.
    let page = clap_mangen::Man::new(page.disable_help_subcommand(true));
    let page = page.source(concat!("crore ", env!("CARGO_PKG_VERSION")));
    page.render(&mut text).expect("a Vec takes all that is written to it");
    Ok(text)
}
