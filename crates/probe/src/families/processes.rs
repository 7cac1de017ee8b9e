//! Processes: making one, and burying one, with many alive.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::answers::{Answers, read_exactly};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use crate::sys::process::{Children, reap_orphans};
use crate::sys::tiny::Tiny;

pub(super) const PROBES: &[&Probe] = &[&FORK, &SPAWN, &REAP];

const PROCESSES: Probe = Probe {
    name: "",
    family: Family::Processes,
    question: "",
    method: "",
    against: "processes alive",
    counted: Counted::Things,
    count: 500,
    most: 1_000_000,
    uses: &[(1, Resource::Processes)],
    curves: &[],
    with_root: Some(super::FOR_TASKS),
};

const FORK: Probe = Probe {
    name: "fork",
    question: "Does fork take longer with more processes alive?",
    method: "fork; the child writes a byte into a pipe and sleeps; the time until the parent has read it. \
             Once from crore itself, which is linked dynamically, and once from a static program of one \
             page that crore makes in memory.",
    curves: &[
        Curve { name: "from crore", measure: fork },
        Curve { name: "from a static program", measure: fork_static },
    ],
    ..PROCESSES
};

const SPAWN: Probe = Probe {
    name: "spawn",
    question: "Do vfork, posix_spawn and clone3 take longer with more processes alive?",
    method: "The same as fork, with each of the other calls; after vfork and posix_spawn the child is the \
             static program of one page. vfork is clone with CLONE_VM and CLONE_VFORK, as in the C library.",
    curves: &[
        Curve { name: "vfork + execve", measure: vfork },
        Curve { name: "posix_spawn", measure: posix_spawn },
        Curve { name: "clone3", measure: clone3 },
    ],
    ..PROCESSES
};

const REAP: Probe = Probe {
    name: "reap",
    question: "Does ending a process take longer with more alive?",
    method: "Many sleeping children are made; then one after the other is killed and waited for.",
    curves: &[Curve { name: "kill + waitpid", measure: reap }],
    ..PROCESSES
};

/// Makes children until there are enough, each time until it has answered.
fn many(
    run: &mut Run<'_>,
    call: &'static str,
    mut make: impl FnMut(&mut Children, &Answers) -> Result<(), Errno>,
) -> Result<(), Stop> {
    let (mut children, answers) = (Children::new(), Answers::new()?);
    for n in 1..=run.goal() {
        run.timed(n, call, || {
            make(&mut children, &answers)?;
            answers.wait()
        })?;
    }
    Ok(())
}

fn fork(run: &mut Run<'_>) -> Result<(), Stop> {
    if let Ok(mappings) = std::fs::read_to_string("/proc/self/maps") {
        let count = mappings.lines().count();
        run.note(format!("crore itself has {count} mappings, which each fork copies"));
    }
    many(run, "fork()", |children, answers| children.fork_to_answer(answers.write.as_fd()))
}

fn clone3(run: &mut Run<'_>) -> Result<(), Stop> {
    many(run, "clone3()", |children, answers| children.clone3_to_answer(answers.write.as_fd()))
}

fn vfork(run: &mut Run<'_>) -> Result<(), Stop> {
    let tiny = tiny()?;
    many(run, "vfork()", |children, answers| children.vfork_tiny(&tiny, answers.write.as_fd()))
}

fn posix_spawn(run: &mut Run<'_>) -> Result<(), Stop> {
    let tiny = tiny()?;
    many(run, "posix_spawn()", |children, answers| {
        children.spawn_tiny(&tiny, answers.write.as_fd())
    })
}

fn tiny() -> Result<Tiny, Stop> {
    Tiny::new().map_err(|errno| match errno {
        Errno::NOEXEC => Stop::Other("the static program is written for x86-64 only".to_owned()),
        errno => Stop::Refused { call: "memfd_create()", errno },
    })
}

/// The static program forks, when it is told to, and says how long it took.
fn fork_static(run: &mut Run<'_>) -> Result<(), Stop> {
    let tiny = tiny()?;
    run.note(format!("the static program has {} bytes, headers included", tiny.bytes()));
    let (commands, times) = (Answers::new()?, Answers::new()?);
    let mut forker = Children::new();
    forker
        .spawn_forker(&tiny, commands.read.as_fd(), times.write.as_fd())
        .map_err(Stop::at("posix_spawn()"))?;
    let result = ask_to_fork(run, &commands, &times);
    // Its children are killed by the kernel when it dies, and come to us to be waited for.
    drop(forker);
    reap_orphans();
    result
}

fn ask_to_fork(run: &mut Run<'_>, commands: &Answers, times: &Answers) -> Result<(), Stop> {
    for n in 1..=run.goal() {
        run.trying(n)?;
        commands.say(0).map_err(Stop::at("write()"))?;
        let mut time = [0; 8];
        read_exactly(&times.read, &mut time).map_err(Stop::at("fork()"))?;
        match i64::from_le_bytes(time) {
            time if time >= 0 => run.record(n, time as f64),
            // A negative error number, all of which are small.
            error => {
                let errno = Errno::from_raw_os_error(-error as i32);
                return Err(Stop::Refused { call: "fork()", errno });
            }
        }
    }
    Ok(())
}

fn reap(run: &mut Run<'_>) -> Result<(), Stop> {
    let (mut children, answers) = (Children::new(), Answers::new()?);
    let mut refused = Ok(());
    for n in 1..=run.goal() {
        run.trying(n)?;
        let made = children.fork_to_answer(answers.write.as_fd()).and_then(|()| answers.wait());
        if let Err(errno) = made {
            refused = Err(Stop::Refused { call: "fork()", errno });
            break;
        }
    }
    while children.count() > 0 {
        run.timed(children.count() as u64, "waitpid()", || children.reap_one())?;
    }
    refused
}
