//! A server process: started, asked, signalled, and gone at the end.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;

/// A child process, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: File,
}

impl Process {
    /// Starts `command`, collecting what it prints.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Outcome<Self> {
        let output = tempfile::tempfile()?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let child =
            command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        Ok(Self { child, output })
    }

    /// The process's identifier.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Outcome {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// How the process ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn ended(&mut self) -> Outcome<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// When it has not ended after `most`.
    pub fn wait(&mut self, most: Duration) -> Outcome<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > most {
                return Err(format!("still runs after {most:?}:\n{}", self.printed()?).into());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the process has printed so far, to both of its outputs.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub fn printed(&self) -> Outcome<String> {
        // The position is shared with the process, which would go on writing where reading stopped.
        let mut text = Vec::new();
        File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.output)))?
            .read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Processor time used so far, by all threads together.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn processor_time(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The name, in parentheses, may hold anything; fields 14 and 15 are user and system time.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/PID/stat has no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_millis(ticks * 1000 / per_second))
    }

    /// Bytes of memory that are the process's own: anonymous pages and huge pages, its threads'
    /// stacks included; not what it has mapped from files, nor what the kernel holds for it.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn own_memory(&self) -> Outcome<u64> {
        own_memory(self.id())
    }
}

/// [`Process::own_memory`] of any process.
///
/// # Errors
/// When there is no such process.
pub fn own_memory(id: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let counted = ["Anonymous:", "Private_Hugetlb:", "Shared_Hugetlb:"];
    let kilobytes = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        counted.contains(&words.next()?).then_some(words.next()?.parse::<u64>().ok()?)
    });
    Ok(kilobytes.sum::<u64>() * 1024)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Failing means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
