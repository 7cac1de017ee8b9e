//! What one handler counts: [`Counters`]. Invariant: the handler's thread alone writes them.

use app::Counter;

use crate::Reason;

/// What one [`Http`](crate::Http) counts, for metrics and the status page.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests whose head was read and given to the service.
    pub requests: Counter,
    /// Answers by class of status, from 1xx on: `responses[1]` are those of 2xx.
    pub responses: [Counter; 5],
    /// Requests and connections refused by the protocol itself; see [`Counters::refused`].
    refusals: [Counter; Reason::ALL.len()],
    /// Exchanges under way that did not finish within one call.
    pub exchanges: Counter,
    /// Bytes of request bodies read, in whatever framing.
    pub body_bytes_in: Counter,
    /// Bytes of header handed to the engine.
    pub header_bytes_out: Counter,
    /// Bytes of body handed to the engine, counted when the exchange is over.
    pub body_bytes_out: Counter,
    /// Connections dropped because the peer took an answer too slowly.
    pub slow_readers: Counter,
    /// Connections closed because nothing came for as long as they may rest.
    pub idle_closed: Counter,
    /// Answers cut off because a file had become shorter or could not be read.
    pub short_bodies: Counter,
}

impl Counters {
    /// How many were refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refusals[reason as usize].get()
    }

    pub(crate) fn count_refusal(&self, reason: Reason) {
        self.refusals[reason as usize].add(1);
    }

    pub(crate) fn count_response(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, self.responses.len());
        self.responses[class - 1].add(1);
    }
}
