//! What the kernel says about this process: memory and CPU time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Reads what the kernel says about this process.
#[derive(Debug)]
pub struct Process {
    /// `/proc/self/statm`, opened at the start: later the process may have confined itself to
    /// folders of which this is none.
    statm: Option<File>,
    page_bytes: u64,
}

impl Process {
    /// Opens what has to be opened.
    pub fn new() -> Self {
        let statm = File::open("/proc/self/statm").ok();
        Self { statm, page_bytes: rustix::param::page_size() as u64 }
    }

    /// Bytes of this process's memory that are backed by pages.
    pub fn resident(&self) -> Option<u64> {
        // Seven numbers in pages (proc_pid_statm(5)), the second of which is wanted.
        let mut text = [0; 256];
        let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(pages * self.page_bytes)
    }

    /// CPU time that all threads of this process have used together.
    pub fn cpu_time(&self) -> Duration {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn a_process_has_memory_and_uses_time() {
        let process = Process::new();
        let before = process.cpu_time();
        let memory = vec![1_u8; 32 << 20];
        assert!(process.resident().is_some_and(|bytes| bytes >= memory.len() as u64));
        assert!(process.cpu_time() > before);
    }
}
