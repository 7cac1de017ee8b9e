//! Frames that pass our own stack's link, kept in files that Wireshark reads: [`Capture`]. Invariant:
//! no shard waits for a disk; the two files together hold no more than twice what was said.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base::Instant;
use shard::time;
use stack::mem::Consumer;
use stack::port::{Filter, Recorder};

use crate::Error;

/// Bytes of the queue from each shard to the thread that writes.
const QUEUE_BYTES: usize = 4 << 20;
/// How long the thread that writes rests when there is nothing to write.
const REST: Duration = Duration::from_millis(10);

/// What passes the link of a server on our own stack is to be kept, as pcapng.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capture {
    /// The file. When it is full, a second one, called like it with `.1` behind, is written, then
    /// this one anew, and so on.
    pub file: PathBuf,
    /// Bytes of each of the two files.
    pub bytes: u64,
    /// Only frames from or to this host.
    pub host: Option<std::net::IpAddr>,
    /// Only frames from or to this TCP port.
    pub port: Option<u16>,
}

/// The files of a capture, opened while that was still allowed.
#[derive(Debug)]
pub(crate) struct Files {
    capture: Capture,
    files: [File; 2],
}

/// The thread that writes. Dropping it ends the capture with what has been recorded so far.
#[derive(Debug)]
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Files {
    pub(crate) fn open(capture: Capture) -> Result<Self, Error> {
        let open = |path: &Path| {
            File::create(path).map_err(|error| Error::Capture { file: path.to_owned(), error })
        };
        let mut second = capture.file.clone().into_os_string();
        second.push(".1");
        let files = [open(&capture.file)?, open(Path::new(&second))?];
        Ok(Self { capture, files })
    }

    /// Starts writing; gives a recorder for each of so many shards.
    pub(crate) fn start(self, shards: u32) -> Result<(Writer, Vec<Recorder>), Error> {
        let system = |error| Error::System { what: "a thread or memory for a capture", error };
        let filter = Filter { host: self.capture.host, port: self.capture.port };
        let unix = u64::try_from(time::clock().unix(Instant::ZERO).as_nanos()).unwrap_or(u64::MAX);
        let queue = |index| Recorder::new(index, filter, unix, QUEUE_BYTES);
        let queues = (0..shards).map(queue).collect::<Result<Vec<_>, _>>();
        let queues = queues.map_err(|_| system(io::ErrorKind::OutOfMemory.into()))?;
        let (recorders, from): (_, Vec<_>) = queues.into_iter().unzip();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("capture".into()).spawn(move || {
            // What goes wrong with the disk ends the capture, and nothing else.
            let _ = self.write(from, shards, &stopped);
        });
        let thread = Some(thread.map_err(system)?);
        Ok((Writer { stop, thread }, recorders))
    }

    fn write(self, mut from: Vec<Consumer>, shards: u32, stop: &AtomicBool) -> io::Result<()> {
        let start = Recorder::start(shards);
        let [first, second] = self.files;
        let mut files = [BufWriter::new(first), BufWriter::new(second)];
        begin(&mut files[0], &start)?;
        let mut written = start.len() as u64;
        loop {
            // Looked at before the queues are, so that what came before the end is written.
            let last = stop.load(Ordering::Acquire);
            let mut found = false;
            for queue in &mut from {
                while let Some(block) = queue.pop(<[u8]>::to_vec) {
                    found = true;
                    if written + block.len() as u64 > self.capture.bytes {
                        files[0].flush()?;
                        files.swap(0, 1);
                        begin(&mut files[0], &start)?;
                        written = start.len() as u64;
                    }
                    files[0].write_all(&block)?;
                    written += block.len() as u64;
                }
                queue.release();
            }
            if !found {
                files[0].flush()?;
                if last {
                    return Ok(());
                }
                thread::park_timeout(REST);
            }
        }
    }
}

/// Begins a file anew.
fn begin(file: &mut BufWriter<File>, start: &[u8]) -> io::Result<()> {
    file.flush()?;
    file.get_ref().set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(start)
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it would have been printed; the frames are lost with it.
            let _ = thread.join();
        }
    }
}
