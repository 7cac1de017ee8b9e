//! The lines that a server starts with: where it is, what drives it, what it may hold, how it is
//! confined. Written for people; scripts find each address as `http://` or `unix:` in the first
//! line.

use std::fmt::Write;

use base::Bytes;

use super::sandbox::Confinement;
use super::user::Identity;

/// What there is to say about a server that has just started.
#[derive(Debug)]
pub struct Start<'a> {
    /// What is served: "the built-in site" or folders.
    pub what: String,
    /// Where, as URLs.
    pub addresses: Vec<String>,
    /// Where the status page is.
    pub status: Vec<String>,
    /// The engine's name.
    pub engine: &'a str,
    /// Why it was chosen.
    pub why: &'a str,
    /// The processor of each shard, where it has one of its own.
    pub cpus: Vec<Option<String>>,
    /// Connections that may be open at once.
    pub connections: u32,
    /// Other limits in words.
    pub limits: String,
    /// Bytes of memory reserved for connections.
    pub reserved: u64,
    /// Whom the process runs as.
    pub identity: &'a Identity,
    /// Whether it is confined.
    pub confinement: &'a Confinement,
}

impl Start<'_> {
    /// The lines.
    pub fn lines(&self) -> String {
        let mut text = format!("crore serves {} on {}\n", self.what, self.addresses.join(", "));
        let mut line = |name: &str, rest: String| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {name:<8}{rest}");
        };
        if !self.status.is_empty() {
            line("status", self.status.join(", "));
        }
        line("engine", format!("{} on {}; {}", self.engine, self.shards(), self.why));
        let reserved = Bytes(self.reserved);
        line(
            "limits",
            format!(
                "{} connections, {}; {reserved} of memory reserved",
                self.connections, self.limits
            ),
        );
        line("safety", format!("{}, {}", self.identity, self.confinement));
        text
    }

    fn shards(&self) -> String {
        let count = self.cpus.len();
        let plural = if count == 1 { "" } else { "s" };
        let pinned: Option<Vec<&str>> = self.cpus.iter().map(Option::as_deref).collect();
        match pinned {
            Some(cpus) if count <= 8 => format!("{count} shard{plural} ({})", cpus.join(", ")),
            Some(_) => format!("{count} shards, each on its own CPU"),
            None => format!("{count} shard{plural}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sandbox::Confinement;
    use super::super::user::Identity;
    use super::Start;

    #[test]
    fn a_newcomer_reads_where_to_look() {
        let start = Start {
            what: "the built-in site".into(),
            addresses: vec!["http://127.0.0.1:8080".into()],
            status: vec!["http://127.0.0.1:8080/status".into()],
            engine: "io_uring",
            why: "it does 1.20 times as much as epoll here",
            cpus: vec![Some("CPU 0".into()), Some("CPU 1".into())],
            connections: 19_744,
            limits: "any number from one client".into(),
            reserved: 3 << 20,
            identity: &Identity::Dropped("nobody".into()),
            confinement: &Confinement::On(7),
        };
        assert_eq!(
            start.lines(),
            "crore serves the built-in site on http://127.0.0.1:8080\n  \
             status  http://127.0.0.1:8080/status\n  \
             engine  io_uring on 2 shards (CPU 0, CPU 1); it does 1.20 times as much as epoll here\n  \
             limits  19744 connections, any number from one client; 3.0 MiB of memory reserved\n  \
             safety  user nobody (was root), sandbox landlock ABI 7\n"
        );
    }
}
