//! The thread that writes, and what shards hand their lines over with: [`Pen`].

use std::fs::File;
use std::io::{Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::Duration;

use super::line::{Ending, Entry, Subject, Time};
use super::{LogDestination, LogFormat};

/// Bytes of lines that may wait in one shard's buffer. More are lost.
const CAPACITY: usize = 4 << 20;

/// Bytes in one buffer from which it is taken away at once.
const URGENT: usize = 256 << 10;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(100);

/// What the shards and the writing thread share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    buffers: Mutex<Vec<Arc<Buffer>>>,
    thread: OnceLock<Thread>,
    reopen: AtomicBool,
    closed: AtomicBool,
}

/// One shard's lines.
#[derive(Debug, Default)]
struct Buffer {
    lines: Mutex<Vec<u8>>,
    /// Lines lost.
    lost: AtomicU64,
}

/// What one shard writes lines with.
#[derive(Debug)]
pub(crate) struct Pen {
    format: LogFormat,
    shared: Arc<Shared>,
    buffer: Arc<Buffer>,
    /// The line being made, kept for its memory.
    entry: Entry,
    line: Vec<u8>,
    time: Time,
}

impl Pen {
    pub(super) fn new(format: LogFormat, shared: Arc<Shared>) -> Self {
        let buffer = Arc::new(Buffer::default());
        shared.lock().push(Arc::clone(&buffer));
        let (entry, line, time) = Default::default();
        Self { format, shared, buffer, entry, line, time }
    }

    /// Begins a line that is finished when its exchange ends.
    pub(crate) fn begin(&mut self, subject: &Subject<'_>) -> Entry {
        let mut entry = Entry::default();
        entry.begin(self.format, &mut self.time, subject);
        entry
    }

    /// Writes the line of an exchange that has ended.
    pub(crate) fn finish(&mut self, entry: &Entry, outcome: &http::Outcome) {
        self.line.clear();
        let ending = Ending {
            status: outcome.status,
            bytes: outcome.body_bytes,
            complete: outcome.complete,
            duration: outcome.duration,
        };
        entry.finish(self.format, &ending, &mut self.line);
        self.hand_over();
    }

    /// Writes the line of a request that is answered at once, with a body of `bytes`.
    pub(crate) fn write(&mut self, subject: &Subject<'_>, status: u16, bytes: u64) {
        self.line.clear();
        let ending = Ending { status, bytes, complete: true, duration: Duration::ZERO };
        self.entry.begin(self.format, &mut self.time, subject);
        self.entry.finish(self.format, &ending, &mut self.line);
        self.hand_over();
    }

    /// Lines of this shard that were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.buffer.lost.load(Ordering::Relaxed)
    }

    /// The writing thread holds this lock only for as long as it takes to exchange two pointers.
    fn hand_over(&self) {
        let mut lines = self.buffer.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lines.len();
        if before + self.line.len() > CAPACITY {
            self.buffer.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.extend_from_slice(&self.line);
        let after = lines.len();
        drop(lines);
        if before == 0 || (before < URGENT && after >= URGENT) {
            self.shared.rouse();
        }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        // The thread takes the last lines out of buffers that nobody else holds, and drops them.
        self.shared.rouse();
    }
}

impl Shared {
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.rouse();
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.rouse();
    }

    fn rouse(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Buffer>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the destination and starts the thread that writes to it.
pub(super) fn start(destination: LogDestination) -> std::io::Result<(Arc<Shared>, JoinHandle<()>)> {
    let output = Output::open(&destination)?;
    let shared = Arc::new(Shared::default());
    let mut writer =
        Writer { shared: Arc::clone(&shared), destination, output, spare: Vec::new(), sound: true };
    let thread = Builder::new().name("access-log".to_owned()).spawn(move || writer.run())?;
    // Nobody else sets it.
    let _ = shared.thread.set(thread.thread().clone());
    Ok((shared, thread))
}

/// What the thread works with.
struct Writer {
    shared: Arc<Shared>,
    destination: LogDestination,
    output: Output,
    /// An empty buffer to leave in place of one that is taken away.
    spare: Vec<u8>,
    /// Whether the last write succeeded: a failure is told once.
    sound: bool,
}

enum Output {
    Stdout(Stdout),
    File(File),
}

impl Output {
    fn open(destination: &LogDestination) -> std::io::Result<Self> {
        match destination {
            LogDestination::Stdout => Ok(Self::Stdout(stdout())),
            LogDestination::File(path) => {
                let file = File::options().append(true).create(true).open(path)?;
                Ok(Self::File(file))
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File(file) => file.write_all(lines),
        }
    }
}

impl Writer {
    fn run(&mut self) {
        while !self.shared.closed.load(Ordering::Acquire) {
            std::thread::park();
            if !self.shared.closed.load(Ordering::Acquire) {
                std::thread::park_timeout(GATHER);
            }
            self.turn();
        }
        self.turn();
    }

    fn turn(&mut self) {
        if self.shared.reopen.swap(false, Ordering::AcqRel) {
            match Output::open(&self.destination) {
                Ok(output) => self.output = output,
                Err(error) => {
                    let destination = &self.destination;
                    tracing::error!(
                        %error, ?destination,
                        "the access log cannot be opened anew; it goes on in the old file"
                    );
                }
            }
        }
        let buffers = self.shared.lock().clone();
        for buffer in &buffers {
            self.take(buffer);
        }
        drop(buffers);
        // A buffer that only this list holds, and that is empty, is that of a shard that is gone.
        let gone = |buffer: &Arc<Buffer>| {
            Arc::strong_count(buffer) == 1
                && buffer.lines.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
        };
        self.shared.lock().retain(|buffer| !gone(buffer));
    }

    /// Takes one shard's lines away and writes them.
    fn take(&mut self, buffer: &Buffer) {
        let mut lines = std::mem::take(&mut self.spare);
        let mut held = buffer.lines.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *held, &mut lines);
        drop(held);
        if !lines.is_empty() {
            let written = self.output.write(&lines);
            if let Err(error) = &written {
                let count = lines.iter().filter(|&&byte| byte == b'\n').count();
                buffer.lost.fetch_add(count as u64, Ordering::Relaxed);
                if self.sound {
                    tracing::error!(%error, "the access log cannot be written; lines are lost");
                }
            }
            self.sound = written.is_ok();
        }
        lines.clear();
        self.spare = lines;
    }
}
