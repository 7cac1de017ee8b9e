//! What a handler answers to every call: [`Step`].

use core::fmt;
use core::num::{NonZeroU32, NonZeroU64};
use core::time::Duration;

/// What the engine is to do with the connection now. 16 bytes.
///
/// Every call of every handler returns one, and most `Option`s of one on the way. As two words it is
/// in two registers all the way. As three fields it would be put into memory piece by piece and read
/// back whole, which a processor cannot do before the pieces have left it.
#[must_use = "a step does nothing until the engine gets it"]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Step {
    consumed: usize,
    /// What comes next, by its number plus one, and above that the timeout in milliseconds: 0 to leave
    /// it as it is.
    rest: NonZeroU64,
}

/// What the connection waits for next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// More bytes from the peer.
    Read,
    /// More bytes from the peer, and nothing is owed to it: the connection may be closed at any
    /// moment without loss. Only a connection that said this is evicted, or closed unasked when
    /// the engine drains.
    Idle,
    /// Room for more output: [`Handler::room`](crate::Handler::room).
    Write,
    /// A wake or the timer; meanwhile nothing is read.
    Wait,
    /// Whatever the step before this one said.
    Stay,
    /// Send what was put out, then close in order: what the peer still sends is thrown away for a
    /// while, so that it does not lose what it has not read yet.
    Close,
    /// As [`Next::Close`], but without that while: the peer has said that it sends nothing more.
    Finish,
    /// Drop the connection at once; the peer sees a reset.
    Abort,
}

/// The timeout value that means that the timer is stopped.
const NEVER: u32 = u32::MAX;
/// Where the timeout is in a step's second word.
const TIMEOUT_SHIFT: u32 = 32;

impl Next {
    /// All of them, each at its number.
    const ALL: [Self; 8] = [
        Self::Read,
        Self::Idle,
        Self::Write,
        Self::Wait,
        Self::Stay,
        Self::Close,
        Self::Finish,
        Self::Abort,
    ];
}

impl Step {
    #[inline]
    const fn new(consumed: usize, next: Next) -> Self {
        Self { consumed, rest: NonZeroU64::MIN.saturating_add(next as u64) }
    }

    /// With this timeout in place of any before.
    #[inline]
    const fn with_timeout(mut self, millis: NonZeroU32) -> Self {
        let next = self.rest.get() as u32 as u64;
        if let Some(rest) = NonZeroU64::new(next | (millis.get() as u64) << TIMEOUT_SHIFT) {
            self.rest = rest;
        }
        self
    }

    /// `consumed` bytes are done with; wait for more. Something is owed or expected.
    pub const fn read(consumed: usize) -> Self {
        Self::new(consumed, Next::Read)
    }

    /// `consumed` bytes are done with; wait for more, and nothing is owed meanwhile.
    pub const fn idle(consumed: usize) -> Self {
        Self::new(consumed, Next::Idle)
    }

    /// `consumed` bytes are done with; call `room` when what was put out has been taken.
    pub const fn write(consumed: usize) -> Self {
        Self::new(consumed, Next::Write)
    }

    /// `consumed` bytes are done with; wait for a wake or the timer.
    pub const fn wait(consumed: usize) -> Self {
        Self::new(consumed, Next::Wait)
    }

    /// Go on as before.
    pub const fn stay() -> Self {
        Self::new(0, Next::Stay)
    }

    /// Send what was put out, then close.
    pub const fn close() -> Self {
        Self::new(0, Next::Close)
    }

    /// Send what was put out, then close at once, because the peer has said that it sends nothing
    /// more.
    pub const fn finish() -> Self {
        Self::new(0, Next::Finish)
    }

    /// Drop the connection at once.
    pub const fn abort() -> Self {
        Self::new(0, Next::Abort)
    }

    /// Calls [`Handler::timer`](crate::Handler::timer) when `span` has passed from now, instead of
    /// whenever it was to be called before. Rounded up to whole milliseconds, at most 49 days; a
    /// zero `span` counts as one millisecond. Without this (or [`Step::untimed`]) a step leaves
    /// the timer as it is.
    pub fn within(self, span: Duration) -> Self {
        let millis = u32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER - 1);
        self.with_timeout(NonZeroU32::new(millis.min(NEVER - 1)).unwrap_or(NonZeroU32::MIN))
    }

    /// Stops the timer.
    pub const fn untimed(self) -> Self {
        self.with_timeout(NonZeroU32::MAX)
    }

    /// How many of the bytes offered are done with.
    #[must_use]
    #[inline]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// What to wait for.
    #[must_use]
    #[inline]
    pub const fn next(&self) -> Next {
        // Never more than there are.
        Next::ALL[(self.rest.get() - 1) as usize % Next::ALL.len()]
    }

    /// What becomes of the timer.
    #[must_use]
    #[inline]
    pub const fn timeout(&self) -> Timeout {
        match (self.rest.get() >> TIMEOUT_SHIFT) as u32 {
            0 => Timeout::Keep,
            NEVER => Timeout::Stop,
            millis => Timeout::Set(Duration::from_millis(millis as u64)),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("consumed", &self.consumed())
            .field("next", &self.next())
            .field("timeout", &self.timeout())
            .finish()
    }
}

/// What a step does with the connection's timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeout {
    /// Leaves it as it is.
    Keep,
    /// Stops it.
    Stop,
    /// Starts it anew, to run out after this long.
    Set(Duration),
}
