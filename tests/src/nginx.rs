//! nginx, with one worker, from a configuration written for the occasion.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::netns::{self, Network};
use crate::process::Process;
use crate::tap::Host;
use crate::tree::Tree;
use crate::{Outcome, ports};

/// How long it may take to listen. Generous: the machine may be busy building.
const START_MAX: Duration = Duration::from_secs(30);

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    address: SocketAddr,
    /// Where the configuration and temporary files are; removed after the process has ended.
    _folder: Tree,
}

/// What differs from one use to the next.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The folder served.
    pub root: &'a Path,
    /// Lines for the `http` block.
    pub http: &'a str,
    /// Lines for the `server` block.
    pub server: &'a str,
    /// The processor it runs on; `None` for any.
    pub core: Option<u32>,
}

impl Nginx {
    /// Starts nginx and waits until it listens.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(settings: &Settings<'_>) -> Outcome<Self> {
        let folder = Tree::new()?;
        let address = ports::free()?;
        let configuration = configuration(settings, folder.root(), address);
        let file = folder.file("nginx.conf", configuration)?;
        let mut command = match settings.core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string(), "nginx"]);
                pinned
            }
            None => Command::new("nginx"),
        };
        command.arg("-p").arg(folder.root()).arg("-c").arg(file).args(["-e", "stderr"]);
        let mut process = Process::start(command)?;
        ports::wait_for(&mut process, address)?;
        Ok(Self { process, address, _folder: folder })
    }

    /// Starts nginx on a network's server host, at this port, and waits until it listens.
    ///
    /// # Errors
    /// As [`Nginx::start`].
    pub fn start_on(network: &Network, settings: &Settings<'_>, port: u16) -> Outcome<Self> {
        let folder = Tree::new()?;
        let address = SocketAddr::new(netns::SERVER.parse()?, port);
        let file = folder.file("nginx.conf", configuration(settings, folder.root(), address))?;
        let mut command = network.on_server("taskset");
        command.args(["-c", &settings.core.unwrap_or(0).to_string(), "nginx"]);
        command.arg("-p").arg(folder.root()).arg("-c").arg(file).args(["-e", "stderr"]);
        let process = network.started(command, port)?;
        Ok(Self { process, address, _folder: folder })
    }

    /// Starts nginx on a host with a TAP device, at one of its own addresses, and waits until it listens.
    ///
    /// # Errors
    /// As [`Nginx::start`].
    pub fn start_beside(
        host: &Host,
        settings: &Settings<'_>,
        address: SocketAddr,
    ) -> Outcome<Self> {
        let folder = Tree::new()?;
        let file = folder.file("nginx.conf", configuration(settings, folder.root(), address))?;
        let mut command = host.command("nginx");
        command.arg("-p").arg(folder.root()).arg("-c").arg(file).args(["-e", "stderr"]);
        let mut process = Process::start(command)?;
        let start = Instant::now();
        while host.inside(|| Ok(TcpStream::connect(address)?)).is_err() {
            if process.ended()?.is_some() || start.elapsed() > START_MAX {
                return Err(format!("nginx does not serve:\n{}", process.printed()?).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, address, _folder: folder })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The one process that does the work.
    ///
    /// # Errors
    /// When it is gone.
    pub fn worker(&self) -> Outcome<u32> {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let first = children.split_whitespace().next().ok_or("nginx has no worker")?;
        Ok(first.parse()?)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killing the master alone would leave the worker; asked to quit, it ends both.
        let asked = self.process.signal(rustix::process::Signal::TERM);
        if asked.is_ok() {
            let _ = self.process.wait(std::time::Duration::from_secs(10));
        }
    }
}

fn configuration(settings: &Settings<'_>, folder: &Path, address: SocketAddr) -> String {
    let Settings { root, http, server, .. } = settings;
    let (root, folder) = (root.display(), folder.display());
    format!(
        "daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
user root;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ use epoll; worker_connections 19000; }}
http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {http}
  server {{
    listen {address} backlog=4096;
    root {root};
    {server}
  }}
}}
"
    )
}
