//! The report of `crore probe` in a real browser: every graph is drawn, in its place and readable, in light
//! and in dark.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

use rig::Outcome;
use rig::browser::Browser;
use rig::crore::program;
use rig::process::Process;
use rig::tree::Tree;

/// Where a picture of the page goes, if anywhere.
const SCREENSHOT: &str = "CRORE_PROBE_SCREENSHOT";

/// How long all probes at a small count may take on a busy machine, and the browser to show them.
const PROBES_MAX: Duration = Duration::from_secs(240);
const SHOW_MAX: Duration = Duration::from_secs(30);

/// Few, but enough that every graph has several buckets.
const COUNT: &str = "300";

/// Counts the graphs, and those of which something is wrong: without a line or dots inside the plot, with a
/// title outside of the picture, or with no height.
const LOOK: &str = "(() => {
    const charts = [...document.querySelectorAll('svg.chart')];
    const wrong = charts.filter(chart => {
        const outer = chart.getBoundingClientRect();
        const drawn = [...chart.querySelectorAll('svg path')];
        const empty = chart.querySelector('text.empty');
        const visible = drawn.some(path => {
            const box = path.getBoundingClientRect();
            return box.width > 1 && box.left >= outer.left && box.right <= outer.right + 1;
        });
        const title = chart.querySelector('text.title').getBoundingClientRect();
        return outer.height < 200 || !(visible || empty) || title.right > outer.right;
    });
    return charts.length + ' ' + wrong.length;
})()";

#[test]
#[ignore = "needs chromium: cargo xtask heavy"]
fn the_report_of_probe_renders() -> Outcome {
    let folder = Tree::new()?;
    let mut probe = Command::new(program()?);
    probe.args(["probe", "all", "--count", COUNT, "--out"]).arg(folder.root());
    let mut probe = Process::start(probe)?;
    assert!(probe.wait(PROBES_MAX)?.success(), "{}", probe.printed()?);

    let page = folder.root().join("report.html");
    let mut browser = Browser::open(&format!("file://{}", page.display()), 960, 1400)?;
    browser.wait_for("document.readyState", SHOW_MAX, |state| state == "complete")?;
    let sections = browser.text("document.querySelectorAll('section').length")?.parse::<usize>()?;
    let looked = browser.text(LOOK)?;
    let (charts, wrong) = looked.split_once(' ').ok_or("the browser did not look")?;
    assert!(sections >= 20, "{sections} probes");
    assert!(charts.parse::<usize>()? >= sections, "{charts} graphs of {sections} probes");
    assert_eq!(wrong, "0", "graphs that are not right");
    let says = browser.text("document.querySelectorAll('p.says').length")?.parse::<usize>()?;
    assert!(says > sections, "{says} lines");
    assert!(!browser.text("document.body.innerText")?.contains("NaN"));
    // Nothing sticks out of the page.
    let wide = "document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.text(wide)?, "true");
    if let Some(file) = env::var_os(SCREENSHOT) {
        fs::write(file, browser.screenshot()?)?;
    }
    Ok(())
}
