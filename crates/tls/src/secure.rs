//! The handler around a handler: [`Secure`]. Invariant: each `open` of the engine's becomes one `open`
//! or one `undialled` of the handler within, and each `end` after an `open` one `end`.

use std::fmt;
use std::sync::Arc;

use app::{Cx, Dial, DialError, End, Handler, Next, Out, Step, Timeout};
use base::Instant;
use rustls::Error;

use crate::session::{Session, Stage};
use crate::{Client, Reasons};

/// The most that the handler within puts out in one call: what one record holds.
const CLEAR: usize = 16 * 1024;

/// Where a connection's session is in the table.
#[derive(Clone, Copy, Debug)]
pub struct Conn(u32);

impl Default for Conn {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// A handler whose connections are made secure.
pub struct Secure<H: Handler> {
    within: H,
    client: Client,
    reasons: Arc<Reasons>,
    sessions: Vec<Option<Session<H::Conn>>>,
    vacant: Vec<u32>,
    scratch: Scratch,
}

/// Buffers for whichever connection has its turn.
struct Scratch {
    incoming: Vec<u8>,
    plain: Vec<u8>,
    clear: Box<[u8]>,
}

/// A call of the handler within.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Open,
    Data,
    Room,
    Wake,
    Timer,
    Drain,
}

impl<H: Handler> Secure<H> {
    /// Has all connections of a handler made secure. The first thing that goes wrong with that is
    /// told to `reasons`.
    #[must_use]
    pub fn new(within: H, client: Client, reasons: Arc<Reasons>) -> Self {
        let scratch = Scratch {
            incoming: Vec::new(),
            plain: Vec::new(),
            clear: vec![0; CLEAR].into_boxed_slice(),
        };
        Self { within, client, reasons, sessions: Vec::new(), vacant: Vec::new(), scratch }
    }

    /// For tests: the handler within.
    #[cfg(test)]
    pub(crate) const fn within(&mut self) -> &mut H {
        &mut self.within
    }

    /// For tests: bytes of buffers that connections hold.
    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.sessions.iter().flatten().map(Session::buffered).sum()
    }

    fn session(&mut self, conn: Conn) -> Option<&mut Session<H::Conn>> {
        self.sessions.get_mut(conn.0 as usize)?.as_mut()
    }

    fn insert(&mut self, session: Session<H::Conn>) -> Conn {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            // An engine has fewer records than this.
            (self.sessions.len() - 1) as u32
        });
        self.sessions[index as usize] = Some(session);
        Conn(index)
    }

    fn remove(&mut self, conn: Conn) -> Option<Session<H::Conn>> {
        let session = self.sessions.get_mut(conn.0 as usize)?.take()?;
        self.vacant.push(conn.0);
        Some(session)
    }

    /// Calls the handler within, and does what comes of it. `consumed` is what the engine is told.
    fn call(&mut self, cx: &mut Cx<'_, Conn>, call: Call, consumed: usize) -> Step {
        let Self { within, sessions, scratch, .. } = self;
        let place = cx.conn.0 as usize;
        let Some(Some(session)) = sessions.get_mut(place) else { return Step::abort() };
        let mut call = call;
        let mut timeout = Timeout::Keep;
        loop {
            let (step, done) = exchange(within, session, scratch, cx, call);
            if done.is_err() || step.next() == Next::Abort {
                return Step::abort();
            }
            if step.timeout() != Timeout::Keep {
                timeout = step.timeout();
            }
            if step.next() != Next::Stay {
                session.last = step.next();
                session.offer = call != Call::Data;
            }
            let reads = matches!(session.last, Next::Read | Next::Idle);
            if reads && session.offer && !session.plain.is_empty() && !session.is_pending() {
                session.offer = false;
                call = Call::Data;
                continue;
            }
            // The engine does not know that nothing more comes.
            if reads && call == Call::Data && session.peer_closed {
                session.last = Next::Close;
            }
            let ends = matches!(session.last, Next::Close | Next::Finish);
            if ends && session.send_notice(&mut cx.out).is_err() {
                return Step::abort();
            }
            let stays = step.next() == Next::Stay && call != Call::Data && !session.is_pending();
            let step = if stays { Step::stay() } else { next(session, consumed) };
            return match timeout {
                Timeout::Keep => step,
                Timeout::Stop => step.untimed(),
                Timeout::Set(span) => step.within(span),
            };
        }
    }

    /// The connection cannot be made secure.
    fn fail(&mut self, cx: &mut Cx<'_, Conn>, why: DialError, error: &Error) -> Step {
        self.reasons.add(|| error.to_string());
        let Some(session) = self.session(*cx.conn) else { return Step::abort() };
        session.stage = Stage::Failed(why);
        session.alert(&mut cx.out);
        Step::close()
    }

    /// Something is wrong with what came.
    fn broken(&mut self, cx: &mut Cx<'_, Conn>, error: &Error) -> Step {
        match self.session(*cx.conn).map(|session| session.stage) {
            Some(Stage::Handshake) => {
                let why = match error {
                    Error::InvalidCertificate(_) => DialError::Certificate,
                    _ => DialError::Handshake,
                };
                self.fail(cx, why, error)
            }
            _ => {
                self.reasons.add(|| error.to_string());
                Step::abort()
            }
        }
    }

    /// What is to be done at a stage where bytes have just come or gone.
    fn proceed(&mut self, cx: &mut Cx<'_, Conn>, call: Call, consumed: usize) -> Step {
        let Some(session) = self.session(*cx.conn) else { return Step::abort() };
        match session.stage {
            _ if session.is_pending() => Step::write(consumed),
            Stage::Secure => {
                session.stage = Stage::Open;
                let ended = cx.input_ended || session.peer_closed;
                // The time limit of the handshake ends, unless the handler sets another.
                let step = self.call(cx, Call::Open, consumed);
                let step = if ended && matches!(step.next(), Next::Read | Next::Idle) {
                    self.call(cx, Call::Data, consumed)
                } else {
                    step
                };
                if step.timeout() == Timeout::Keep { step.untimed() } else { step }
            }
            Stage::Open => match call {
                Call::Room if session.last == Next::Write => self.call(cx, call, consumed),
                Call::Data => {
                    let ended = cx.input_ended || session.peer_closed;
                    if session.plain.is_empty() && !ended {
                        // It was all for TLS itself.
                        return next(session, consumed);
                    }
                    self.call(cx, call, consumed)
                }
                _ if session.offer && !session.plain.is_empty() => {
                    session.offer = false;
                    self.call(cx, Call::Data, consumed)
                }
                _ => next(session, consumed),
            },
            Stage::Handshake if cx.input_ended => {
                let error = Error::General("the server closed within the handshake".into());
                self.fail(cx, DialError::Handshake, &error)
            }
            Stage::Dialled | Stage::Handshake => Step::read(consumed),
            Stage::Failed(_) => Step::close(),
        }
    }
}

/// One call of the handler within: with the bytes that it has not consumed, and room of its own.
fn exchange<H: Handler>(
    within: &mut H,
    session: &mut Session<H::Conn>,
    scratch: &mut Scratch,
    cx: &mut Cx<'_, Conn>,
    call: Call,
) -> (Step, Result<(), Error>) {
    // While output is leaving there is no room, as without TLS; what is sealed into less than it
    // takes waits in the session.
    let has_room = cx.unsent == 0 && !session.is_pending();
    let out = if has_room { Out::new(&mut scratch.clear, true) } else { Out::closed() };
    let mut inner = Cx {
        id: cx.id,
        now: cx.now,
        origin: cx.origin,
        input_ended: cx.input_ended || session.peer_closed,
        unsent: cx.unsent + session.pending(),
        conn: &mut session.conn,
        out,
    };
    let step = match call {
        Call::Open => within.open(&mut inner),
        Call::Data => within.data(&mut inner, &session.plain),
        Call::Room => within.room(&mut inner),
        Call::Wake => within.wake(&mut inner),
        Call::Timer => within.timer(&mut inner),
        Call::Drain => within.drain(&mut inner),
    };
    let (filled, attachment) = (inner.out.filled(), inner.out.take_attachment());
    if call == Call::Data {
        let consumed = step.consumed().min(session.plain.len());
        // What is left over is kept in as much as it takes; the large buffer is everyone's.
        let rest = session.plain[consumed..].to_vec();
        let mut used = std::mem::replace(&mut session.plain, rest);
        if used.capacity() > scratch.plain.capacity() {
            used.clear();
            scratch.plain = used;
        }
    }
    let sent = session.send(&scratch.clear[..filled], &mut cx.out);
    let sent = match attachment {
        Some(attachment) => sent.and_then(|()| session.attach(attachment, &mut cx.out)),
        None => sent,
    };
    (step, sent)
}

/// What the engine is to do for the handler within.
fn next<C>(session: &Session<C>, consumed: usize) -> Step {
    if session.is_pending() {
        return Step::write(consumed);
    }
    match session.last {
        Next::Read | Next::Stay => Step::read(consumed),
        Next::Idle => Step::idle(consumed),
        Next::Write => Step::write(consumed),
        Next::Wait => Step::wait(consumed),
        Next::Close => Step::close(),
        Next::Finish => Step::finish(),
        Next::Abort => Step::abort(),
    }
}

impl<H: Handler> Handler for Secure<H> {
    type Conn = Conn;

    fn open(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let client = self.client.clone();
        let Some(session) = self.session(*cx.conn) else { return Step::abort() };
        let within = session.within;
        match session.begin(&client, &mut cx.out) {
            Ok(()) => self.proceed(cx, Call::Open, 0).within(within),
            Err(error) => self.fail(cx, DialError::Handshake, &error),
        }
    }

    fn data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
        let Self { sessions, scratch, .. } = self;
        let place = cx.conn.0 as usize;
        let Some(Some(session)) = sessions.get_mut(place) else { return Step::abort() };
        if session.plain.is_empty() {
            std::mem::swap(&mut session.plain, &mut scratch.plain);
        }
        let received = session.receive(rx, &mut scratch.incoming, &mut cx.out);
        if session.plain.is_empty() {
            std::mem::swap(&mut session.plain, &mut scratch.plain);
        }
        match received {
            Ok(()) => self.proceed(cx, Call::Data, rx.len()),
            Err(error) => self.broken(cx, &error),
        }
    }

    fn room(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let Some(session) = self.session(*cx.conn) else { return Step::abort() };
        match session.flush(&mut cx.out) {
            Ok(()) => self.proceed(cx, Call::Room, 0),
            Err(error) => self.broken(cx, &error),
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        match self.session(*cx.conn).map(|session| session.stage) {
            Some(Stage::Open) => self.call(cx, Call::Wake, 0),
            _ => Step::stay(),
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let Some(session) = self.session(*cx.conn) else { return Step::abort() };
        if session.stage == Stage::Open {
            return self.call(cx, Call::Timer, 0);
        }
        if !matches!(session.stage, Stage::Failed(_)) {
            session.stage = Stage::Failed(DialError::TimedOut);
        }
        Step::abort()
    }

    fn drain(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let Some(session) = self.session(*cx.conn) else { return Step::abort() };
        if session.stage == Stage::Open {
            return self.call(cx, Call::Drain, 0);
        }
        session.stage = Stage::Failed(DialError::Shutdown);
        Step::abort()
    }

    fn end(&mut self, cx: &mut Cx<'_, Conn>, why: End) {
        let Some(mut session) = self.remove(*cx.conn) else { return };
        let failed = match (session.stage, why) {
            (Stage::Open, _) => None,
            (Stage::Failed(why), _) => Some(why),
            (_, End::Shutdown) => Some(DialError::Shutdown),
            _ => {
                self.reasons.add(|| "the server closed within the handshake".into());
                Some(DialError::Handshake)
            }
        };
        if let Some(why) = failed {
            return self.within.undialled(cx.now, session.conn, why);
        }
        let mut inner = Cx {
            id: cx.id,
            now: cx.now,
            origin: cx.origin,
            input_ended: cx.input_ended,
            unsent: cx.unsent,
            conn: &mut session.conn,
            out: Out::closed(),
        };
        self.within.end(&mut inner, why);
    }

    fn dial(&mut self, now: Instant) -> Option<Dial<Conn>> {
        let Dial { to, from, within, conn } = self.within.dial(now)?;
        let conn = self.insert(Session::new(conn, within));
        Some(Dial { to, from, within, conn })
    }

    fn dial_at(&self) -> Option<Instant> {
        self.within.dial_at()
    }

    fn undialled(&mut self, now: Instant, conn: Conn, why: DialError) {
        if let Some(session) = self.remove(conn) {
            self.within.undialled(now, session.conn, why);
        }
    }
}

impl<H: Handler> fmt::Debug for Secure<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure")
            .field("sessions", &(self.sessions.len() - self.vacant.len()))
            .finish_non_exhaustive()
    }
}
