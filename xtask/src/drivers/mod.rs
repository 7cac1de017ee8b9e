//! `cargo xtask drivers`: `crore serve --net xdp:eth0` in a virtual machine, over each network driver
//! that QEMU has a card for and in each mode that AF_XDP works in there: zero-copy, copying, generic.
//! Needs root, Debian and minutes for each, 40 in all at most. No hardware helps: QEMU translates code.
//!
//! | file | what |
//! | --- | --- |
//! | `image` | QEMU and a kernel from Debian, a small system around the latter |
//! | `guest` | a virtual machine on a wire: started, told what to do, gone at the end |
//! | `cases` | the cards, with what has to be said when serving on them |
//! | `checks` | what is tried on each |
//!
//! Invariant: everything is in one temporary folder and in namespaces, and gone at the end. What stays
//! is the package of QEMU.

mod cases;
mod checks;
mod guest;
mod image;

use std::time::{Duration, Instant};

use crate::metadata::Metadata;
use crate::{Outcome, build};
use cases::{CASES, Case};
use checks::CHECKS;
use guest::Guest;
use image::Image;

/// How long all may take: what is left then is not tried. A case ends with its second failure.
const ALL: Duration = Duration::from_secs(40 * 60);
const FAILURES_MAX: usize = 2;

/// Tries the cases whose names have one of `parts` in them, or all, and prints a table.
pub fn run(parts: &[&str]) -> Outcome {
    let metadata = Metadata::load()?;
    // The one that `CRORE_PROGRAM` names, if it names one.
    let program = rig::crore::program().or_else(|_| build::crore(&metadata))?;
    let echo = build::example(&metadata, "crore", "echo_on_interface")?;
    let image = Image::make(&[&program, &echo])?;
    println!("kernel {}", image.version);
    let mut table = String::from("| card | driver | crore said | passed | failed |\n");
    table += "| --- | --- | --- | --- | --- |\n";
    let mut failed = 0;
    let begin = Instant::now();
    let is_meant =
        |case: &&Case| parts.is_empty() || parts.iter().any(|part| case.name.contains(part));
    for case in CASES.iter().filter(is_meant) {
        if begin.elapsed() > ALL {
            failed += 1;
            println!("\n# {}: no time left", case.name);
            continue;
        }
        let start = Instant::now();
        println!("\n# {}", case.name);
        let row = try_one(&image, case).unwrap_or_else(|error| {
            println!("{error}");
            Row { failed: vec!["start".to_owned()], ..Row::default() }
        });
        failed += usize::from(!row.failed.is_empty());
        println!("{} s", start.elapsed().as_secs());
        let (passed, not) = (row.passed.join(", "), row.failed.join(", "));
        let (name, driver, said) = (case.name, case.driver, row.said);
        table += &format!("| {name} | {driver} | {said} | {passed} | {not} |\n");
    }
    println!("\nkernel {}\n\n{table}", image.version);
    if failed > 0 { Err(format!("{failed} cases failed").into()) } else { Ok(()) }
}

/// What came of a case.
#[derive(Default)]
struct Row {
    /// The start line, from the mode on.
    said: String,
    passed: Vec<&'static str>,
    failed: Vec<String>,
}

fn try_one(image: &Image, case: &Case) -> Outcome<Row> {
    let mut guest = Guest::start(image, case)?;
    let mut row = Row { said: guest.serve()?, ..Row::default() };
    println!("{}", row.said);
    if !row.said.contains(case.says) {
        row.failed.push(format!("not {}", case.says));
    }
    for (name, check) in CHECKS {
        match check(&mut guest) {
            Ok(()) => row.passed.push(name),
            Err(error) => {
                println!("{name}: {error}\n{}", guest.report());
                row.failed.push((*name).to_owned());
                if row.failed.len() == FAILURES_MAX {
                    break;
                }
            }
        }
    }
    Ok(row)
}
