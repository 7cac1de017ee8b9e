//! The exchanges of one shard that did not end within one call: [`Exchanges`].

use std::sync::Arc;

use http::Token;

use super::saved::SavedRequest;
use crate::content::Content;
use crate::disk::OpenError;
use crate::load::Loaded;
use crate::log::Entry;
use crate::mailbox::JobId;
use crate::page::Page;

/// What has been found out for one request so far. Each fact is found out once, so that an answer
/// that waits for one after the other comes to an end.
#[derive(Debug)]
pub(super) struct Case {
    /// The content that was served when the request came.
    pub(super) content: Arc<Content>,
    pub(super) generation: u64,
    pub(super) host: usize,
    /// By canonical path.
    pub(super) loaded: Vec<(Box<str>, Loaded)>,
    /// Whether the request's user belongs to a realm.
    pub(super) admitted: Vec<(u16, bool)>,
    /// Who it is, once a password was asked for and right.
    pub(super) user: Option<String>,
    /// Whether the page for an error is being looked for: an error there gets the plain page.
    pub(super) failing: bool,
    /// The folder's listing.
    pub(super) listing: Option<Result<Arc<Page>, OpenError>>,
}

/// What a job has found out.
#[derive(Debug)]
pub(super) enum Fact {
    /// What is at a canonical path.
    Loaded(Box<str>, Loaded),
    /// What is in the folder.
    Listed(Result<Arc<Page>, OpenError>),
    /// A page's other coding is there, or it is known that there is none.
    Coded,
    /// Whether the request's user belongs to a realm.
    Verified(u16, bool),
}

/// An exchange that is waiting for a fact, or for its answer to be sent.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) state: State,
    /// The line to write when it has ended.
    pub(super) entry: Option<Entry>,
}

/// How far an exchange is.
#[derive(Debug)]
pub(super) enum State {
    /// It waits for this job.
    Waiting(JobId, Box<(SavedRequest, Case)>),
    /// What it waited for is there.
    Ready(Box<(SavedRequest, Case)>),
    /// Its answer is being sent.
    Answered,
}

/// The table; a [`Token`] is an index into it.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    slots: Vec<Option<Exchange>>,
    vacant: Vec<u32>,
}

impl Exchanges {
    pub(super) fn insert(&mut self, exchange: Exchange) -> Token {
        if let Some(index) = self.vacant.pop() {
            self.slots[index as usize] = Some(exchange);
            return Token(index);
        }
        self.slots.push(Some(exchange));
        // One exchange a connection, and connections are numbered by 32 bits.
        Token(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn get(&mut self, token: Token) -> Option<&mut Exchange> {
        self.slots.get_mut(token.0 as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<Exchange> {
        let exchange = self.slots.get_mut(token.0 as usize)?.take();
        if exchange.is_some() {
            self.vacant.push(token.0);
        }
        exchange
    }

    /// Tells the exchange what `job` found out, if that is what it waits for.
    pub(super) fn tell(&mut self, token: Token, job: JobId, fact: &Fact) {
        let Some(exchange) = self.get(token) else { return };
        match std::mem::replace(&mut exchange.state, State::Answered) {
            State::Waiting(waited, mut kept) if waited == job => {
                kept.1.learn(fact);
                exchange.state = State::Ready(kept);
            }
            other => exchange.state = other,
        }
    }
}

impl Case {
    fn learn(&mut self, fact: &Fact) {
        match fact {
            Fact::Loaded(path, loaded) => self.loaded.push((path.clone(), loaded.clone())),
            Fact::Listed(listing) => self.listing = Some(listing.clone()),
            Fact::Verified(realm, admitted) => self.admitted.push((*realm, *admitted)),
            // The page itself has it.
            Fact::Coded => {}
        }
    }
}
