//! Making processes in each of the ways there are. Invariant: every process made is killed and waited
//! for when its [`Children`] go, and is killed by the kernel when this process dies before that, also when
//! it dies before the child could ask the kernel for it.
//!
//! Children are copies of a process with one thread (`crore probe` starts none before it forks), and run
//! only what is given here, so no lock can be left taken in them.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

use rustix::io::Errno;

use super::interrupt;
use super::tiny::Tiny;

/// The stack of a child that shares memory until it has called `execve`: a page does, this is more.
const STACK_BYTES: usize = 64 * 1024;

/// Processes that end with this value.
#[derive(Debug, Default)]
pub struct Children(Vec<libc::pid_t>);

impl Children {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many are alive.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Their process identifiers.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.0.iter().map(|pid| pid.unsigned_abs()).collect()
    }

    /// Kills one and waits for it.
    ///
    /// # Errors
    /// When there is none, or a signal came while waiting.
    pub fn reap_one(&mut self) -> Result<(), Errno> {
        let pid = *self.0.last().ok_or(Errno::CHILD)?;
        kill_and_wait(pid)?;
        self.0.pop();
        Ok(())
    }

    /// Makes a child that runs `body` and ends. It may use memory and start threads, but must not print.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn fork(&mut self, body: impl FnOnce()) -> Result<(), Errno> {
        let parent = this_process();
        // SAFETY: the process has one thread, so its copy is whole; see the head of this file.
        match unsafe { libc::fork() } {
            -1 => Err(last()),
            0 => {
                die_with(parent);
                // Unwinding further would run the parent's destructors here.
                let _ = catch_unwind(AssertUnwindSafe(body));
                // SAFETY: this ends the process at once and touches nothing.
                unsafe { libc::_exit(0) }
            }
            pid => {
                self.0.push(pid);
                Ok(())
            }
        }
    }

    /// `fork`; the child writes a byte to `answer` and sleeps.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn fork_to_answer(&mut self, answer: BorrowedFd<'_>) -> Result<(), Errno> {
        self.fork(|| answer_and_sleep(answer.as_raw_fd()))
    }

    /// `clone3` without any flag, which is what `fork` does less what the C library adds.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn clone3_to_answer(&mut self, answer: BorrowedFd<'_>) -> Result<(), Errno> {
        // SAFETY: zeros are valid for this structure of numbers and mean no flags and no stack of its own.
        let mut arguments: libc::clone_args = unsafe { zeroed() };
        arguments.exit_signal = libc::SIGCHLD as u64;
        let parent = this_process();
        // SAFETY: without CLONE_VM the child has memory of its own and returns as from fork; it calls
        // nothing that depends on the C library knowing of the new process.
        let pid = unsafe {
            libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>())
        };
        match pid {
            -1 => Err(last()),
            0 => {
                die_with(parent);
                answer_and_sleep(answer.as_raw_fd())
            }
            pid => {
                self.0.push(pid as libc::pid_t);
                Ok(())
            }
        }
    }

    /// What `vfork` and `execve` are: a child in our memory until it runs `tiny`, which answers.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn vfork_tiny(&mut self, tiny: &Tiny, answer: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut stack = vec![0_u128; STACK_BYTES / size_of::<u128>()];
        let start = Start { program: tiny.path(), answer: answer.as_raw_fd() };
        let _blocked = interrupt::Blocked::all();
        // SAFETY: the stack grows down from its end, which is aligned to 16 bytes, and CLONE_VFORK keeps
        // it and `start` alive by suspending this thread until the child has them no longer. The child
        // calls async-signal-safe functions only.
        let pid = unsafe {
            libc::clone(
                start_tiny,
                stack.as_mut_ptr_range().end.cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw const start).cast_mut().cast(),
            )
        };
        if pid < 0 {
            return Err(last());
        }
        self.0.push(pid);
        Ok(())
    }

    /// `posix_spawn` of `tiny`, which answers.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn spawn_tiny(&mut self, tiny: &Tiny, answer: BorrowedFd<'_>) -> Result<(), Errno> {
        self.spawn(tiny, &[c"tiny"], (None, answer.as_raw_fd()))
    }

    /// `posix_spawn` of `tiny` as the one that forks when told to by `commands`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn spawn_forker(
        &mut self,
        tiny: &Tiny,
        commands: BorrowedFd<'_>,
        times: BorrowedFd<'_>,
    ) -> Result<(), Errno> {
        self.spawn(tiny, &[c"tiny", c"fork"], (Some(commands.as_raw_fd()), times.as_raw_fd()))
    }

    fn spawn(
        &mut self,
        tiny: &Tiny,
        arguments: &[&CStr],
        (input, output): (Option<RawFd>, RawFd),
    ) -> Result<(), Errno> {
        let mut pointers: Vec<*mut libc::c_char> =
            arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        pointers.push(null_mut());
        let environment = [null_mut()];
        let mut pid = 0;
        // SAFETY: zeros are valid for these structures until the init calls set them up; all pointers live
        // through the call, both lists end with null, and both structures are destroyed after it.
        let error = unsafe {
            let mut actions: libc::posix_spawn_file_actions_t = zeroed();
            let mut attributes: libc::posix_spawnattr_t = zeroed();
            let mut all: libc::sigset_t = zeroed();
            libc::sigfillset(&raw mut all);
            libc::posix_spawn_file_actions_init(&raw mut actions);
            libc::posix_spawnattr_init(&raw mut attributes);
            libc::posix_spawnattr_setsigmask(&raw mut attributes, &raw const all);
            libc::posix_spawnattr_setflags(&raw mut attributes, libc::POSIX_SPAWN_SETSIGMASK as _);
            if let Some(input) = input {
                libc::posix_spawn_file_actions_adddup2(&raw mut actions, input, 0);
            }
            libc::posix_spawn_file_actions_adddup2(&raw mut actions, output, 1);
            let error = libc::posix_spawn(
                &raw mut pid,
                tiny.path().as_ptr(),
                &raw const actions,
                &raw const attributes,
                pointers.as_ptr(),
                environment.as_ptr(),
            );
            libc::posix_spawn_file_actions_destroy(&raw mut actions);
            libc::posix_spawnattr_destroy(&raw mut attributes);
            error
        };
        if error != 0 {
            return Err(Errno::from_raw_os_error(error));
        }
        self.0.push(pid);
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for pid in &self.0 {
            kill(*pid);
        }
        for pid in self.0.drain(..) {
            while kill_and_wait(pid) == Err(Errno::INTR) {}
        }
    }
}

/// Takes in the children of children that die, so that none is left to others.
///
/// # Errors
/// When the system refuses.
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: this call takes numbers only.
    interrupt::check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) })
}

/// Waits for all orphans, which must be dying: those of a process that has just been killed.
pub fn reap_orphans() {
    // SAFETY: a null status is allowed; no memory is involved.
    while unsafe { libc::waitpid(-1, null_mut(), 0) } > 0 || last() == Errno::INTR {}
}

/// Sleeps until killed. Signals wake it in vain.
pub fn sleep_forever() -> ! {
    loop {
        // SAFETY: the call has no arguments.
        unsafe { libc::pause() };
    }
}

fn this_process() -> libc::pid_t {
    // SAFETY: the call has no arguments and cannot fail.
    unsafe { libc::getpid() }
}

/// Has the kernel kill this process when its `parent` dies, and ends it if that has happened already.
fn die_with(parent: libc::pid_t) {
    // SAFETY: these calls take numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(0);
        }
    }
}

fn answer_and_sleep(answer: RawFd) -> ! {
    // SAFETY: the byte is static; a descriptor that is not open is an error, which the parent notices.
    unsafe { libc::write(answer, b"!".as_ptr().cast(), 1) };
    sleep_forever()
}

struct Start<'a> {
    program: &'a CStr,
    answer: RawFd,
}

extern "C" fn start_tiny(start: *mut c_void) -> c_int {
    // SAFETY: `vfork_tiny` hands over a Start that lives until this process has called execve or ended.
    let start = unsafe { &*start.cast::<Start<'_>>() };
    let arguments = [c"tiny".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    // SAFETY: all of these are async-signal-safe; both lists end with null and live through the call.
    unsafe {
        libc::dup2(start.answer, 1);
        libc::execve(start.program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        libc::_exit(127)
    }
}

fn kill(pid: libc::pid_t) {
    // SAFETY: numbers only. The process is a child that nobody has waited for, so that the number is its.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn kill_and_wait(pid: libc::pid_t) -> Result<(), Errno> {
    kill(pid);
    // SAFETY: a null status is allowed.
    if unsafe { libc::waitpid(pid, null_mut(), 0) } == pid { Ok(()) } else { Err(last()) }
}

pub(super) fn last() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
