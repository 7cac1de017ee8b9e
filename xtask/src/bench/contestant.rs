//! The servers compared, each on processor 0 with one worker.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rig::crore::{self, Crore};
use rig::nginx::{self, Nginx};

use crate::Outcome;

/// The processor that servers run on.
const SERVER_CORE: u32 = 0;

/// nginx with everything on that makes it faster at this and nothing that changes what it sends.
/// Without sendfile a small file takes three system calls (read it, write all), with it five.
pub const NGINX_HTTP: &str = "
  sendfile off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=1h;
  open_file_cache_valid 1h;
  open_file_cache_min_uses 1;
  server_tokens off;
  reset_timedout_connection off;
";

/// The large file goes by sendfile, its header in the same segment.
const NGINX_SERVER: &str = "location = /1m.bin { sendfile on; tcp_nopush on; }";

/// One shard, room for the idle connections, and no time limit that would end them.
const CRORE: &[&str] =
    &["--shards", "1", "--max-connections", "18000", "--idle-time", "1h", "--log", "none"];

/// The longest that crore takes to try its engines.
const TRIAL: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// nginx-light from Debian.
    Nginx,
    /// crore on epoll.
    Epoll,
    /// crore on io_uring.
    Uring,
}

impl Kind {
    /// All, nginx first.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Epoll, Self::Uring];

    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Epoll => "crore, epoll",
            Self::Uring => "crore, io_uring",
        }
    }
}

/// What the servers serve, and which crore it is.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The folder served.
    pub root: &'a Path,
    /// The crore command.
    pub program: &'a Path,
}

/// A running server.
pub enum Contestant {
    /// nginx.
    Nginx(Nginx),
    /// crore.
    Crore(Crore),
}

impl Contestant {
    /// Starts a server.
    pub fn start(kind: Kind, setting: Setting<'_>) -> Outcome<Self> {
        let core = Some(SERVER_CORE);
        let engine = match kind {
            Kind::Nginx => {
                let root = setting.root;
                let settings =
                    nginx::Settings { root, http: NGINX_HTTP, server: NGINX_SERVER, core };
                return Ok(Self::Nginx(Nginx::start(&settings)?));
            }
            Kind::Epoll => "epoll",
            Kind::Uring => "uring",
        };
        Ok(Self::Crore(start_crore(engine, setting)?))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Nginx(nginx) => nginx.address(),
            Self::Crore(crore) => crore.address(),
        }
    }

    /// The process that serves.
    pub fn process(&self) -> Outcome<u32> {
        match self {
            Self::Nginx(nginx) => nginx.worker(),
            Self::Crore(crore) => Ok(crore.process.id()),
        }
    }

    /// Bytes of memory of the process that serves ([`rig::process::own_memory`]).
    pub fn memory(&self) -> Outcome<u64> {
        rig::process::own_memory(self.process()?)
    }
}

fn start_crore(engine: &str, setting: Setting<'_>) -> Outcome<Crore> {
    let flags = [CRORE, &["--net", engine]].concat();
    Crore::start(&crore::Settings {
        program: Some(setting.program),
        root: Some(setting.root),
        flags: &flags,
        core: Some(SERVER_CORE),
        ..crore::Settings::default()
    })
}

/// The engine that crore picks by itself on this machine.
pub fn picked(setting: Setting<'_>) -> Outcome<Kind> {
    let crore = start_crore("kernel", setting)?;
    let deadline = Instant::now() + TRIAL;
    loop {
        // Its address is bound before it has tried the engines, so it is not said at once.
        let printed = crore.process.printed()?;
        let engine = printed.lines().find_map(|line| line.trim_start().strip_prefix("engine "));
        match engine.and_then(|rest| rest.split_whitespace().next()) {
            Some("epoll") => return Ok(Kind::Epoll),
            Some("io_uring") => return Ok(Kind::Uring),
            _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                let error = format!("crore does not say which engine it picked:\n{printed}");
                return Err(error.into());
            }
        }
    }
}
