//! Answers requests from a site's content: [`SiteService`], one for each shard.
//!
//! Invariant: nothing here blocks. What is at hand in the shard's cache is answered at once; for
//! anything else a job is posted to the pool and the exchange waits for its outcome.

mod answer;
mod errors;
mod exchanges;
mod find;
mod jobs;
mod origin;
mod preference;
mod saved;
mod visitor;

use std::sync::Arc;

use base::{ConnId, Instant};
use http::{
    Body, Boundaries, Method, Outcome, Rejection, Reply, Request, Response, Segment, Service, Token,
};

pub(crate) use errors::ErrorPages;
use exchanges::{Case, Exchange, Exchanges, State};
use jobs::{Jobs, Memory};
use preference::Preference;
use rustix::rand::GetRandomFlags;
use saved::SavedRequest;
use visitor::Visitors;

use crate::cache::{Cache, Cost};
use crate::content::Content;
use crate::counters::Counters;
use crate::log::{Pen, Subject};
use crate::mailbox::{JobId, Mailbox};
use crate::shared::Site;

/// Serves a site on one shard.
pub struct SiteService {
    site: Arc<Site>,
    content: Arc<Content>,
    generation: u64,
    cache: Cache,
    exchanges: Exchanges,
    jobs: Jobs,
    visitors: Visitors,
    preference: Preference,
    boundaries: Boundaries,
    counters: Arc<Counters>,
    pen: Option<Pen>,
    /// The time of the last request: recent enough for what is resumed soon after.
    now: Instant,
}

impl SiteService {
    pub(crate) fn new(site: Arc<Site>) -> Self {
        let (content, generation) = site.content();
        let mailbox = Arc::new(Mailbox::new(site.wake()));
        let counters: Arc<Counters> = Arc::default();
        Self {
            cache: Cache::new(budget(&content, &site)),
            content,
            generation,
            exchanges: Exchanges::default(),
            jobs: Jobs::new(site.queue(), mailbox, Arc::clone(&counters)),
            visitors: Visitors::new(random()),
            preference: Preference::default(),
            boundaries: Boundaries::new(random_words()),
            counters,
            pen: site.pen(),
            now: Instant::ZERO,
            site,
        }
    }

    /// What this shard counts.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Takes note of what happened meanwhile: a reload, and outcomes of jobs.
    fn attend(&mut self) {
        if self.site.generation() != self.generation {
            (self.content, self.generation) = self.site.content();
            self.cache = Cache::new(budget(&self.content, &self.site));
            self.visitors.forget();
        }
        if !self.jobs.is_idle() {
            let (cache, visitors) = (&mut self.cache, &mut self.visitors);
            let (generation, now) = (self.generation, self.now);
            let mut memory = Memory { generation, now, cache, visitors };
            self.jobs.absorb(&mut memory, &mut self.exchanges);
            self.counters.cached_pages.set(self.cache.len() as u64);
            self.counters.cached_bytes.set(self.cache.held().bytes);
            self.counters.cached_files.set(u64::from(self.cache.held().files));
        }
    }

    fn case(&self, request: &Request<'_>) -> Case {
        Case {
            content: Arc::clone(&self.content),
            generation: self.generation,
            host: self.content.host(request.host),
            loaded: Vec::new(),
            admitted: Vec::new(),
            user: None,
            failing: false,
            listing: None,
        }
    }

    /// Has the exchange wait for a job.
    fn wait(&mut self, job: JobId, token: Token, kept: Box<(SavedRequest, Case)>) -> Reply {
        let id: ConnId = kept.0.id();
        if let Some(exchange) = self.exchanges.get(token) {
            exchange.state = State::Waiting(job, kept);
        }
        self.jobs.wait(job, token, id);
        Reply::Later(token)
    }
}

/// One shard's part of the memory and descriptors for pages.
fn budget(content: &Content, site: &Site) -> Cost {
    let shards = site.shards();
    Cost {
        bytes: content.cache_bytes / u64::from(shards),
        files: content.open_files / u32::from(shards),
    }
}

/// Random bytes from the operating system.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let rest = &mut bytes[filled..];
        // Fails only when interrupted, once the machine has started.
        filled += rustix::rand::getrandom(rest, GetRandomFlags::empty()).unwrap_or(0);
    }
    bytes
}

fn random_words() -> [u64; 2] {
    [random(), random()].map(u64::from_ne_bytes)
}

/// Whether all of an answer is in memory: it is as good as sent.
fn is_in_memory(body: &Body) -> bool {
    let in_memory = |segment: &Segment| segment.source.memory().is_some();
    match body {
        Body::Empty | Body::Owned(_) | Body::Absent(_) => true,
        Body::One(segment) => in_memory(segment),
        Body::Many(segments) => segments.iter().all(in_memory),
    }
}

fn subject<'a>(request: &'a Request<'a>, user: Option<&'a str>) -> Subject<'a> {
    Subject { origin: Some(request.origin), unix: request.unix, request: Some(request), user }
}

impl SiteService {
    /// Begins the line of an exchange that is logged when it has ended.
    fn note(&mut self, token: Token, saved: &SavedRequest, user: Option<&str>) {
        if let (Some(pen), Some(exchange)) = (&mut self.pen, self.exchanges.get(token)) {
            exchange.entry = Some(saved.with(|request| pen.begin(&subject(request, user))));
        }
    }

    /// Logs an answer that was given at once; one that is still to be read from a file is logged
    /// when it has been sent, for which it gets a token.
    fn logged(&mut self, request: &Request<'_>, user: Option<&str>, response: Response) -> Reply {
        let Some(pen) = &mut self.pen else { return Reply::Now(response) };
        let subject = subject(request, user);
        if is_in_memory(&response.body) {
            let sent = if request.method == Method::Head { 0 } else { response.body.length() };
            pen.write(&subject, response.status, sent);
            self.counters.lost_log_lines.set(pen.lost());
            return Reply::Now(response);
        }
        let entry = Some(pen.begin(&subject));
        let token = self.exchanges.insert(Exchange { state: State::Answered, entry });
        Reply::Now(Response { token: Some(token), ..response })
    }
}

impl Service for SiteService {
    fn call(&mut self, request: &Request<'_>) -> Reply {
        self.now = request.now;
        self.attend();
        if let Some(response) = self.at_hand(request) {
            return self.logged(request, None, response);
        }
        let mut case = self.case(request);
        match self.answer(&mut case, request) {
            Ok(response) => self.logged(request, case.user.as_deref(), response),
            Err(job) => {
                let exchange = Exchange { state: State::Answered, entry: None };
                let token = self.exchanges.insert(exchange);
                self.wait(job, token, Box::new((SavedRequest::of(request), case)))
            }
        }
    }

    fn resume(&mut self, token: Token) -> Reply {
        self.attend();
        let Some(exchange) = self.exchanges.get(token) else {
            return Reply::Now(Response::new(500));
        };
        let mut kept = match std::mem::replace(&mut exchange.state, State::Answered) {
            State::Ready(kept) => kept,
            // A wake that was meant for something else.
            waiting => {
                exchange.state = waiting;
                return Reply::Later(token);
            }
        };
        let (saved, case) = &mut *kept;
        match saved.with(|request| self.answer(case, request)) {
            Ok(response) => {
                self.note(token, saved, case.user.as_deref());
                Reply::Now(Response { token: Some(token), ..response })
            }
            Err(job) => self.wait(job, token, kept),
        }
    }

    fn refuse(&mut self, rejection: &Rejection<'_>) -> Response {
        let response = self.site.error_pages().response(rejection.status());
        if let Some(pen) = &mut self.pen {
            let Rejection { origin, unix, request, .. } = *rejection;
            let subject = Subject { origin, unix, request, user: None };
            pen.write(&subject, rejection.status(), response.body.length());
        }
        response
    }

    fn done(&mut self, token: Token, outcome: &Outcome) {
        let Some(exchange) = self.exchanges.remove(token) else { return };
        let Some(pen) = &mut self.pen else { return };
        match (exchange.entry, exchange.state) {
            (Some(entry), _) => pen.finish(&entry, outcome),
            // The connection ended while it was waiting.
            (None, State::Waiting(_, kept) | State::Ready(kept)) => {
                let entry = kept.0.with(|request| pen.begin(&subject(request, None)));
                pen.finish(&entry, outcome);
            }
            (None, State::Answered) => {}
        }
        self.counters.lost_log_lines.set(pen.lost());
    }
}

#[cfg(test)]
mod tests;
