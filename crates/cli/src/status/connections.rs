//! `/connections`: the connections of our own stack, as `ss -ti` lists those of the kernel's.
//!
//! The query chooses: `state=ESTABLISHED` (or `sleeping`, or `working`), `host=10.0.0.9`, `port=80`,
//! `limit=1000`. Invariant: a shard shows a bounded number between two turns, which are put into words by
//! the thread that was asked, and is never waited for by a thread.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crore::http::{Reply, Response, Token};
use crore::{ConnId, Control, Seen, Wake};

use super::summary::Summaries;

/// Connections listed when nothing is said.
const LIMIT: usize = 1_000;
/// Connections listed at most.
const LIMIT_MOST: usize = 100_000;
/// Bytes of most lines, at most.
const LINE: usize = 128;

/// Which connections are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted {
    state: Option<String>,
    host: Option<IpAddr>,
    port: Option<u16>,
    limit: usize,
}

/// Lists that are being made.
#[derive(Debug, Default)]
pub struct Lists {
    next: u32,
    lists: HashMap<u32, Arc<Mutex<List>>>,
}

#[derive(Debug, Default)]
struct List {
    seen: Vec<Seen>,
    /// Shards that have not shown all yet.
    shards: usize,
}

/// One shard's part in a list; its end is told when it is dropped.
struct Part {
    list: Arc<Mutex<List>>,
    wanted: Wanted,
    wake: Arc<dyn Wake>,
    id: ConnId,
}

impl Lists {
    /// Begins to make a list for the connection `id`.
    pub fn begin(
        &mut self,
        query: &str,
        control: &Control,
        id: ConnId,
        wake: &Arc<dyn Wake>,
    ) -> Reply {
        let wanted = match Wanted::read(query) {
            Ok(wanted) => wanted,
            Err(complaint) => return Reply::Now(Response::text(400, format!("{complaint}\n"))),
        };
        let list = Arc::new(Mutex::new(List { shards: control.shards(), ..List::default() }));
        self.next = self.next.wrapping_add(1) % Summaries::TOKENS;
        self.lists.insert(self.next, Arc::clone(&list));
        control.survey(|| {
            let (list, wake) = (Arc::clone(&list), Arc::clone(wake));
            let mut part = Part { list, wanted: wanted.clone(), wake, id };
            Box::new(move |seen: &Seen| part.see(seen))
        });
        Reply::Later(Token(self.next))
    }

    /// The list, if it is complete.
    pub fn resume(&mut self, token: Token) -> Reply {
        let Some(list) = self.lists.get(&token.0) else { return Reply::Now(Response::new(500)) };
        let mut held = list.lock().unwrap_or_else(PoisonError::into_inner);
        if held.shards > 0 {
            return Reply::Later(token);
        }
        let seen = std::mem::take(&mut held.seen);
        drop(held);
        self.lists.remove(&token.0);
        let mut text = String::with_capacity(seen.len() * LINE);
        seen.iter().for_each(|seen| line(&mut text, seen));
        Reply::Now(Response::text(200, text))
    }

    /// Nobody waits for it any more.
    pub fn forget(&mut self, token: Token) {
        self.lists.remove(&token.0);
    }
}

impl Part {
    /// Puts a connection on the list if it is wanted. Says whether there is room for more.
    fn see(&mut self, seen: &Seen) -> bool {
        if !self.wanted.fits(seen) {
            return true;
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.seen.len() < self.wanted.limit {
            list.seen.push(*seen);
        }
        list.seen.len() < self.wanted.limit
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.shards -= 1;
        if list.shards == 0 {
            drop(list);
            self.wake.wake(self.id);
        }
    }
}

impl Wanted {
    fn read(query: &str) -> Result<Self, String> {
        let mut wanted = Self { state: None, host: None, port: None, limit: LIMIT };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = || format!("{name}={value} is not understood");
            match name {
                "state" => wanted.state = Some(value.to_ascii_uppercase()),
                "host" => wanted.host = Some(value.parse().map_err(|_| wrong())?),
                "port" => wanted.port = Some(value.parse().map_err(|_| wrong())?),
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| wrong())?;
                    wanted.limit = limit.min(LIMIT_MOST);
                }
                _ => return Err(format!("{}; known: state, host, port, limit", wrong())),
            }
        }
        Ok(wanted)
    }

    fn fits(&self, seen: &Seen) -> bool {
        let state = self.state.as_deref().is_none_or(|state| match state {
            "SLEEPING" => seen.sleeps && seen.state == "ESTABLISHED",
            "WORKING" => !seen.sleeps,
            state => state == seen.state,
        });
        let ends = [seen.local, seen.remote];
        let host = self.host.is_none_or(|host| ends.iter().any(|end| end.ip() == host));
        let port = self.port.is_none_or(|port| ends.iter().any(|end| end.port() == port));
        state && host && port
    }
}

/// One connection: its state, bytes not read and not acknowledged, its ends, and what TCP knows.
fn line(text: &mut String, seen: &Seen) {
    let waiting = seen.in_flight + seen.unsent;
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "{:<12} {:>8} {:>8} {} {}",
        seen.state, seen.unread, waiting, seen.local, seen.remote
    );
    if seen.sleeps && seen.state == "ESTABLISHED" {
        text.push_str(" sleeping");
    }
    let millis = |us: u32| f64::from(us) / 1000.0;
    match (seen.rtt_us, seen.rtt_variation_us) {
        (Some(rtt), Some(variation)) => {
            let _ = write!(text, " rtt:{:.3}/{:.3}", millis(rtt), millis(variation));
        }
        (Some(rtt), None) => {
            let _ = write!(text, " rtt:<{:.3}", millis(rtt));
        }
        _ => {}
    }
    if let Some(window) = seen.congestion_window {
        let _ = write!(text, " cwnd:{window}");
    }
    if seen.mss > 0 {
        let _ = write!(text, " mss:{}", seen.mss);
    }
    if !seen.sleeps {
        let _ = write!(text, " in-flight:{} unsent:{}", seen.in_flight, seen.unsent);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{Wanted, line};
    use crore::Seen;

    fn seen() -> Seen {
        Seen {
            local: "10.0.0.1:80".parse().unwrap(),
            remote: "10.0.0.9:40000".parse().unwrap(),
            state: "ESTABLISHED",
            sleeps: true,
            rtt_us: Some(256),
            rtt_variation_us: None,
            congestion_window: None,
            mss: 1448,
            in_flight: 0,
            unsent: 0,
            unread: 0,
        }
    }

    #[test]
    fn connections_are_chosen_by_state_host_and_port() {
        for (query, fits) in [
            ("", true),
            ("state=established&host=10.0.0.9&port=80", true),
            ("state=sleeping", true),
            ("state=working", false),
            ("state=time-wait", false),
            ("host=10.0.0.8", false),
            ("port=81", false),
        ] {
            assert_eq!(Wanted::read(query).unwrap().fits(&seen()), fits, "{query}");
        }
        for query in ["host=a", "port=70000", "colour=red"] {
            assert!(Wanted::read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_line_has_what_is_known() {
        let mut text = String::new();
        line(&mut text, &seen());
        let expected = "ESTABLISHED         0        0 10.0.0.1:80 10.0.0.9:40000 sleeping \
                        rtt:<0.256 mss:1448\n";
        assert_eq!(text, expected);
        let at_work = Seen {
            sleeps: false,
            rtt_variation_us: Some(100),
            congestion_window: Some(14_480),
            in_flight: 7,
            ..seen()
        };
        text.clear();
        line(&mut text, &at_work);
        assert!(text.ends_with("rtt:0.256/0.100 cwnd:14480 mss:1448 in-flight:7 unsent:0\n"));
    }
}
