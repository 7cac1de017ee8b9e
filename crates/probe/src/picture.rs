//! What was found as charts.

use chart::{Axis, Chart, Data, Mark, Place, Scale, Series, Unit};

use crate::buckets::Bucket;
use crate::fit::Growth;
use crate::probe::Counted;
use crate::results::{Findings, Measured};
use crate::run::Sample;
use crate::words;

/// With more curves than this only medians are drawn, and 99th percentiles in a picture of their own:
/// clouds of samples and shades would cover each other.
const CLOUDS_MAX: usize = 3;

/// The times of a probe. `other` is an earlier run of it to lay over, and what that is called.
#[must_use]
pub fn times(findings: &Findings, other: Option<(&Findings, &str)>) -> Chart {
    let mut chart = frame(findings, &findings.question, "time", Unit::Nanoseconds);
    let clouds = findings.curves.len() <= CLOUDS_MAX && other.is_none();
    chart.subtitle = match other {
        Some((_, label)) => format!("lines: medians now · dashed: {label}"),
        None if clouds => {
            "lines: medians · dots: samples · shade: median to p99 · dashed: fit".to_owned()
        }
        None => "lines: medians · dashed: fit".to_owned(),
    };
    for (colour, curve) in findings.curves.iter().enumerate() {
        let x = |n: f64| along(findings.counted, n);
        if clouds {
            chart.series.push(cloud(curve, colour, findings.counted));
            chart.series.push(shade(curve, colour, findings.counted));
        }
        chart.series.push(medians(&curve.buckets, &curve.name, colour, findings.counted));
        if other.is_none() {
            chart.series.extend(fitted(curve, colour, findings.counted));
        }
        if let Growth::Step { at, .. } = curve.growth {
            let text = format!("{}: step at {}", curve.name, words::counted(findings.counted, at));
            chart.marks.push(Mark { at: Place::X(x(at as f64)), text });
        }
    }
    if let Some((other, _)) = other {
        chart.series.extend(overlay(findings, other));
    }
    chart.marks.extend(ends(findings));
    chart
}

/// The 99th percentiles of a probe with so many curves that they are not in the picture of its times.
#[must_use]
pub fn tails(findings: &Findings) -> Option<Chart> {
    if findings.curves.len() <= CLOUDS_MAX {
        return None;
    }
    let title = format!("{}: 99th percentiles", findings.name);
    let mut chart = frame(findings, &title, "time", Unit::Nanoseconds);
    let point = |bucket: &Bucket| (along(findings.counted, bucket.n()), bucket.p99);
    let tail = |(colour, curve): (usize, &Measured)| {
        Series::new(&curve.name, colour, Data::Line(curve.buckets.iter().map(point).collect()))
    };
    chart.series.extend(findings.curves.iter().enumerate().map(tail));
    Some(chart)
}

/// The memory for each, if the probe measured it.
#[must_use]
pub fn memory(findings: &Findings) -> Option<Chart> {
    let mut chart = frame(
        findings,
        &format!("{}: memory for each", findings.name),
        "memory for each",
        Unit::Bytes,
    );
    for (colour, curve) in
        findings.curves.iter().enumerate().filter(|(_, curve)| !curve.memory.is_empty())
    {
        chart.series.push(medians(&curve.memory, &curve.name, colour, findings.counted));
    }
    (!chart.series.is_empty()).then_some(chart)
}

fn frame(findings: &Findings, title: &str, measured: &str, unit: Unit) -> Chart {
    let counted = match findings.counted {
        Counted::Things => Unit::Count,
        Counted::Kibibytes => Unit::Bytes,
    };
    Chart {
        title: title.to_owned(),
        x: Axis::new(&findings.against, counted, Scale::Log),
        y: Axis::new(measured, unit, Scale::Log),
        ..Chart::default()
    }
}

fn along(counted: Counted, n: f64) -> f64 {
    match counted {
        Counted::Things => n,
        Counted::Kibibytes => n * 1024.0,
    }
}

/// All samples.
fn cloud(curve: &Measured, colour: usize, counted: Counted) -> Series {
    let point = |sample: &Sample| (along(counted, sample.n as f64), sample.value);
    Series::new("", colour, Data::Points(curve.samples.iter().map(point).collect()))
}

/// From the medians to the 99th percentiles.
fn shade(curve: &Measured, colour: usize, counted: Counted) -> Series {
    let part = |bucket: &Bucket| (along(counted, bucket.n()), bucket.median, bucket.p99);
    Series::new("", colour, Data::Band(curve.buckets.iter().map(part).collect()))
}

fn medians(buckets: &[Bucket], name: &str, colour: usize, counted: Counted) -> Series {
    Series::new(name, colour, Data::Line(points(buckets, counted)))
}

fn points(buckets: &[Bucket], counted: Counted) -> Vec<(f64, f64)> {
    buckets.iter().map(|bucket| (along(counted, bucket.n()), bucket.median)).collect()
}

fn fitted(curve: &Measured, colour: usize, counted: Counted) -> Option<Series> {
    if curve.growth == Growth::Unknown {
        return None;
    }
    let points = match curve.growth {
        // The corner exactly where it is.
        Growth::Step { at, before, after } => {
            let first = curve.buckets.first()?.n();
            let at = at as f64;
            vec![(first, before), (at, before), (at, after), (curve.reached as f64, after)]
        }
        growth => curve.buckets.iter().map(|bucket| (bucket.n(), growth.at(bucket.n()))).collect(),
    };
    let points = points.into_iter().map(|(n, value)| (along(counted, n), value)).collect();
    Some(Series::new("", colour, Data::Dashed(points)))
}

/// The medians of the same curves in another run.
fn overlay(findings: &Findings, other: &Findings) -> Vec<Series> {
    let same = |(colour, curve): (usize, &Measured)| {
        let other = other.curves.iter().find(|other| other.name == curve.name)?;
        let points = points(&other.buckets, findings.counted);
        Some(Series::new("", colour, Data::Dashed(points)))
    };
    findings.curves.iter().enumerate().filter_map(same).collect()
}

/// Where curves end, those that end for the same reason in one mark at the last of them.
fn ends(findings: &Findings) -> Vec<Mark> {
    let mut found: Vec<(&str, Vec<&str>, u64)> = Vec::new();
    for curve in &findings.curves {
        let Some(reason) = &curve.end else { continue };
        // At the last sample; without any, where the first would have been.
        let at = if curve.reached > 0 { curve.reached } else { curve.tried.max(1) };
        match found.iter_mut().find(|(known, _, other)| known == reason && *other == at) {
            Some((_, names, _)) => names.push(&curve.name),
            None => found.push((reason, vec![&curve.name], at)),
        }
    }
    let mark = |(reason, names, at): (&str, Vec<&str>, u64)| Mark {
        at: Place::End(along(findings.counted, at as f64)),
        text: format!("{}: {reason}", names.join(", ")),
    };
    found.into_iter().map(mark).collect()
}
