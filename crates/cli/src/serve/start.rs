//! Starts what serves: the site's threads, the shards, the admin listener. From here on the process
//! has more than one thread.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;

use crore::http::{self, Http, LiveSettings, Service};
use crore::{Bound, Control, Error, LocalAddress, Running, ShardContext};
use site::{Content, Environment, Log, LogDestination, Site, SiteService};

use crate::settings::{Given, LogFormat, Problem, Settings};
use crate::status::{Admin, Board, Status, WithStatus};

use super::announce::Start;
use super::listen::Listening;
use super::sandbox::Confinement;
use super::user::Identity;
use super::{Failure, diagnostics, notify};

/// A server that serves.
pub struct Started {
    /// What is served, to be exchanged on a reload.
    pub site: Arc<Site>,
    /// What the protocol allows, to be changed on a reload.
    pub http: Arc<LiveSettings>,
    /// Stops the server.
    pub control: Control,
    /// Closed when the server has ended.
    pub ended: OwnedFd,
    /// How it ended, when it has.
    pub end: mpsc::Receiver<Result<(), Error>>,
    /// Ends when dropped, after the server: until then it tells how far it is.
    admin: Option<Running>,
    facts: Facts,
}

/// What there is to tell about the server.
struct Facts {
    addresses: Vec<LocalAddress>,
    engine: &'static str,
    why: String,
    cpus: Vec<Option<String>>,
    connections: u32,
    limits: String,
    reserved: u64,
}

/// Starts serving `content`.
pub fn start(
    given: &Given<'_>,
    settings: &Settings,
    listening: Listening,
    content: Content,
    board: Board,
) -> Result<Started, Failure> {
    let board = Arc::new(board);
    let live = Arc::new(LiveSettings::new(settings.http));
    let log = start_log(settings).map_err(|error| Failure::at(given, "log_file", error))?;
    let site = start_site(content, log, &listening.main)
        .map_err(|error| Failure::system("threads that read files", &error))?;
    let failed = |error| Failure::server(given, settings, &error);
    // The built-in site shows the status page to whoever looks; a site of one's own does so at the
    // admin address only.
    let running = if given.site.roots().next().is_none() {
        let (site, status) = (site.clone(), Status::new(board.clone()));
        let service = move || {
            let site = site.service();
            let counters = site.counters();
            (WithStatus::new(status.clone(), site), counters)
        };
        start_shards(listening.main, &live, &board, service)
    } else {
        let site = site.clone();
        start_shards(listening.main, &live, &board, move || {
            let service: SiteService = site.service();
            let counters = service.counters();
            (service, counters)
        })
    };
    let running = running.map_err(failed)?;
    board.complete(&running);
    let admin = listening.admin.map(|bound| start_admin(bound, &board));
    let admin = admin.transpose().map_err(failed)?;
    let facts = Facts::of(&running, settings);
    let control = running.control();
    let (ended, end) = watch(running).map_err(|e| Failure::system("a thread", &e))?;
    Ok(Started { site, http: live, control, ended, end, admin, facts })
}

fn start_log(settings: &Settings) -> Result<Option<Arc<Log>>, Problem> {
    let format = match settings.log {
        LogFormat::None => return Ok(None),
        LogFormat::Combined => site::LogFormat::Combined,
        LogFormat::Json => site::LogFormat::Json,
    };
    let (name, destination) = match settings.log_file.clone() {
        Some(file) => (file.display().to_string(), LogDestination::File(file)),
        None => ("standard output".to_owned(), LogDestination::Stdout),
    };
    Log::start(format, destination).map(Some).map_err(|error| {
        Problem::unplaced(format!("the log cannot be written to {name}: {error}"))
            .advise("the user that crore runs as has to be allowed to write there")
    })
}

fn start_site(content: Content, log: Option<Arc<Log>>, bound: &Bound) -> io::Result<Arc<Site>> {
    Site::start(content, Environment { wake: bound.wake(), shards: bound.shards(), log })
}

fn start_shards<S: Service + 'static>(
    bound: Bound,
    live: &Arc<LiveSettings>,
    board: &Arc<Board>,
    service: impl Fn() -> (S, Arc<site::Counters>) + Send + Sync + 'static,
) -> Result<Running, Error> {
    let (live, board) = (live.clone(), board.clone());
    bound.start(move |context: &ShardContext| {
        let counters = Arc::new(http::Counters::default());
        let (service, of_site) = service();
        board.add(context.index, context.counters.clone(), counters.clone(), of_site);
        Http::new(service, live.clone(), context.clock.clone(), counters)
    })
}

fn start_admin(bound: Bound, board: &Arc<Board>) -> Result<Running, Error> {
    let status = Status::new(board.clone());
    bound.start(move |context: &ShardContext| {
        let service = Admin::new(status.clone(), context.wake.clone());
        Http::new(service, Arc::default(), context.clock.clone(), Arc::default())
    })
}

/// Waits for the end of a server on a thread of its own, so that the caller can wait for signals as
/// well: a descriptor that hangs up, and then what there is to say.
fn watch(running: Running) -> io::Result<(OwnedFd, mpsc::Receiver<Result<(), Error>>)> {
    let (ended, held_open) = io::pipe()?;
    let (tell, end) = mpsc::channel();
    thread::Builder::new().name("end".into()).spawn(move || {
        // Nobody listens any more when the server was given up.
        let _ = tell.send(running.wait());
        drop(held_open);
    })?;
    Ok((ended.into(), end))
}

impl Facts {
    fn of(running: &Running, settings: &Settings) -> Self {
        let shards = running.shards();
        let limits = match settings.max_connections_per_client {
            0 => "any number from one client".to_owned(),
            count => format!("{count} from one client"),
        };
        Self {
            addresses: running.addresses().to_vec(),
            engine: running.engine(),
            why: running.why().to_owned(),
            cpus: shards.iter().map(|shard| shard.cpu().map(|cpu| cpu.to_string())).collect(),
            connections: running.limits().connections,
            limits,
            reserved: shards.iter().map(|shard| shard.counters().memory.get()).sum(),
        }
    }
}

impl Started {
    /// Says on standard error, unless only warnings are wanted there, and to systemd that the
    /// server serves.
    pub fn announce(&self, given: &Given<'_>, identity: &Identity, confinement: &Confinement) {
        let facts = &self.facts;
        let addresses: Vec<String> = facts.addresses.iter().map(url).collect();
        let roots: BTreeSet<_> = given.site.roots().collect();
        let roots = Vec::from_iter(roots);
        let what = match roots.as_slice() {
            [] => "the built-in site".to_owned(),
            [root] => root.display().to_string(),
            roots => format!("{} folders", roots.len()),
        };
        let admin = self.admin.iter().flat_map(Running::addresses).map(url);
        let own = addresses.iter().filter(|_| roots.is_empty()).take(1).cloned();
        let start = Start {
            what,
            status: own.chain(admin).map(|address| format!("{address}/status")).collect(),
            engine: facts.engine,
            why: &facts.why,
            cpus: facts.cpus.clone(),
            connections: facts.connections,
            limits: facts.limits.clone(),
            reserved: facts.reserved,
            identity,
            confinement,
            addresses,
        };
        if tracing::enabled!(tracing::Level::INFO) {
            diagnostics::tell(&start.lines());
        }
        notify::ready(&format!("serving {} on {}", start.what, start.addresses.join(", ")));
    }
}

/// The address as a browser takes it; a Unix socket as it is written in settings.
fn url(address: &LocalAddress) -> String {
    match address {
        LocalAddress::Inet(address) => format!("http://{address}"),
        LocalAddress::Unix(_) => address.to_string(),
    }
}
