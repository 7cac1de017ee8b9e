//! Shards in processes of their own, each with descriptors of its own. Each is this same program, and
//! tells what it counts over a pipe, as serialized histograms.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use load::Share;

use crate::serve::Failure;
use crate::settings::Problem;

use super::job::{BEGIN, Job, STOP};
use super::{Crew, Look};

/// All processes.
pub struct Workers {
    workers: Vec<Worker>,
    engine: String,
}

struct Worker {
    child: Child,
    /// Closed first, so that the process ends by itself.
    told: Option<ChildStdin>,
    tells: Arc<Mutex<Telling>>,
}

#[derive(Default)]
struct Telling {
    look: Look,
    ended: bool,
}

impl Workers {
    pub fn start(job: Job, count: u32) -> Result<Self, Failure> {
        let all = u32::from(job.shards).max(count);
        let mut first = 0;
        let mut workers = Vec::new();
        for index in 0..count {
            let shards = Share { index, count }.of_few(all);
            let part = Job { first, shards: shards as u16, of: all, ..job.clone() };
            first += shards;
            workers.push(Worker::start(&part)?);
        }
        let engine = format!("kernel sockets in {count} processes");
        Ok(Self { workers, engine })
    }

    fn tell(&mut self, what: &str) -> Result<(), Failure> {
        for worker in &mut self.workers {
            worker.tell(what)?;
        }
        Ok(())
    }
}

impl Worker {
    fn start(job: &Job) -> Result<Self, Failure> {
        let failed = |error: &std::io::Error| Failure::system("a worker process", error);
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut child = Command::new(program)
            .args(["load", "--worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let tells: Arc<Mutex<Telling>> = Arc::default();
        let (told, stdout) = (child.stdin.take(), child.stdout.take());
        if let Some(stdout) = stdout {
            let tells = Arc::clone(&tells);
            thread::spawn(move || listen(BufReader::new(stdout), &tells));
        }
        let mut worker = Self { child, told, tells };
        let job = serde_json::to_string(job)
            .map_err(|error| Failure::ended(Problem::unplaced(error.to_string())))?;
        worker.tell(&job)?;
        Ok(worker)
    }

    fn tell(&mut self, what: &str) -> Result<(), Failure> {
        let Some(told) = &mut self.told else { return Ok(()) };
        writeln!(told, "{what}").and_then(|()| told.flush()).map_err(|error| {
            Failure::ended(Problem::unplaced(format!("a worker process is gone: {error}")))
        })
    }
}

/// Takes down what a worker tells, until it ends.
fn listen(lines: impl BufRead, tells: &Mutex<Telling>) {
    for line in lines.lines().map_while(Result::ok) {
        let Ok(look) = serde_json::from_str::<Look>(&line) else { break };
        let mut telling = tells.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spans = std::mem::take(&mut telling.look.spans);
        spans.extend(look.spans);
        telling.look = Look { spans, ..look };
    }
    tells.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
}

impl Crew for Workers {
    fn begin(&mut self) -> Result<(), Failure> {
        self.tell(BEGIN)
    }

    fn look(&mut self) -> Result<Look, Failure> {
        let mut all = Look { done: u64::MAX, ..Look::default() };
        for worker in &self.workers {
            let mut telling = worker.tells.lock().unwrap_or_else(PoisonError::into_inner);
            if telling.ended {
                let problem = Problem::unplaced("a worker process ended before it was told to");
                return Err(Failure::ended(problem));
            }
            let look = &mut telling.look;
            all.spans.append(&mut look.spans);
            all.done = all.done.min(look.done);
            all.open += look.open;
            all.idle += look.idle;
            all.peak += look.peak;
            all.time = all.time.max(look.time);
            all.engine.clone_from(&look.engine);
            all.insecure = all.insecure.or_else(|| look.insecure.clone());
        }
        Ok(all)
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.tell(STOP)
    }

    fn engine(&self) -> String {
        self.engine.clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.told.take());
        // It ends by itself then; whoever is stuck is not waited for.
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
