//! Every number that is kept for each shard, once: where it is read, what it is called, what it
//! means. JSON, metrics and their documentation all come from this list, so the names in it are
//! part of crore's interface: they may be added to, not changed.

use crore::http::Reason;
use crore::{Counter, Counters, Vitals, http};

use super::board::Shard;

/// One number that is kept for each shard.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its name; in metrics with `crore_` before it and, for a sum, `_total` behind it.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Whether it only grows or is a level.
    pub kind: Kind,
    /// Where several numbers have one name: which of them this is, as a metric's label.
    pub label: Option<(&'static str, &'static str)>,
    source: Source,
}

/// How a figure changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It counts up from zero since the start.
    Sum,
    /// It goes up and down.
    Level,
}

/// Where a figure is read.
#[derive(Clone, Copy, Debug)]
enum Source {
    Engine(fn(&Counters) -> &Counter),
    Http(fn(&http::Counters) -> &Counter),
    Refused(Reason),
    Site(fn(&site::Counters) -> &Counter),
    Stack(fn(&Vitals) -> &Counter),
    Dropped(crore::Reason),
}

impl Figure {
    /// Its value for one shard.
    pub fn read(&self, shard: &Shard) -> u64 {
        match self.source {
            Source::Engine(counter) => counter(&shard.engine).get(),
            Source::Http(counter) => counter(&shard.http).get(),
            Source::Refused(reason) => shard.http.refused(reason),
            Source::Site(counter) => counter(&shard.site).get(),
            Source::Stack(counter) => {
                shard.stack.as_ref().map_or(0, |vitals| counter(vitals).get())
            }
            Source::Dropped(reason) => {
                shard.stack.as_ref().map_or(0, |vitals| vitals.drops.get(reason))
            }
        }
    }

    /// Whether it is about our own stack, so that there is none where the kernel's is used.
    pub const fn is_of_own_stack(&self) -> bool {
        matches!(self.source, Source::Stack(_) | Source::Dropped(_))
    }

    /// Its key in JSON: the name, with the label's value behind it where there is one.
    pub fn key(&self) -> String {
        match self.label {
            None => self.name.to_owned(),
            Some((_, value)) => format!("{}_{value}", self.name),
        }
    }

    const fn engine(
        name: &'static str,
        kind: Kind,
        read: fn(&Counters) -> &Counter,
        help: &'static str,
    ) -> Self {
        Self { name, help, kind, label: None, source: Source::Engine(read) }
    }

    const fn http(
        name: &'static str,
        kind: Kind,
        read: fn(&http::Counters) -> &Counter,
        help: &'static str,
    ) -> Self {
        Self { name, help, kind, label: None, source: Source::Http(read) }
    }

    const fn site(
        name: &'static str,
        kind: Kind,
        read: fn(&site::Counters) -> &Counter,
        help: &'static str,
    ) -> Self {
        Self { name, help, kind, label: None, source: Source::Site(read) }
    }

    const fn stack(
        name: &'static str,
        kind: Kind,
        read: fn(&Vitals) -> &Counter,
        help: &'static str,
    ) -> Self {
        Self { name, help, kind, label: None, source: Source::Stack(read) }
    }

    const fn labelled(mut self, label: &'static str, value: &'static str) -> Self {
        self.label = Some((label, value));
        self
    }
}

/// Figures that stand by themselves in [`TABLE`]; refusals and drops by reason follow them.
const FIXED: usize = TABLE.len();
const WITH_REFUSALS: usize = FIXED + Reason::ALL.len();
const COUNT: usize = WITH_REFUSALS + crore::Reason::ALL.len();

/// Every figure. Those of one name stand together.
pub static FIGURES: [Figure; COUNT] = all();

const fn all() -> [Figure; COUNT] {
    let mut figures = [TABLE[0]; COUNT];
    let mut place = 0;
    while place < COUNT {
        figures[place] = if place < FIXED {
            TABLE[place]
        } else if place < WITH_REFUSALS {
            let reason = Reason::ALL[place - FIXED];
            Figure {
                name: "http_refused",
                help: "Requests that the protocol refused by itself",
                kind: Kind::Sum,
                label: Some(("reason", reason.name())),
                source: Source::Refused(reason),
            }
        } else {
            let reason = crore::Reason::ALL[place - WITH_REFUSALS];
            Figure {
                name: "stack_dropped",
                help: "Packets that crore's own stack dropped",
                kind: Kind::Sum,
                label: Some(("reason", reason.name())),
                source: Source::Dropped(reason),
            }
        };
        place += 1;
    }
    figures
}

const RESPONSES: &str = "Answers by class of status";
const REFUSED: &str = "Connections refused: all places taken, or all that one client may take";

#[rustfmt::skip]
const TABLE: [Figure; 49] = {
    use Kind::{Level, Sum};
    [
        Figure::engine("connections", Level, |c| &c.connections, "Connections open"),
        Figure::engine("connection_bytes", Level, |c| &c.memory,
            "Memory of the engine in bytes: what it holds for connections, and its buffers"),
        Figure::engine("accepted", Sum, |c| &c.accepted, "Connections accepted"),
        Figure::engine("opened", Sum, |c| &c.opened, "Connections opened by this side"),
        Figure::engine("undialled", Sum, |c| &c.undialled,
            "Connections that this side was to open and that were not made"),
        Figure::engine("refused", Sum, |c| &c.refused_full, REFUSED).labelled("limit", "full"),
        Figure::engine("refused", Sum, |c| &c.refused_client, REFUSED).labelled("limit", "client"),
        Figure::engine("evicted", Sum, |c| &c.evicted,
            "Idle connections that made way for a new one"),
        Figure::engine("reset", Sum, |c| &c.reset, "Connections reset by the peer"),
        Figure::engine("short_sources", Sum, |c| &c.short_sources,
            "Connections ended because a file was shorter than when its answer began"),
        Figure::engine("overflowed", Sum, |c| &c.overflowed,
            "Connections ended because they held more input than they may"),
        Figure::engine("accept_failures", Sum, |c| &c.accept_failures,
            "Accepts that failed for want of descriptors or memory"),
        Figure::engine("received_bytes", Sum, |c| &c.bytes_in, "Bytes received"),
        Figure::engine("sent_bytes", Sum, |c| &c.bytes_out, "Bytes sent"),
        Figure::engine("turns", Sum, |c| &c.turns, "Turns of the loop that found work"),
        Figure::engine("busy_nanoseconds", Sum, |c| &c.busy,
            "Time that these turns took: what a shard has left is the rest"),
        Figure::engine("wakes", Sum, |c| &c.wakes, "Wakes delivered to connections"),
        Figure::http("http_requests", Sum, |c| &c.requests, "Requests given to the service"),
        Figure::http("http_responses", Sum, |c| &c.responses[0], RESPONSES)
            .labelled("class", "1xx"),
        Figure::http("http_responses", Sum, |c| &c.responses[1], RESPONSES)
            .labelled("class", "2xx"),
        Figure::http("http_responses", Sum, |c| &c.responses[2], RESPONSES)
            .labelled("class", "3xx"),
        Figure::http("http_responses", Sum, |c| &c.responses[3], RESPONSES)
            .labelled("class", "4xx"),
        Figure::http("http_responses", Sum, |c| &c.responses[4], RESPONSES)
            .labelled("class", "5xx"),
        Figure::http("http_exchanges", Level, |c| &c.exchanges,
            "Exchanges under way that did not finish at once"),
        Figure::http("http_body_received_bytes", Sum, |c| &c.body_bytes_in,
            "Bytes of request bodies received"),
        Figure::http("http_header_sent_bytes", Sum, |c| &c.header_bytes_out,
            "Bytes of answers' headers sent"),
        Figure::http("http_body_sent_bytes", Sum, |c| &c.body_bytes_out,
            "Bytes of answers' bodies sent"),
        Figure::http("http_slow_readers", Sum, |c| &c.slow_readers,
            "Connections dropped because an answer was read too slowly"),
        Figure::http("http_idle_closed", Sum, |c| &c.idle_closed,
            "Connections closed because they rested for too long"),
        Figure::http("http_short_bodies", Sum, |c| &c.short_bodies,
            "Answers cut off because a file became shorter or could not be read"),
        Figure::site("site_cache_hits", Sum, |c| &c.hits,
            "Requests answered at once from the shard's cache"),
        Figure::site("site_cache_misses", Sum, |c| &c.misses,
            "Look-ups on disk: what was not in the cache, or had to be checked again"),
        Figure::site("site_cache_pages", Level, |c| &c.cached_pages, "Pages in the cache"),
        Figure::site("site_cache_bytes", Level, |c| &c.cached_bytes,
            "Bytes of memory that the cache holds"),
        Figure::site("site_open_files", Level, |c| &c.cached_files,
            "Files that the cache holds open"),
        Figure::site("site_compressions", Sum, |c| &c.compressions, "Compressions asked for"),
        Figure::site("site_refused_jobs", Sum, |c| &c.refused_jobs,
            "Requests refused because too many waited for the disk"),
        Figure::site("site_lost_log_lines", Sum, |c| &c.lost_log_lines,
            "Lines that the access log lost because the disk was too slow"),
        Figure::stack("stack_packets_in", Sum, |v| &v.packets_in, "Packets that arrived"),
        Figure::stack("stack_packets_out", Sum, |v| &v.packets_out, "Packets sent"),
        Figure::stack("stack_retransmitted", Sum, |v| &v.retransmitted, "Segments sent again"),
        Figure::stack("stack_working", Level, |v| &v.working,
            "Connections that have work to do, each in a working block"),
        Figure::stack("stack_working_most", Level, |v| &v.working_most, "Working blocks"),
        Figure::stack("stack_time_wait", Level, |v| &v.time_wait, "Connections in TIME-WAIT"),
        Figure::stack("stack_buffers", Level, |v| &v.buffers,
            "Buffers of 4 KiB in use: for bytes not acknowledged, or not consumed"),
        Figure::stack("stack_buffers_most", Level, |v| &v.buffers_most, "Buffers of 4 KiB"),
        Figure::stack("stack_frames", Level, |v| &v.frames,
            "Packet buffers in use: for packets on their way out"),
        Figure::stack("stack_frames_most", Level, |v| &v.frames_most, "Packet buffers"),
        Figure::stack("stack_reserved_bytes", Level, |v| &v.reserved,
            "Memory reserved for tables and pools, used or not"),
    ]
};
