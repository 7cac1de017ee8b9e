//! One page that shows a whole run: self-contained, without a script.

use std::fmt::Write;

use base::Grouped;
use chart::{STYLE, Unit, escape};

use crate::picture;
use crate::results::{Findings, Measured, Results};
use crate::words;

const PAGE_STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5b6168;--line:#e4e6e9;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a4aab2;--line:#33373e;--ground:#16181c}}
body{font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;color:var(--ink);\
background:var(--ground);max-width:880px;margin:2rem auto 5rem;padding:0 1rem}
h1{font-size:1.9rem;margin:0}h2{margin:3rem 0 0;border-bottom:1px solid var(--line)}h3{margin:2.2rem 0 .3rem}
p{margin:.4rem 0}.soft{color:var(--soft);font-size:.9rem}a{color:inherit}
table{border-collapse:collapse;font-size:.9rem;margin:.6rem 0;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.number,th.number{text-align:right;white-space:nowrap}
";

/// The page for a run, laid over an `other` one if there is one, with what that is called.
#[must_use]
pub fn html(results: &Results, other: Option<(&Results, &str)>) -> String {
    let mut page = String::new();
    put(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>How this system scales</title>\n\
         <style>{PAGE_STYLE}{STYLE}</style>\n<h1>How this system scales</h1>\n\
         <p class=\"soft\">{}</p>\n",
            escape(&results.machine.line())
        ),
    );
    if let Some((other, label)) = other {
        let (label, machine) = (escape(label), escape(&other.machine.line()));
        put(&mut page, format_args!("<p class=\"soft\">Dashed lines are {label}: {machine}</p>\n"));
    }
    summary(&mut page, results);
    let mut family = "";
    for findings in &results.probes {
        if findings.family != family {
            family = &findings.family;
            put(&mut page, format_args!("<h2>{}</h2>\n", escape(family)));
        }
        let before = other.and_then(|(other, label)| {
            Some((other.probes.iter().find(|probe| probe.name == findings.name)?, label))
        });
        section(&mut page, findings, before);
    }
    page.push_str("</html>\n");
    page
}

/// One line for each curve, on top.
fn summary(page: &mut String, results: &Results) {
    page.push_str("<table>\n");
    for findings in &results.probes {
        let name = escape(&findings.name);
        let lines: Vec<String> = findings.lines().map(|line| escape(&line)).collect();
        let lines = lines.join("<br>");
        put(page, format_args!("<tr><td><a href=\"#{name}\">{name}</a><td>{lines}\n"));
    }
    page.push_str("</table>\n");
}

fn section(page: &mut String, findings: &Findings, other: Option<(&Findings, &str)>) {
    let (name, question) = (escape(&findings.name), escape(&findings.question));
    put(page, format_args!("<section id=\"{name}\">\n<h3>{name}: {question}</h3>\n"));
    for line in findings.lines() {
        put(page, format_args!("<p class=\"says\">{}</p>\n", escape(&line)));
    }
    if let Some((other, label)) = other {
        for line in compared(findings, other, label) {
            put(page, format_args!("<p class=\"compared\">{}</p>\n", escape(&line)));
        }
    }
    page.push_str(&picture::times(findings, other).element());
    for chart in [picture::tails(findings), picture::memory(findings)].into_iter().flatten() {
        page.push_str(&chart.element());
    }
    table(page, findings);
    let notes = findings.curves.iter().flat_map(|curve| &curve.notes);
    let with_root = findings.with_root.iter().map(|text| format!("As root: {text}"));
    let soft = [findings.method.clone()].into_iter().chain(notes.cloned()).chain(with_root);
    for text in soft {
        put(page, format_args!("<p class=\"soft\">{}</p>\n", escape(&text)));
    }
    page.push_str("</section>\n");
}

/// The first and the last bucket of each curve in numbers.
fn table(page: &mut String, findings: &Findings) {
    page.push_str(
        "<table>\n<tr><th><th class=\"number\">samples<th class=\"number\">median at first\
         <th class=\"number\">median at last<th class=\"number\">p99 at last<th class=\"number\">largest\n",
    );
    for curve in &findings.curves {
        let time = |value: Option<f64>| {
            value.map_or("–".to_owned(), |value| Unit::Nanoseconds.format(value))
        };
        let (first, last) = (curve.buckets.first(), curve.buckets.last());
        put(
            page,
            format_args!(
                "<tr><td>{}<td class=\"number\">{}<td class=\"number\">{}<td class=\"number\">{}\
             <td class=\"number\">{}<td class=\"number\">{}\n",
                escape(&curve.name),
                Grouped(curve.buckets.iter().map(|bucket| bucket.samples).sum()),
                time(first.map(|bucket| bucket.median)),
                time(last.map(|bucket| bucket.median)),
                time(last.map(|bucket| bucket.p99)),
                words::counted(findings.counted, curve.reached),
            ),
        );
    }
    page.push_str("</table>\n");
}

/// What the other run said of each curve, and how the times compare where both have them.
#[must_use]
pub fn compared(findings: &Findings, other: &Findings, label: &str) -> Vec<String> {
    let one = |curve: &Measured| {
        let before = other.curves.iter().find(|other| other.name == curve.name)?;
        let (at, now, then) = curve.buckets.iter().rev().find_map(|bucket| {
            let same = before
                .buckets
                .iter()
                .rev()
                .find(|other| other.first <= bucket.last && bucket.first <= other.last)?;
            Some((bucket.last.min(same.last), bucket.median, same.median))
        })?;
        let at = words::counted(findings.counted, at);
        let ratio = now / then;
        let word = match ratio {
            ratio if ratio > 1.1 => format!("{ratio:.1} times as long as"),
            ratio if ratio < 0.9 => format!("{:.1} times as fast as", 1.0 / ratio),
            _ => "the same as".to_owned(),
        };
        Some(format!("{}: at {at} {word} {label}, which was {}", curve.name, before.says))
    };
    findings.curves.iter().filter_map(one).collect()
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes all that is written to it");
}
