//! Two charts in one picture: latency over time, and by percentile.

use chart::{Axis, Chart, Data, Mark, Place, Scale, Series, Unit};
use load::Tally;

use super::super::figures::Figures;

/// How high a chart is, and how wide.
const HEIGHT: u32 = 480;

/// The picture.
pub fn svg(url: &str, phases: &[Figures]) -> String {
    let charts = [over_time(url, phases).element(), spectrum(phases).element()];
    let places = [0, HEIGHT];
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {}\"><style>{}</style>",
        2 * HEIGHT,
        chart::STYLE
    );
    for (element, y) in charts.iter().zip(places) {
        let placed = element.replacen("<svg ", &format!("<svg y=\"{y}\" "), 1);
        text.push_str(&placed);
    }
    text.push_str("</svg>\n");
    text
}

fn over_time(url: &str, phases: &[Figures]) -> Chart {
    let mut series: [Vec<(f64, f64)>; 4] = Default::default();
    let mut marks = Vec::new();
    let mut start = 0.0;
    for figures in phases {
        if phases.len() > 1 {
            marks.push(Mark { at: Place::X(start), text: figures.name.clone() });
        }
        for (index, packed) in &figures.spans {
            let Some(latency) = packed.unpack() else { continue };
            let seconds = start + figures.span.as_secs_f64() * (f64::from(*index) + 0.5);
            for (points, quantile) in series.iter_mut().zip([0.5, 0.99, 0.999, 1.0]) {
                points.push((seconds * 1e9, latency.at(quantile).as_nanos() as f64));
            }
        }
        start += figures.seconds * 1e9;
    }
    let names = ["p50", "p99", "p99.9", "greatest"];
    Chart {
        title: "Latency over time".to_owned(),
        subtitle: url.to_owned(),
        x: Axis::new("time", Unit::Nanoseconds, Scale::Linear),
        y: Axis::new("latency", Unit::Nanoseconds, Scale::Log),
        series: series
            .into_iter()
            .zip(names)
            .enumerate()
            .map(|(colour, (points, name))| Series::new(name, colour, Data::Line(points)))
            .collect(),
        marks,
    }
}

fn spectrum(phases: &[Figures]) -> Chart {
    let line = |(colour, figures): (usize, &Figures)| {
        let name = if phases.len() > 1 { figures.name.as_str() } else { "latency" };
        Series::new(name, colour, Data::Line(points(&figures.tally)))
    };
    let open = phases.iter().all(|figures| figures.rate.is_some());
    let closed = phases.iter().all(|figures| figures.rate.is_none());
    let subtitle = match (open, closed) {
        (true, _) => "open loop: from when a request was due",
        (_, true) => "closed loop: from when a request was sent",
        _ => "open and closed loop",
    };
    Chart {
        title: "Latency by percentile".to_owned(),
        subtitle: subtitle.to_owned(),
        x: Axis::new("percentile", Unit::Share, Scale::Percentile),
        y: Axis::new("latency", Unit::Nanoseconds, Scale::Log),
        series: phases.iter().enumerate().map(line).collect(),
        marks: Vec::new(),
    }
}

/// The latency at percentiles that lie ever closer towards the greatest, as far as there were enough
/// answers to tell.
fn points(tally: &Tally) -> Vec<(f64, f64)> {
    let count = tally.latency.count() as f64;
    let steps = (0..).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 20.0));
    steps
        .take_while(|quantile| count > 0.0 && (1.0 - quantile) * count >= 1.0)
        .map(|quantile| (quantile, tally.latency.at(quantile).as_nanos() as f64))
        .collect()
}
