//! Two charts in one picture: latency over time, and by percentile.

use chart::{Axis, Chart, Data, Mark, Place, Scale, Series, Unit};
use load::Tally;

use super::super::figures::Figures;

/// How wide a chart is, and how high one may be.
const SIZE: (u32, u32) = (chart::WIDTH, 480);

/// The picture.
pub fn svg(url: &str, phases: &[Figures]) -> String {
    let charts = [over_time(url, phases).element(), spectrum(phases).element()];
    let (width, height) = SIZE;
    let places = [0, height];
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\"><style>{}</style>",
        2 * height,
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
            marks.push(Mark { at: Place::X(start * 1e9), text: figures.name.clone() });
        }
        for (index, packed) in &figures.spans {
            let Some(latency) = packed.unpack() else { continue };
            let seconds = start + figures.span.as_secs_f64() * (f64::from(*index) + 0.5);
            for (points, quantile) in series.iter_mut().zip([0.5, 0.99, 0.999, 1.0]) {
                points.push((seconds * 1e9, latency.at(quantile).as_nanos() as f64));
            }
        }
        start += figures.seconds;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chart::{Data, Place};
    use load::Times;

    use super::super::super::figures::Figures;
    use super::{over_time, svg};

    fn phase(name: &str) -> Figures {
        let mut times = Times::default();
        times.record(1_000_000);
        let spans = (0..10).map(|index| (index, times.pack())).collect();
        let span = Duration::from_millis(200);
        Figures { name: name.into(), seconds: 2.0, span, spans, ..Figures::default() }
    }

    /// The second phase was drawn thousands of years after the first.
    #[test]
    fn phases_follow_one_another_in_time() {
        let chart = over_time("", &[phase("one"), phase("two")]);
        for series in &chart.series {
            let Data::Line(points) = &series.data else { panic!("{series:?}") };
            let seconds: Vec<f64> = points.iter().map(|(x, _)| x / 1e9).collect();
            assert_eq!(seconds.len(), 20);
            assert!(seconds.windows(2).all(|pair| pair[1] > pair[0]), "{seconds:?}");
            assert!(seconds[10] > 2.0 && seconds[19] < 4.0, "{seconds:?}");
        }
        assert_eq!(chart.marks[1].at, Place::X(2e9));
    }

    #[test]
    fn the_charts_fit_the_picture_they_are_in() {
        let text = svg("http://127.0.0.1/", &[phase("one")]);
        let number = |attribute: &str, nth: usize| {
            let from = text.match_indices(attribute).nth(nth).unwrap().0 + attribute.len();
            let digits: String =
                text[from..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            digits.parse::<f64>().unwrap()
        };
        let (width, height) = (number("viewBox=\"0 0 ", 0), 480.0);
        assert_eq!(
            number("class=\"chart\" role=\"img\" aria-label=\"Latency over time\" width=\"", 0),
            width
        );
        for chart in [1, 2] {
            let inner = format!("viewBox=\"0 0 {width} ");
            assert!(number(&inner, chart) <= height, "{chart}");
        }
    }
}
