//! What happens on SIGHUP: the configuration is read anew, and what can change does.
//!
//! Invariant: all or nothing. Whatever is found wrong is found before anything is changed, and no
//! connection notices more than its next answer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crore::http::LiveSettings;
use site::{Content, Site};
use tracing::{error, info, warn};

use crate::settings::{Given, Problem, Settings, Sources};

use super::diagnostics::Diagnostics;
use super::sandbox::{self, Confinement};
use super::start::Started;
use super::{listen, notify};

/// Reads the configuration of a running server anew.
pub struct Reloader<'a> {
    sources: &'a Sources,
    /// What is in force. What needs a restart stays as it was at the start.
    settings: Settings,
    /// Threads and queue of the site at the start.
    pool: (u16, u32),
    /// The folders that had to be readable at the start.
    readable: Vec<PathBuf>,
    /// Whether the process can read no others.
    confined: bool,
    site: Arc<Site>,
    http: Arc<LiveSettings>,
    diagnostics: Diagnostics,
}

impl<'a> Reloader<'a> {
    /// For the server `started` with what was `given`.
    pub fn new(
        sources: &'a Sources,
        given: &Given<'_>,
        settings: Settings,
        started: &Started,
        diagnostics: Diagnostics,
    ) -> Self {
        let roots: Vec<_> = given.site.roots().map(PathBuf::from).collect();
        let readable = sandbox::folders_for(&roots);
        let readable = readable.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
        let pool = pool(given);
        Self {
            sources,
            settings,
            pool,
            confined: false,
            readable,
            site: started.site.clone(),
            http: started.http.clone(),
            diagnostics,
        }
    }

    /// Where the process is confined, refuses folders that it cannot read.
    pub fn confined_to(mut self, confinement: &Confinement) -> Self {
        self.confined = matches!(confinement, Confinement::On(_));
        self
    }

    /// How long to drain, as the configuration says now.
    pub fn drain(&self) -> Duration {
        self.settings.drain
    }

    /// Reads the configuration anew, and says how it went.
    pub fn reload(&mut self) {
        notify::reloading();
        // Whatever becomes of the configuration: the log was moved away, and waits.
        self.site.reopen_log();
        match self.try_reload() {
            Ok(kept) if kept.is_empty() => info!("the configuration was read anew"),
            Ok(kept) => warn!(
                "the configuration was read anew; what it changes of {} takes effect at the next \
                 restart",
                kept.join(", ")
            ),
            Err(problems) => {
                let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
                error!(
                    "the configuration was not taken, the one before stays in force:\n{}",
                    problems.join("\n")
                );
            }
        }
        notify::ready("serving");
    }

    /// Changes what can change; returns the names of settings that cannot and would have.
    fn try_reload(&mut self) -> Result<Vec<&'static str>, Vec<Problem>> {
        let given = self.sources.read().map_err(|problem| vec![problem])?;
        let settings = Settings::new(&given).map_err(|problem| vec![problem])?;
        self.check_held_bytes(&given, &settings).map_err(|problem| vec![problem])?;
        self.check_roots(&given).map_err(|problem| vec![problem])?;
        let content = Content::open(&given.site).map_err(|errors| given.site_problems(errors))?;

        let mut kept = restart_needed(&self.settings, &settings);
        if pool(&given) != self.pool {
            kept.push("threads and queue of [site]");
        }
        self.diagnostics.change(&settings.level);
        self.http.set(settings.http);
        self.site.reload(content);
        self.settings.http = settings.http;
        self.settings.level = settings.level;
        self.settings.drain = settings.drain;
        Ok(kept)
    }

    /// The engine was built for headers of a certain length.
    fn check_held_bytes(&self, given: &Given<'_>, settings: &Settings) -> Result<(), Problem> {
        let held = listen::held_bytes(&self.settings);
        if settings.http.header_bytes < held {
            return Ok(());
        }
        let reason = format!("a running server can go up to {} bytes", held - 1);
        Err(Problem::new(given.place("header_bytes", None), reason)
            .advise("restart crore to allow more"))
    }

    fn check_roots(&self, given: &Given<'_>) -> Result<(), Problem> {
        for root in given.site.roots().filter(|_| self.confined) {
            // One that is not there is complained about by the site, in its own words.
            let Ok(real) = fs::canonicalize(root) else { continue };
            if !self.readable.iter().any(|folder| real.starts_with(folder)) {
                let reason = format!(
                    "{} is outside of the folders that the sandbox allowed at the start",
                    root.display()
                );
                return Err(Problem::unplaced(reason)
                    .advise("restart crore to serve it (or start it with --sandbox off)"));
            }
        }
        Ok(())
    }
}

fn pool(given: &Given<'_>) -> (u16, u32) {
    (*given.site.site.threads.get_ref(), *given.site.site.queue.get_ref())
}

/// The names of the settings that differ and cannot change while the server runs.
fn restart_needed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let differs = [
        ("listen", old.listen != new.listen),
        ("admin", old.admin != new.admin),
        ("net", old.net != new.net),
        ("park", old.park != new.park),
        ("address", old.addresses != new.addresses),
        ("gateway", old.gateways != new.gateways),
        ("pcap", old.pcap != new.pcap),
        ("pcap-bytes", old.pcap_bytes != new.pcap_bytes),
        ("pcap-host", old.pcap_host != new.pcap_host),
        ("pcap-port", old.pcap_port != new.pcap_port),
        ("shards", old.shards != new.shards),
        ("max-connections", old.max_connections != new.max_connections),
        (
            "max-connections-per-client",
            old.max_connections_per_client != new.max_connections_per_client,
        ),
        ("evict-idle", old.evict_idle != new.evict_idle),
        ("log", old.log != new.log),
        ("log-file", old.log_file != new.log_file),
        ("user", old.user != new.user),
        ("sandbox", old.sandbox != new.sandbox),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
