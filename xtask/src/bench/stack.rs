//! Memory for a connection and time for a packet in three TCP/IP stacks: ours, smoltcp and the
//! kernel's. Each is a process of its own on processor 0, one after the other and round after round;
//! the ratio of a round is what counts.

use std::path::Path;

use base::Grouped;
use rig::descriptors;

use super::machine;
use super::spread::Spread;
use super::table::ratio;
use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::Invocation;

/// The stacks, ours first, as the program knows them and as the tables name them.
const STACKS: [(&str, &str); 3] = [("crore", "crore"), ("smoltcp", "smoltcp"), ("kernel", "Linux")];
const KERNEL: usize = 2;
const CONNECTIONS: [u32; 3] = [100, 1_000, 10_000];
/// Descriptors that a process is sure to get. A connection of the kernel's has both its ends in the
/// same process.
const DESCRIPTORS: u32 = 20_000;
/// Of these, some are not for connections, or for those that are there before the measured ones.
const OTHER_DESCRIPTORS: u32 = 1_200;

/// What was measured of every stack with one number of connections, round by round.
#[derive(Default)]
struct Row {
    bytes: [Vec<f64>; STACKS.len()],
    nanos: [Vec<f64>; STACKS.len()],
}

/// Runs everything and gives the report, in Markdown.
pub fn compare(rounds: usize) -> Outcome<String> {
    let program = build()?;
    descriptors::raise(DESCRIPTORS.into())?;
    let mut rows: [Row; CONNECTIONS.len()] = Default::default();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for (row, connections) in rows.iter_mut().zip(CONNECTIONS) {
            for place in 0..STACKS.len() {
                // Every stack is first in turn.
                let index = (place + round) % STACKS.len();
                let (bytes, nanos) = measure(&program, index, connections)?;
                println!("{bytes:>10.0} B {nanos:>8.0} ns  {}, {connections}", STACKS[index].1);
                row.bytes[index].push(bytes);
                row.nanos[index].push(nanos);
            }
        }
    }
    let (machine, rustc) = (machine::describe()?, machine::rustc()?);
    let mut report = format!("{machine}- {rounds} rounds, {rustc}, all optimization\n\n");
    report += &table("nanoseconds for a packet", &rows, |row| &row.nanos);
    report.push('\n');
    report += &table("bytes for a connection that rests", &rows, |row| &row.bytes);
    Ok(report)
}

fn build() -> Outcome<std::path::PathBuf> {
    let metadata = Metadata::load()?;
    Invocation::new("cargo")
        .arguments(&["build", "--locked", "--release", "--package", "crore-stack"])
        .arguments(&["--example", "compare"])
        .folder(&metadata.workspace_root)
        .run()?;
    Ok(metadata.target_directory.join("release/examples/compare"))
}

/// Bytes for a connection and nanoseconds for a packet.
fn measure(program: &Path, index: usize, connections: u32) -> Outcome<(f64, f64)> {
    let (name, program) = (STACKS[index].0, program.to_string_lossy());
    let text = if index == KERNEL {
        let count = connections.min((DESCRIPTORS - OTHER_DESCRIPTORS) / 2).to_string();
        let script = "ip link set lo up && exec taskset -c 0 \"$0\" kernel \"$1\"";
        let arguments = ["--net", "sh", "-c", script, &program, &count];
        Invocation::new("unshare").arguments(&arguments).minutes(2).quietly()?
    } else {
        let arguments = ["-c", "0", &program, name, &connections.to_string()];
        Invocation::new("taskset").arguments(&arguments).minutes(2).quietly()?
    };
    let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    match numbers.as_deref() {
        Ok([bytes, nanos]) => Ok((*bytes, *nanos)),
        _ => Err(format!("{name} printed something else than two numbers:\n{text}").into()),
    }
}

type Figures = [Vec<f64>; STACKS.len()];

/// A table of medians, and of the ratios of the others to ours.
fn table(name: &str, rows: &[Row], figures: impl Fn(&Row) -> &Figures) -> String {
    let mut text = format!("| {name} |");
    for (index, (_, title)) in STACKS.iter().enumerate() {
        text += &format!(" {title} |");
        if index > 0 {
            text += &format!(" {title} ÷ crore |");
        }
    }
    text += &format!("\n| --- |{}\n", " ---: |".repeat(2 * STACKS.len() - 1));
    for (row, connections) in rows.iter().zip(CONNECTIONS) {
        let figures = figures(row);
        text += &format!("| {} connections |", Grouped(u64::from(connections)));
        for (index, of_stack) in figures.iter().enumerate() {
            text +=
                &format!(" {} |", Grouped(Spread::new(of_stack.clone()).median().round() as u64));
            if index > 0 {
                text += &format!(" {} |", ratio(&Spread::of_ratios(of_stack, &figures[0])));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Row, table};

    #[test]
    fn ratios_are_those_of_the_others_to_ours() {
        let nanos = [vec![100.0, 200.0], vec![150.0, 600.0], vec![2_000.0, 4_000.0]];
        let row = Row { nanos, ..Row::default() };
        let text = table("ns", &[row], |row| &row.nanos);
        let line = text.lines().nth(2).unwrap();
        let expected = "| 100 connections | 150 | 375 | **2.25** (1.50–3.00) | 3,000 | **20.00** \
                        (20.00–20.00) |";
        assert_eq!(line, expected);
    }
}
