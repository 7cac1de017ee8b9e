//! `/connections`: the connections of our own stack, as `ss -ti` lists those of the kernel's.
//!
//! The query chooses: `state=ESTABLISHED` (or `sleeping`, or `working`), `host=10.0.0.9`, `port=80`,
//! `limit=1000`. Invariant: all shards together list no more than the limit.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crore::Seen;
use crore::http::{HeaderBlock, Reply, Response};

use super::PROBE_HEADERS;
use super::gathering::{Gatherings, Manner, Question};

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

/// One shard's part in a list.
struct Part {
    wanted: Arc<Wanted>,
    /// How many more may be listed, by all shards.
    room: Arc<AtomicUsize>,
    seen: Vec<Seen>,
}

/// Begins to make the list that `query` asks for.
pub fn begin(gatherings: &mut Gatherings, query: &str, question: &Question<'_>) -> Reply {
    let wanted = match Wanted::read(query) {
        Ok(wanted) => Arc::new(wanted),
        Err(complaint) => return Reply::Now(Response::text(400, format!("{complaint}\n"))),
    };
    let room = Arc::new(AtomicUsize::new(wanted.limit));
    let make = || Part { wanted: Arc::clone(&wanted), room: Arc::clone(&room), seen: Vec::new() };
    gatherings.begin(question, make, Manner { see: Part::see, write })
}

impl Part {
    /// Puts a connection on the list if it is wanted. Says whether there is room for more.
    fn see(&mut self, seen: &Seen) -> bool {
        if !self.wanted.fits(seen) {
            return true;
        }
        let take = |room: usize| room.checked_sub(1);
        let had = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if had.is_ok() {
            self.seen.push(*seen);
        }
        had.is_ok_and(|had| had > 1)
    }
}

fn write(parts: Vec<Part>) -> Response {
    let mut text = String::with_capacity(parts.iter().map(|part| part.seen.len() * LINE).sum());
    parts.iter().flat_map(|part| &part.seen).for_each(|seen| line(&mut text, seen));
    Response { headers: HeaderBlock::Static(PROBE_HEADERS), ..Response::text(200, text) }
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
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::{Part, Wanted, line};
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
    fn all_shards_together_list_no_more_than_was_asked_for() {
        let (wanted, room) = (Wanted::read("state=sleeping").unwrap(), AtomicUsize::new(3));
        let (wanted, room) = (Arc::new(wanted), Arc::new(room));
        let part =
            || Part { wanted: Arc::clone(&wanted), room: Arc::clone(&room), seen: Vec::new() };
        let mut parts = [part(), part()];
        assert!(parts[0].see(&seen()) && parts[1].see(&seen()));
        assert!(parts[1].see(&Seen { sleeps: false, ..seen() }));
        assert!(!parts[0].see(&seen()) && !parts[1].see(&seen()));
        assert_eq!(parts.map(|part| part.seen.len()), [2, 1]);
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
