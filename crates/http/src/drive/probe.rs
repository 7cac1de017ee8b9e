//! A service that answers in every way there is, by path, and keeps account of what it handed out:
//! [`Probe`].

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use app::{FileSource, Prepared, ShortSource, Source};
use base::ConnId;

use crate::{
    Body, HeaderBlock, Method, Outcome, Reason, Rejection, Reply, Request, Response, Segment,
    Service, Token,
};

/// Most bytes of body that `/collect` takes.
pub const COLLECT_LIMIT: u64 = 10_000;

/// Answers by the first segment of the path; a number after it says how much.
///
/// | path | answer |
/// | --- | --- |
/// | `/owned/N`, `/memory/N`, `/file/N` | N bytes from there |
/// | `/many/N` | segments of all kinds, N bytes each |
/// | `/short/N` | a file that ends before its N bytes do |
/// | `/later/N` | after N wakes that bring nothing |
/// | `/collect`, `/collect-later` | the request's body back |
/// | `/head/N` | N bytes of header |
/// | `/status/N` | that status and no content |
/// | `/close` | an answer that closes |
///
/// Every answer has a `Sum` line with the sum of its content's bytes. A query asks for
/// [`Service::done`].
#[derive(Debug, Default)]
pub struct Probe {
    /// For each answer to come: whether its request is HEAD.
    pub heads: Vec<bool>,
    /// How every exchange that was handed a token ended.
    pub outcomes: Vec<Outcome>,
    /// Whether a wake is wanted by somebody.
    wake: Arc<AtomicBool>,
    open: BTreeMap<u32, Job>,
    next_token: u32,
}

#[derive(Debug, Default)]
struct Job {
    later: u64,
    collected: Vec<u8>,
    echoes: bool,
}

impl Probe {
    /// Whether a wake is wanted; asking takes it.
    pub fn takes_wake(&self) -> bool {
        self.wake.swap(false, Ordering::Relaxed)
    }

    /// Exchanges that were handed a token and are not done.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn token(&mut self, job: Job) -> Token {
        self.next_token += 1;
        self.open.insert(self.next_token, job);
        Token(self.next_token)
    }

    fn later(&mut self, token: Token) -> Reply {
        self.wake.store(true, Ordering::Relaxed);
        Reply::Later(token)
    }

    fn answer(&self, kind: &str, number: u64) -> Response {
        let length = number.min(1 << 20);
        match kind {
            "owned" => summed(200, Body::Owned(pattern(length)), sum(length)),
            "memory" => summed(200, Body::One(memory(length)), sum(length)),
            "file" => summed(200, Body::One(self.file(length, length)), sum(length)),
            "short" => summed(200, Body::One(self.file(length, length / 2)), sum(length)),
            "many" => {
                let segments =
                    vec![memory(length), self.file(length, length), memory(0), memory(length)];
                summed(200, Body::Many(segments), 3 * sum(length))
            }
            "head" => {
                let mut response = summed(200, Body::One(memory(3)), sum(3));
                let line = format!("Long: {}\r\n", "x".repeat(length as usize));
                let lines = [response.headers.bytes(), line.as_bytes()].concat();
                response.headers = HeaderBlock::Shared(lines.into());
                response
            }
            "status" => Response::new(number as u16),
            "close" => Response { close: true, ..summed(200, Body::Empty, 0) },
            _ => Response::text(404, "no such thing"),
        }
    }

    fn file(&self, length: u64, real: u64) -> Segment {
        let file =
            PatternFile { length: real, asked: AtomicU64::new(0), wake: Arc::clone(&self.wake) };
        Segment { source: Source::File(Arc::new(file)), offset: 0, length }
    }
}

impl Service for Probe {
    fn call(&mut self, request: &Request<'_>) -> Reply {
        self.heads.push(request.method == Method::Head);
        let mut parts = request.path.trim_start_matches('/').split('/');
        let kind = parts.next().unwrap_or_default();
        let number = parts.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        match kind {
            "later" => {
                let token = self.token(Job { later: number.min(10), ..Job::default() });
                self.later(token)
            }
            "collect" | "collect-later" => {
                let later = u64::from(kind == "collect-later");
                let token = self.token(Job { later, echoes: true, ..Job::default() });
                Reply::Collect { token, limit: COLLECT_LIMIT }
            }
            _ => {
                let token = request.query.map(|_| self.token(Job::default()));
                Reply::Now(Response { token, ..self.answer(kind, number) })
            }
        }
    }

    fn collect(&mut self, token: Token, piece: &[u8]) {
        assert!(!piece.is_empty(), "an empty piece");
        let job = self.open.get_mut(&token.0).expect("a piece for a token that is not open");
        job.collected.extend_from_slice(piece);
        assert!(job.collected.len() as u64 <= COLLECT_LIMIT, "more than the limit");
    }

    fn resume(&mut self, token: Token) -> Reply {
        let job = self.open.get_mut(&token.0).expect("resumed a token that is not open");
        if job.later > 0 {
            job.later -= 1;
            return self.later(token);
        }
        let content = core::mem::take(&mut job.collected);
        let total = content.iter().map(|&byte| u64::from(byte)).sum();
        let body = if job.echoes { Body::Owned(content) } else { Body::Empty };
        Reply::Now(Response { token: Some(token), ..summed(200, body, total) })
    }

    fn refuse(&mut self, rejection: &Rejection<'_>) -> Response {
        // One that was called is counted already.
        if let Some(request) = rejection.request
            && rejection.reason != Reason::Exchanges
        {
            self.heads.push(request.method == Method::Head);
        }
        Response::text(rejection.status(), String::from(rejection.reason.name()))
    }

    fn done(&mut self, token: Token, outcome: &Outcome) {
        assert!(self.open.remove(&token.0).is_some(), "done twice");
        self.outcomes.push(*outcome);
    }
}

fn summed(status: u16, body: Body, sum: u64) -> Response {
    let headers = HeaderBlock::Owned(format!("Sum: {sum}\r\n").into_bytes());
    Response { headers, body, ..Response::new(status) }
}

/// What all contents repeat. Copied in blocks, because instrumented builds count every loop.
const BLOCK: [u8; 1_000] = {
    let mut block = [0; 1_000];
    let mut index = 0;
    while index < block.len() {
        block[index] = b'a' + (index % 25) as u8;
        index += 1;
    }
    block
};

fn pattern(length: u64) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    fill(&mut bytes, 0);
    bytes
}

/// Fills `bytes` with what the pattern has from `offset` on.
fn fill(bytes: &mut [u8], offset: u64) {
    let mut at = (offset % BLOCK.len() as u64) as usize;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rest.len().min(BLOCK.len() - at);
        let (now, later) = rest.split_at_mut(count);
        now.copy_from_slice(&BLOCK[at..at + count]);
        rest = later;
        at = 0;
    }
}

fn sum(length: u64) -> u64 {
    let of = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let block = BLOCK.len() as u64;
    length / block * of(&BLOCK) + of(&BLOCK[..(length % block) as usize])
}

fn memory(length: u64) -> Segment {
    Segment { source: Source::Memory(pattern(length).into()), offset: 0, length }
}

/// A file of a pattern. Every second time it is asked it has to read from its disk first.
struct PatternFile {
    length: u64,
    asked: AtomicU64,
    wake: Arc<AtomicBool>,
}

impl FileSource for PatternFile {
    fn prepare(&self, offset: u64, length: u64, _: ConnId) -> Prepared {
        if offset >= self.length {
            return Prepared::Short;
        }
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            self.wake.store(true, Ordering::Relaxed);
            return Prepared::Later;
        }
        Prepared::Ready(length.min(self.length - offset).min(4_096))
    }

    fn descriptor(&self) -> Option<i32> {
        None
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ShortSource> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(into.len());
        fill(&mut into[..count], offset);
        Ok(count)
    }
}
