//! Draws one chart of every kind: `cargo run -p crore-chart --example gallery > gallery.html`.

use chart::{Axis, Chart, Data, Mark, Place, STYLE, Scale, Series, Unit};

fn growth() -> Chart {
    let count = |step: u32| 10_f64.powf(f64::from(step) / 40.0);
    let noise = |step: u32| 1.0 + f64::from(step * 7919 % 97) / 300.0;
    let time = |n: f64| if n > 14_116.0 { 1_018_000.0 } else { 10_000.0 };
    let counts = || (0..=180).map(|step| (step, count(step)));
    let points = counts().map(|(step, n)| (n, time(n) * noise(step))).collect();
    let band = counts().map(|(_, n)| (n, time(n), time(n) * 1.6)).collect();
    let median = counts().map(|(_, n)| (n, time(n) * 1.1)).collect();
    Chart {
        title: "connect() to 127.0.0.1 against connections open".to_owned(),
        subtitle: "flat at 10 µs to 14,115; step to 1.02 ms at 14,116".to_owned(),
        x: Axis::new("connections open", Unit::Count, Scale::Log),
        y: Axis::new("time of one connect()", Unit::Nanoseconds, Scale::Log),
        series: vec![
            Series::new("samples", 0, Data::Points(points)),
            Series::new("median to p99", 0, Data::Band(band)),
            Series::new("median", 0, Data::Line(median)),
            Series::new(
                "fit: step",
                1,
                Data::Dashed(counts().map(|(_, n)| (n, time(n))).collect()),
            ),
        ],
        marks: vec![
            Mark { at: Place::X(14_116.0), text: "step at 14,116".to_owned() },
            Mark {
                at: Place::End(count(180)),
                text: "no ports left (EADDRNOTAVAIL): all of 32768–60999 are taken".to_owned(),
            },
        ],
    }
}

fn spectrum() -> Chart {
    let steps = || (0..=40).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 10.0));
    let times = |scale: f64| steps().map(|q| (q, scale * (1.0 + 0.4 * -(1.0 - q).ln()))).collect();
    Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis::new("percentile", Unit::Share, Scale::Percentile),
        y: Axis::new("latency", Unit::Nanoseconds, Scale::Linear),
        series: vec![
            Series::new("crore", 0, Data::Line(times(90e3))),
            Series::new("another", 1, Data::Line(times(180e3))),
        ],
        ..Chart::default()
    }
}

fn rate() -> Chart {
    let points = (0..60).map(|s| (f64::from(s) * 1e9, 150e3 + 3e3 * f64::from(s % 7))).collect();
    Chart {
        title: "Requests a second".to_owned(),
        x: Axis::new("time", Unit::Nanoseconds, Scale::Linear),
        y: Axis::new("requests", Unit::PerSecond, Scale::Linear),
        series: vec![Series::new("answered", 2, Data::Step(points))],
        marks: vec![Mark { at: Place::Y(160e3), text: "rate asked for".to_owned() }],
        ..Chart::default()
    }
}

fn main() {
    let charts = [growth(), spectrum(), rate()].map(|chart| chart.element()).concat();
    println!(
        "<!doctype html><meta charset=utf-8><title>Charts</title><style>{STYLE}</style>{charts}"
    );
}
