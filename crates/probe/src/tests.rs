//! From samples to what is said and shown: lines, tables, graphs and pages of made-up findings.

use std::path::Path;
use std::time::Duration;

use chart::Unit;

use crate::buckets::buckets;
use crate::fit::Growth;
use crate::probe::{Counted, Curve, Probe};
use crate::results::{Findings, Measured, Results, csv};
use crate::run::{ALL_TIME_MAX, Found, Run, Sample, Stop, TIME_MAX};
use crate::session::share;
use crate::sys::tiny::Tiny;
use crate::{picture, probes, reason, report, words};

const CURVE: Curve = Curve { name: "a <curve>", measure: |_| Ok(()) };

fn some_probe() -> &'static Probe {
    probes().into_iter().find(|probe| probe.name == "socket").unwrap()
}

fn findings(shape: fn(f64) -> f64, result: Result<(), Stop>) -> Findings {
    let samples = (1..=2000).map(|n| Sample { n, value: shape(n as f64) }).collect();
    let memory = vec![Sample { n: 2000, value: 128.0 }];
    let found = Found { samples, memory, notes: vec!["a note".to_owned()], tried: 2001 };
    let mut findings = Findings::new(some_probe());
    findings.curves.push(Measured::new(&CURVE, Counted::Things, found, result));
    findings
}

fn refused() -> Result<(), Stop> {
    Err(Stop::Refused { call: "socket()", errno: rustix::io::Errno::MFILE })
}

#[test]
fn each_growth_is_said_in_a_line() {
    let says = |growth| words::says(growth, Unit::Nanoseconds, Counted::Things, (1, 50_000));
    assert_eq!(says(Growth::Flat { value: 10_000.0 }), "flat to 50,000: 10 µs");
    let step = Growth::Step { at: 14_116, before: 10_000.0, after: 1_018_000.0 };
    assert_eq!(says(step), "flat at 10 µs to 14,115; step to 1.02 ms at 14,116");
    let linear = Growth::Linear { base: 2_000.0, each: 30.0 };
    assert_eq!(
        says(linear),
        "grows with n: 2.03 µs at 1, 30 µs more for each 1,000, 1.5 ms at 50,000"
    );
    let shared = Growth::Shared { base: 100.0, once: 750.0 };
    assert_eq!(says(shared), "falls: 850 ns at 1, towards 100 ns at 50,000");
    let log = Growth::Log { base: 100.0, doubling: 60.0 };
    assert!(says(log).starts_with("grows with log n: 100 ns at 1, 60 ns more with each doubling"));
    let memory =
        words::says(Growth::Flat { value: 5.0 }, Unit::Nanoseconds, Counted::Kibibytes, (4, 2048));
    assert_eq!(memory, "flat to 2 MiB: 5 ns");
    assert_eq!(
        words::says(Growth::Unknown, Unit::Bytes, Counted::Things, (0, 0)),
        "nothing measured"
    );
}

#[test]
fn a_refusal_ends_a_curve_with_its_reason_and_leaves_no_sample() {
    let findings = findings(|_| 500.0, refused());
    let curve = &findings.curves[0];
    assert!(curve.says.contains("flat to 2,000: 500 ns"), "{}", curve.says);
    assert!(
        curve.says.contains("ended at 2,001: socket(): out of descriptors (EMFILE)"),
        "{}",
        curve.says
    );
    assert!(curve.says.contains("128 B of memory for each at 2,000"), "{}", curve.says);
    assert_eq!(csv(&findings).lines().filter(|line| line.contains(",ns,2001,")).count(), 0);
    let svg = picture::times(&findings, None).svg();
    assert!(svg.contains("class=\"end\"") && svg.contains("(EMFILE)"));
}

#[test]
fn a_failed_call_is_no_sample_and_an_interrupted_one_is_made_again() {
    let mut run = Run::new(5, TIME_MAX, Path::new("/"), None);
    let mut calls = 0;
    let result = run.timed(1, "call()", || {
        calls += 1;
        if calls < 3 { Err(rustix::io::Errno::INTR) } else { Ok(()) }
    });
    assert_eq!((result, calls), (Ok(()), 3));
    let failed: Result<(), Stop> = run.timed(2, "call()", || Err(rustix::io::Errno::MFILE));
    assert_eq!(failed, Err(Stop::Refused { call: "call()", errno: rustix::io::Errno::MFILE }));
    let found = run.found();
    assert_eq!((found.samples.len(), found.tried), (1, 2));
}

#[test]
fn steps_go_from_one_to_the_goal() {
    let ladder = |goal| Run::new(goal, TIME_MAX, Path::new("/"), None).ladder();
    assert_eq!(ladder(1), [1]);
    assert_eq!(ladder(6), [1, 2, 4, 5, 6]);
    assert_eq!(ladder(5000).last(), Some(&5000));
    assert!(ladder(5000).windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn all_curves_together_end_in_time_and_each_has_its_share() {
    // Few have as much as any may have; many share, and what is left over is for those that follow.
    assert_eq!(share(ALL_TIME_MAX, 6), TIME_MAX);
    let (mut left, curves) = (ALL_TIME_MAX, 80);
    for begun in 0..curves {
        let time = share(left, curves - begun);
        assert!(
            time >= ALL_TIME_MAX / curves as u32 - Duration::from_millis(1),
            "{begun}: {time:?}"
        );
        left -= time;
    }
    assert_eq!(share(Duration::ZERO, 1), Duration::ZERO);
    let run = Run::new(1, Duration::ZERO, Path::new("/"), None);
    assert_eq!(run.go_on(), Err(Stop::TimeUp(Duration::ZERO)));
}

#[test]
fn buckets_have_all_samples_and_say_the_median_and_the_99th_percentile() {
    let samples: Vec<Sample> =
        (0..1000).rev().map(|i| Sample { n: 1 + i / 100, value: (i % 100) as f64 }).collect();
    let gathered = buckets(&samples);
    assert_eq!(gathered.iter().map(|bucket| bucket.samples).sum::<u64>(), 1000);
    assert_eq!((gathered[0].first, gathered[0].last), (1, 1));
    assert_eq!((gathered[0].median, gathered[0].p99), (50.0, 99.0));
    assert!(gathered.windows(2).all(|pair| pair[0].last < pair[1].first));
    assert!(buckets(&[]).is_empty());
}

#[test]
fn the_page_escapes_what_it_shows_and_needs_nothing_from_elsewhere() {
    let results = Results { probes: vec![findings(|n| n * 10.0, Ok(()))], ..Results::default() };
    let page = report::html(&results, None);
    assert!(page.contains("a &lt;curve&gt;: grows with n") && !page.contains("<curve>"));
    assert!(page.contains("a note") && page.contains("<section id=\"socket\">"));
    for foreign in ["<script", "href=\"http", "src=", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_run_is_read_again_as_it_was_and_laid_over_another() {
    let before = Results { probes: vec![findings(|_| 100.0, refused())], ..Results::default() };
    let before: Results = serde_json::from_str(&before.json()).unwrap();
    let after = Results { probes: vec![findings(|_| 300.0, Ok(()))], ..Results::default() };
    let lines = report::compared(&after.probes[0], &before.probes[0], "before");
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("3.0 times as long as before, which was flat to 2,000: 100 ns"),
        "{lines:?}"
    );
    let page = report::html(&after, Some((&before, "before")));
    assert!(page.contains("class=\"dashed c0\"") && page.contains("3.0 times as long as before"));
}

#[test]
fn reasons_name_the_limit_and_its_value() {
    assert!(reason(&refused().unwrap_err()).contains("ulimit -n is "));
    let ports = Stop::Refused { call: "connect()", errno: rustix::io::Errno::ADDRNOTAVAIL };
    assert!(reason(&ports).contains("ip_local_port_range is "), "{}", reason(&ports));
    let tasks = Stop::Refused { call: "fork()", errno: rustix::io::Errno::AGAIN };
    assert!(reason(&tasks).contains("kernel.pid_max"), "{}", reason(&tasks));
}

#[test]
fn probes_have_names_questions_and_bounds() {
    let mut names: Vec<_> = probes().iter().map(|probe| probe.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is there twice");
    for probe in probes() {
        assert!(probe.question.ends_with('?') && probe.method.ends_with('.'), "{}", probe.name);
        assert!(!probe.curves.is_empty() && !probe.uses.is_empty(), "{}", probe.name);
        assert!((1..=probe.most).contains(&probe.count), "{}", probe.name);
        assert_eq!(probe.goal(Some(u64::MAX)), probe.most);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_static_program_is_one_page() {
    let tiny = Tiny::new().unwrap();
    assert!((120..4096).contains(&tiny.bytes()), "{}", tiny.bytes());
}
