//! Answers that every shard has a part in: [`Gatherings`]. Invariant: a shard shows a bounded number of
//! connections between two turns, and no thread waits for one; an answer is written by the thread that
//! was asked, when the last shard has let go of its part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crore::http::{Reply, Response, Token};
use crore::{ConnId, Control, Seen, Wake};

/// Answers that are being made.
#[derive(Default)]
pub struct Gatherings {
    next: u32,
    under_way: HashMap<u32, Finish>,
}

/// Gives the answer when it is complete.
type Finish = Box<dyn Fn() -> Option<Response>>;

/// Who asks whom.
pub struct Question<'a> {
    pub control: &'a Control,
    /// The connection that waits for the answer.
    pub id: ConnId,
    pub wake: &'a Arc<dyn Wake>,
}

/// How an answer is made of what shards show.
pub struct Manner<P> {
    /// Adds a connection to a shard's part, and says whether more are wanted.
    pub see: fn(&mut P, &Seen) -> bool,
    /// Writes the answer; the parts are in the order of the shards.
    pub write: fn(Vec<P>) -> Response,
}

/// What the shards have shown.
struct Parts<P> {
    shown: Vec<Option<P>>,
    /// Shards that have not shown all yet.
    missing: usize,
}

/// One shard's part, which is handed in when it is dropped.
struct Part<P> {
    part: Option<P>,
    shard: usize,
    parts: Arc<Mutex<Parts<P>>>,
    wake: Arc<dyn Wake>,
    id: ConnId,
}

impl Gatherings {
    /// Begins to make an answer; `make` makes each shard's part.
    pub fn begin<P: Send + 'static>(
        &mut self,
        question: &Question<'_>,
        make: impl FnMut() -> P,
        manner: Manner<P>,
    ) -> Reply {
        let Question { control, id, wake } = *question;
        let made: Vec<P> = std::iter::repeat_with(make).take(control.shards()).collect();
        let (token, parts) = self.open(made, (id, wake), manner.write);
        let mut parts = parts.into_iter();
        control.survey(|| {
            let mut held = parts.next();
            Box::new(move |seen: &Seen| {
                let part = held.as_mut().and_then(|held| held.part.as_mut());
                part.is_some_and(|part| (manner.see)(part, seen))
            })
        });
        Reply::Later(token)
    }

    /// An answer of which these are the parts.
    fn open<P: Send + 'static>(
        &mut self,
        made: Vec<P>,
        (id, wake): (ConnId, &Arc<dyn Wake>),
        write: fn(Vec<P>) -> Response,
    ) -> (Token, Vec<Part<P>>) {
        let shown = made.iter().map(|_| None).collect();
        let parts = Arc::new(Mutex::new(Parts { shown, missing: made.len() }));
        let held = made.into_iter().enumerate().map(|(shard, part)| {
            let (parts, wake) = (Arc::clone(&parts), Arc::clone(wake));
            Part { part: Some(part), shard, parts, wake, id }
        });
        let held = held.collect();
        self.next = self.next.wrapping_add(1);
        let finish = move || {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = (parts.missing == 0).then(|| std::mem::take(&mut parts.shown))?;
            drop(parts);
            Some(write(shown.into_iter().flatten().collect()))
        };
        self.under_way.insert(self.next, Box::new(finish));
        (Token(self.next), held)
    }

    /// The answer, if it is complete.
    pub fn resume(&mut self, token: Token) -> Reply {
        let Some(finish) = self.under_way.get(&token.0) else {
            return Reply::Now(Response::new(500));
        };
        let Some(response) = finish() else { return Reply::Later(token) };
        self.forget(token);
        Reply::Now(response)
    }

    /// Nobody waits for it any more.
    pub fn forget(&mut self, token: Token) {
        self.under_way.remove(&token.0);
    }
}

impl<P> Drop for Part<P> {
    fn drop(&mut self) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = parts.shown.get_mut(self.shard) {
            *place = self.part.take();
        }
        parts.missing -= 1;
        if parts.missing == 0 {
            drop(parts);
            self.wake.wake(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use crore::http::{Reply, Response, Token};
    use crore::{ConnId, Wake};

    use super::Gatherings;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(&self, _: ConnId) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The body's length tells the parts and their order.
    fn write(parts: Vec<u32>) -> Response {
        let number = parts.iter().fold(0, |number, part| number * 10 + part);
        Response::text(200, "x".repeat(number as usize))
    }

    fn length(reply: Reply) -> Option<u64> {
        match reply {
            Reply::Now(response) if response.status == 200 => Some(response.body.length()),
            Reply::Later(_) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_complete_with_the_last_part_and_in_the_order_of_the_shards() {
        let woken = Arc::new(Woken::default());
        let wake: Arc<dyn Wake> = Arc::clone(&woken) as _;
        let mut gatherings = Gatherings::default();
        let id = ConnId::new(0, 1, 0);
        let (token, mut parts) = gatherings.open(vec![1, 2, 3], (id, &wake), write);
        let (other, rest) = gatherings.open(vec![7], (id, &wake), write);
        parts.swap(0, 2);
        for part in parts {
            assert_eq!(
                (length(gatherings.resume(token)), woken.0.load(Ordering::Relaxed)),
                (None, 0)
            );
            drop(part);
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(length(gatherings.resume(token)), Some(123));
        // Whoever asks again, or for one that was given up, is told that there is none.
        gatherings.forget(other);
        drop(rest);
        for token in [token, other, Token(99)] {
            assert!(matches!(gatherings.resume(token), Reply::Now(Response { status: 500, .. })));
        }
        assert!(gatherings.under_way.is_empty());
    }
}
