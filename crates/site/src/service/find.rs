//! What is at a path: known already, at hand, or to be found out by the pool.

use std::sync::Arc;

use http::Request;

use super::SiteService;
use super::answer::{Stop, status};
use super::exchanges::Case;
use super::jobs::{Outcome, Place, Purpose};
use crate::builtin;
use crate::coded;
use crate::coding::Coding;
use crate::content::Tree;
use crate::disk::OpenError;
use crate::listing::{self, View};
use crate::load::{Loaded, Order};
use crate::mailbox::JobId;
use crate::page::Page;
use crate::path::Target;
use crate::pool::Work;

impl SiteService {
    /// What a path names.
    pub(super) fn load(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
        target: &Target,
    ) -> Result<Loaded, Stop> {
        let path = target.canonical();
        if let Some((_, loaded)) = case.loaded.iter().find(|(known, _)| **known == *path) {
            return Ok(loaded.clone());
        }
        let held = self.held(case, &path);
        if let Some((page, age)) = &held
            && !page.is_due(*age)
        {
            return Ok(Loaded::Page(Arc::clone(page)));
        }
        if matches!(case.content.hosts[case.host].tree, Tree::Builtin) {
            return Ok(self.load_builtin(case, &path));
        }
        let place = Place { generation: case.generation, host: case.host, path: path.into() };
        let known = held.as_ref().map(|(page, _)| Arc::clone(page));
        match (self.post_load(case, place, target, known), held) {
            // It is being checked; until it is stale it is good enough.
            (_, Some((page, age))) if !page.is_stale(age) => Ok(Loaded::Page(page)),
            (Some(job), _) => Err(Stop::Wait(job)),
            // Better what was true a moment ago than nothing.
            (None, Some((page, _))) => Ok(Loaded::Page(page)),
            (None, None) => Err(self.busy(case, request)),
        }
    }

    /// The page at hand for a path, and its age.
    fn held(&mut self, case: &Case, path: &str) -> Option<(Arc<Page>, std::time::Duration)> {
        if case.generation != self.generation {
            return None;
        }
        let (page, checked) = self.cache.get(case.host, path)?;
        Some((Arc::clone(page), self.now.since(checked)))
    }

    fn load_builtin(&mut self, case: &Case, path: &str) -> Loaded {
        let content = &case.content;
        let Some(page) = builtin::page(&content.hosts[case.host], &content.compression, path)
        else {
            return Loaded::Nothing(OpenError::NotFound);
        };
        if case.generation == self.generation {
            self.cache.insert(case.host, path, Arc::clone(&page), self.now);
        }
        Loaded::Page(page)
    }

    fn post_load(
        &mut self,
        case: &Case,
        place: Place,
        target: &Target,
        known: Option<Arc<Page>>,
    ) -> Option<JobId> {
        let purpose = Purpose::Load { place, known: known.clone() };
        if let Some(job) = self.jobs.under_way(&purpose) {
            return Some(job);
        }
        self.counters.misses.add(1);
        let order = Order {
            content: Arc::clone(&case.content),
            host: case.host,
            target: target.clone(),
            known: known.and_then(|page| page.stamps.clone()),
            queue: self.site.queue(),
            wake: self.site.wake(),
        };
        let failure = Outcome::Loaded(Loaded::Nothing(OpenError::Failed));
        let find = move || Outcome::Loaded(order.fill());
        self.jobs.post(purpose, Work::Lookup, failure, find)
    }

    /// The listing of a folder.
    pub(super) fn list(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
        target: &Target,
        view: View,
    ) -> Result<Arc<Page>, Stop> {
        if let Some(listing) = &case.listing {
            return match listing.clone() {
                Ok(page) => Ok(page),
                Err(error) => Err(Stop::from(self.error(case, request, status(error))?)),
            };
        }
        let (content, host, target) = (Arc::clone(&case.content), case.host, target.clone());
        let list = move || Outcome::Listed(listing::page(&content, host, &target, view));
        let failure = Outcome::Listed(Err(OpenError::Failed));
        match self.jobs.post(Purpose::List, Work::Compute, failure, list) {
            Some(job) => Err(Stop::Wait(job)),
            None => Err(self.busy(case, request)),
        }
    }

    /// Has a page made in another coding.
    pub(super) fn code(
        &mut self,
        case: &Case,
        path: &str,
        page: &Arc<Page>,
        coding: Coding,
    ) -> Option<JobId> {
        let place = Place { generation: case.generation, host: case.host, path: path.into() };
        let purpose = Purpose::Code { place, page: Arc::clone(page), coding };
        if let Some(job) = self.jobs.under_way(&purpose) {
            return Some(job);
        }
        let (page, coded) = (Arc::clone(page), self.site.coded());
        let code = move || Outcome::Coded(coded::code(&page, coding, &coded));
        self.counters.compressions.add(1);
        self.jobs.post(purpose, Work::Compute, Outcome::Coded(None), code)
    }

    /// The answer when the pool has no room for one more job.
    pub(super) fn busy(&mut self, case: &mut Case, request: &Request<'_>) -> Stop {
        self.error(case, request, 503).map_or_else(|stop| stop, Stop::from)
    }
}
