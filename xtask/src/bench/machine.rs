//! What a benchmark ran on and with: figures mean nothing without it.

use std::fs;
use std::path::Path;
use std::thread;

use super::Effort;
use crate::Outcome;
use crate::run::Invocation;

/// A line of a list in Markdown: the day, the machine and its system.
pub fn describe() -> Outcome<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split_once(": ")).map_or("unknown", |(_, name)| name);
    let cores = thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kilobytes = memory.split_whitespace().nth(1).ok_or("/proc/meminfo is empty")?;
    let gigabytes = kilobytes.parse::<f64>()? / f64::from(1 << 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let day = quiet("date", &["--utc", "+%Y-%m-%d"])?;
    Ok(format!("- {day}: {model}, {cores} processors, {gigabytes:.0} GB, Linux {kernel}\n"))
}

/// The same, and a line each for the versions of the servers compared and how much was measured.
pub fn describe_servers(crore: &Path, effort: Effort) -> Outcome<String> {
    let crore = quiet(&crore.to_string_lossy(), &["--version"])?;
    let nginx = quiet("dpkg-query", &["--show", "--showformat", "${Version}", "nginx-light"])?;
    let wrk = quiet("dpkg-query", &["--show", "--showformat", "${Version}", "wrk"])?;
    let (machine, rustc) = (describe()?, rustc()?);
    let Effort { rounds, seconds, .. } = effort;
    Ok(format!(
        "{machine}\
         - {crore} (release, {rustc}), nginx-light {nginx}, wrk {wrk}\n\
         - {rounds} rounds of {seconds} s each; medians, and ratios as median (least–greatest)\n"
    ))
}

/// The compiler's version.
pub fn rustc() -> Outcome<String> {
    quiet("rustc", &["--version"])
}

fn quiet(program: &str, arguments: &[&str]) -> Outcome<String> {
    Ok(Invocation::new(program).arguments(arguments).quietly()?.trim().to_owned())
}
