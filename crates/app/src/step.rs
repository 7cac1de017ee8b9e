//! What a handler answers to every call: [`Step`].

use core::num::NonZeroU32;
use core::time::Duration;

/// What the engine is to do with the connection now. 16 bytes or fewer.
#[must_use = "a step does nothing until the engine gets it"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    consumed: u32,
    next: Next,
    timeout: Option<NonZeroU32>,
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
const NEVER: NonZeroU32 = NonZeroU32::MAX;

impl Step {
    const fn new(consumed: usize, next: Next) -> Self {
        // A slice of received bytes is bounded by `Limits::held_bytes` plus one read buffer.
        debug_assert!(consumed <= u32::MAX as usize);
        Self { consumed: consumed as u32, next, timeout: None }
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
    pub fn within(mut self, span: Duration) -> Self {
        let millis = u32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX - 1);
        self.timeout = NonZeroU32::new(millis.clamp(1, u32::MAX - 1));
        self
    }

    /// Stops the timer.
    pub const fn untimed(mut self) -> Self {
        self.timeout = Some(NEVER);
        self
    }

    /// How many of the bytes offered are done with.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed as usize
    }

    /// What to wait for.
    #[must_use]
    pub const fn next(&self) -> Next {
        self.next
    }

    /// What becomes of the timer.
    #[must_use]
    pub fn timeout(&self) -> Timeout {
        match self.timeout {
            None => Timeout::Keep,
            Some(NEVER) => Timeout::Stop,
            Some(millis) => Timeout::Set(Duration::from_millis(u64::from(millis.get()))),
        }
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
