//! What a shard has asked of the pool and what came back: [`Jobs`].
//!
//! Invariant: nobody asks twice for what is already being found out; everyone who waits for it is
//! told.

use std::collections::HashMap;
use std::sync::Arc;

use base::{ConnId, Instant};
use http::Token;

use super::exchanges::{Exchanges, Fact};
use super::visitor::Visitors;
use crate::cache::Cache;
use crate::coding::Coding;
use crate::counters::Counters;
use crate::disk::OpenError;
use crate::load::Loaded;
use crate::mailbox::{Duty, JobId, Mailbox};
use crate::page::{Body, Page};
use crate::pool::{Queue, Work};

/// What a job found out.
pub(crate) enum Outcome {
    /// What a path names.
    Loaded(Loaded),
    /// A page in another coding; `None` when that is no shorter.
    Coded(Option<Arc<[u8]>>),
    /// What is in a folder.
    Listed(Result<Arc<Page>, OpenError>),
    /// Whether a user belongs to a realm.
    Verified(bool),
}

/// What a job is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To find what is at a path. `known` is the page at hand.
    Load { place: Place, known: Option<Arc<Page>> },
    /// To make a page in another coding.
    Code { place: Place, page: Arc<Page>, coding: Coding },
    /// To list a folder, for one exchange.
    List,
    /// To check a password, for one exchange.
    Verify { generation: u64, realm: u16, digest: [u8; 32] },
}

/// Where a page is: in which content, on which host, at which canonical path.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    pub(super) generation: u64,
    pub(super) host: usize,
    pub(super) path: Box<str>,
}

/// The jobs of one shard.
pub(super) struct Jobs {
    queue: Arc<Queue>,
    mailbox: Arc<Mailbox<Outcome>>,
    counters: Arc<Counters>,
    pending: HashMap<JobId, (Purpose, Vec<Token>)>,
    loading: HashMap<Place, JobId>,
    /// By the page's address, which is not another's as long as the job is pending and holds it.
    coding: HashMap<(usize, Coding), JobId>,
    next: u64,
}

impl Jobs {
    pub(super) fn new(
        queue: Arc<Queue>,
        mailbox: Arc<Mailbox<Outcome>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            queue,
            mailbox,
            counters,
            pending: HashMap::new(),
            loading: HashMap::new(),
            coding: HashMap::new(),
            next: 0,
        }
    }

    /// Whether there is anything to wait for.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// The job that is for the same already, if there is one.
    pub(super) fn under_way(&self, purpose: &Purpose) -> Option<JobId> {
        match purpose {
            Purpose::Load { place, .. } => self.loading.get(place).copied(),
            Purpose::Code { page, coding, .. } => {
                self.coding.get(&(address(page), *coding)).copied()
            }
            Purpose::List | Purpose::Verify { .. } => None,
        }
    }

    /// Has `find` done on the pool. When it cannot give an outcome, `failure` is one. `None` when
    /// the pool has no room for it.
    pub(super) fn post(
        &mut self,
        purpose: Purpose,
        work: Work,
        failure: Outcome,
        find: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Option<JobId> {
        if let Some(job) = self.under_way(&purpose) {
            return Some(job);
        }
        let job = JobId(self.next);
        let duty = Duty::new(&self.mailbox, job, failure);
        // A refused job is dropped unfinished; nobody has heard of its number.
        let refused = self.queue.post(work, Box::new(move || duty.fulfil(find())));
        self.next += 1;
        if refused.is_err() {
            self.counters.refused_jobs.add(1);
            return None;
        }
        match &purpose {
            Purpose::Load { place, .. } => drop(self.loading.insert(place.clone(), job)),
            Purpose::Code { page, coding, .. } => {
                self.coding.insert((address(page), *coding), job);
            }
            Purpose::List | Purpose::Verify { .. } => {}
        }
        self.pending.insert(job, (purpose, Vec::new()));
        Some(job)
    }

    /// Has the exchange told of the job's outcome, and its connection woken then.
    pub(super) fn wait(&mut self, job: JobId, token: Token, id: ConnId) {
        if let Some((_, tokens)) = self.pending.get_mut(&job) {
            tokens.push(token);
        }
        self.mailbox.wait_for(job, id);
    }

    /// Takes in what was found out: keeps it in the shard's memory and tells those who wait.
    pub(super) fn absorb(&mut self, memory: &mut Memory<'_>, exchanges: &mut Exchanges) {
        for (job, outcome) in self.mailbox.take() {
            let Some((purpose, tokens)) = self.pending.remove(&job) else { continue };
            self.forget(&purpose);
            let fact = memory.learn(purpose, outcome);
            for token in tokens {
                exchanges.tell(token, job, &fact);
            }
        }
    }

    fn forget(&mut self, purpose: &Purpose) {
        match purpose {
            Purpose::Load { place, .. } => drop(self.loading.remove(place)),
            Purpose::Code { page, coding, .. } => {
                self.coding.remove(&(address(page), *coding));
            }
            Purpose::List | Purpose::Verify { .. } => {}
        }
    }
}

fn address(page: &Arc<Page>) -> usize {
    Arc::as_ptr(page).addr()
}

/// What a shard remembers beyond one exchange.
pub(super) struct Memory<'a> {
    pub(super) generation: u64,
    pub(super) now: Instant,
    pub(super) cache: &'a mut Cache,
    pub(super) visitors: &'a mut Visitors,
}

impl Memory<'_> {
    /// Keeps what is worth keeping, and makes of it what an exchange is told.
    fn learn(&mut self, purpose: Purpose, outcome: Outcome) -> Fact {
        match (purpose, outcome) {
            (Purpose::Load { place, known }, Outcome::Loaded(loaded)) => {
                let loaded = settled(loaded, known);
                if place.generation == self.generation {
                    self.keep(&place, &loaded);
                }
                Fact::Loaded(place.path, loaded)
            }
            (Purpose::Code { place, page, coding }, Outcome::Coded(bytes)) => {
                page.put(coding, bytes.map(Body::memory));
                if place.generation == self.generation {
                    self.cache.recount(place.host, &place.path, &page);
                }
                Fact::Coded
            }
            (Purpose::List, Outcome::Listed(listing)) => Fact::Listed(listing),
            (Purpose::Verify { generation, realm, digest }, Outcome::Verified(admitted)) => {
                if admitted && generation == self.generation {
                    self.visitors.remember(digest);
                }
                Fact::Verified(realm, admitted)
            }
            // A job's outcome is of its purpose's kind: `post` is called with both together.
            (purpose, _) => unreachable!("a stray outcome for {purpose:?}"),
        }
    }

    fn keep(&mut self, place: &Place, loaded: &Loaded) {
        let Loaded::Page(page) = loaded else {
            return self.cache.remove(place.host, &place.path);
        };
        let held = self.cache.get(place.host, &place.path);
        if held.is_some_and(|(held, _)| Arc::ptr_eq(held, page)) {
            self.cache.confirm(place.host, &place.path, self.now);
        } else {
            self.cache.insert(place.host, &place.path, Arc::clone(page), self.now);
        }
    }
}

/// What was found, where a page was at hand: the same, or rather that than nothing.
fn settled(loaded: Loaded, known: Option<Arc<Page>>) -> Loaded {
    match (loaded, known) {
        (Loaded::Unchanged | Loaded::Nothing(OpenError::Exhausted), Some(page)) => {
            Loaded::Page(page)
        }
        (loaded, _) => loaded,
    }
}
