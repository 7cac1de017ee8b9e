//! What is drawn, read back from the document.

use crate::scale::Mapping;
use crate::{Axis, Chart, Data, Mark, Place, Scale, Series, Unit, escape};

fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
    let ticks = Mapping::new(axis, values.iter().copied()).ticks();
    ticks.into_iter().filter_map(|tick| tick.label).collect()
}

fn axis(unit: Unit, scale: Scale) -> Axis {
    Axis::new("", unit, scale)
}

fn example() -> Chart {
    Chart {
        title: "connect() & <friends>".to_owned(),
        subtitle: "\"quoted\" \u{1}".to_owned(),
        x: Axis::new("open", Unit::Count, Scale::Log),
        y: Axis::new("time", Unit::Nanoseconds, Scale::Log),
        series: vec![
            Series::new("samples", 0, Data::Points(vec![(1.0, 900.0), (1.0, 900.0), (9.0, 1e3)])),
            Series::new("p50 to p99", 0, Data::Band(vec![(1.0, 1e3, 2e3), (1e4, 1e3, 3e6)])),
            Series::new("median", 0, Data::Line(vec![(1.0, 1e3), (1e4, 2e3)])),
            Series::new("fit", 1, Data::Dashed(vec![(1.0, 1e3), (1e4, 1e3)])),
            Series::new("", 9, Data::Step(vec![(1.0, 1e3), (1e2, 1e4)])),
        ],
        marks: vec![
            Mark {
                at: Place::End(1e4),
                text: "no descriptors left: ulimit -n is 20,000".to_owned(),
            },
            Mark { at: Place::Y(1e6), text: "a millisecond".to_owned() },
        ],
    }
}

#[test]
fn a_line_of_one_point_is_seen() {
    let chart = Chart {
        series: vec![Series::new("once", 2, Data::Line(vec![(3.0, 5.0)]))],
        ..Chart::default()
    };
    assert!(chart.svg().contains("class=\"dot c2\""));
}

#[test]
fn linear_axes_have_round_ticks_and_start_at_zero() {
    let count = axis(Unit::Count, Scale::Linear);
    assert_eq!(labels(&count, &[3.0, 9.7]), ["0", "2", "4", "6", "8", "10"]);
    assert_eq!(labels(&count, &[-1.0, 1.0]), ["-1", "-0.5", "0", "0.5", "1"].map(str::to_owned));
    let time = axis(Unit::Nanoseconds, Scale::Linear);
    assert_eq!(labels(&time, &[2.4e6]), ["0", "500 µs", "1 ms", "1.5 ms", "2 ms", "2.5 ms"]);
    let bytes = axis(Unit::Bytes, Scale::Linear);
    assert_eq!(
        labels(&bytes, &[6000.0]),
        ["0", "1 KiB", "2 KiB", "3 KiB", "4 KiB", "5 KiB", "6 KiB"]
    );
}

#[test]
fn logarithmic_axes_have_a_tick_a_decade_and_more_when_short() {
    let time = axis(Unit::Nanoseconds, Scale::Log);
    assert_eq!(labels(&time, &[1e3, 5e3]), ["500 ns", "1 µs", "2 µs", "5 µs", "10 µs"]);
    let wide = labels(&time, &[1.0, 1e9]);
    assert_eq!(wide.first().map(String::as_str), Some("1 ns"));
    assert_eq!(wide.last().map(String::as_str), Some("1 s"));
    assert!(wide.len() <= 10, "{wide:?}");
    let bytes = axis(Unit::Bytes, Scale::Log);
    assert_eq!(labels(&bytes, &[1024.0, 16_384.0]), ["1 KiB", "2 KiB", "4 KiB", "8 KiB", "16 KiB"]);
}

#[test]
fn noise_on_a_logarithmic_axis_does_not_look_like_growth() {
    let mapping = Mapping::new(&axis(Unit::Count, Scale::Log), [100.0, 104.0].into_iter());
    let (low, high) = (mapping.place(100.0).unwrap(), mapping.place(104.0).unwrap());
    assert!(high - low < 0.05, "{low} to {high}");
}

#[test]
fn percentile_axes_give_each_nine_the_same_length() {
    let spectrum = axis(Unit::Share, Scale::Percentile);
    let mapping = Mapping::new(&spectrum, [0.0, 0.9999].into_iter());
    let at = |quantile| mapping.place(quantile).unwrap();
    assert!((at(0.99) - at(0.9) - (at(0.999) - at(0.99))).abs() < 1e-9);
    assert_eq!(mapping.place(1.0), Some(1.0), "the largest value ends at the edge");
    let expected = ["0%", "50%", "90%", "99%", "99.9%", "99.99%"];
    assert_eq!(labels(&spectrum, &[0.0, 0.9999]), expected);
    assert_eq!(Unit::Share.format(0.125), "12.5%");
}

#[test]
fn values_are_written_as_people_write_them() {
    let written = [
        (Unit::Count, 14_116.0, "14.1 k"),
        (Unit::Count, 9_999.0, "9,999"),
        (Unit::Count, 10_000_000.0, "10 M"),
        (Unit::Nanoseconds, 0.25, "0.25 ns"),
        (Unit::Nanoseconds, 999.9, "1 µs"),
        (Unit::Nanoseconds, 1_018_000.0, "1.02 ms"),
        (Unit::Nanoseconds, 90e9, "90 s"),
        (Unit::Bytes, 3957.0, "3.86 KiB"),
        (Unit::Bytes, 8.0 * 1024.0 * 1024.0 * 1024.0, "8 GiB"),
        (Unit::PerSecond, 157_000.0, "157 k/s"),
        (Unit::BytesPerSecond, 1.5e9, "1.5 GB/s"),
    ];
    for (unit, value, text) in written {
        assert_eq!(unit.format(value), text);
    }
}

#[test]
fn the_same_chart_gives_the_same_bytes() {
    assert_eq!(example().svg(), example().svg());
}

#[test]
fn all_text_is_escaped() {
    let svg = example().svg();
    assert!(svg.contains("connect() &amp; &lt;friends&gt;"));
    assert!(svg.contains("&quot;quoted&quot; \u{fffd}"));
    assert!(!svg.contains("<friends>") && !svg.contains('\u{1}'));
    assert_eq!(escape("a\nb'"), "a b&#39;");
}

#[test]
fn a_chart_draws_its_series_legend_and_marks_and_carries_no_script() {
    let svg = example().svg();
    for class in ["points c0", "band c0", "line c0", "dashed c1", "line c1", "end", "mark"] {
        assert!(svg.contains(&format!("<path class=\"{class}\"")), "{class}");
    }
    for text in ["samples", "p50 to p99", "median", "fit", "a millisecond"] {
        assert!(svg.contains(&format!(">{text}</text>")), "{text}");
    }
    assert!(svg.contains("no descriptors left: ulimit -n is"));
    assert!(svg.contains("prefers-color-scheme:dark"));
    for foreign in ["<script", "NaN", "inf", "href", "url("] {
        assert!(!svg.contains(foreign), "{foreign}");
    }
    assert!(!example().element().contains("<style>"));
}

#[test]
fn dots_in_one_place_are_drawn_once() {
    let svg = example().svg();
    let points = svg.lines().filter(|line| line.contains("class=\"points c0\""));
    let most = points.map(|line| line.matches('M').count()).max();
    assert_eq!(most, Some(2), "{svg}");
}

#[test]
fn the_text_of_a_mark_stays_off_the_data() {
    let y_of_text = |heights: [f64; 2]| {
        let points = (1..=100).map(|x| (f64::from(x), heights[usize::from(x > 50)])).collect();
        let mark = Mark { at: Place::End(100.0), text: "the end".to_owned() };
        let series = vec![Series::new("", 0, Data::Line(points))];
        let svg = Chart { series, marks: vec![mark], ..Chart::default() }.svg();
        let line = svg.lines().find(|line| line.contains(">the end<")).unwrap().to_owned();
        let y = line.split("y=\"").nth(1).and_then(|rest| rest.split('"').next());
        y.unwrap().parse::<f64>().unwrap()
    };
    assert!(y_of_text([1.0, 9.9]) > y_of_text([9.9, 1.0]) + 10.0);
}

#[test]
fn what_has_no_place_is_left_out_and_breaks_its_line() {
    let points = vec![(1.0, 1.0), (0.0, 1.0), (2.0, f64::NAN), (3.0, 4.0), (f64::INFINITY, 1.0)];
    let axis = axis(Unit::Count, Scale::Log);
    let series = vec![Series::new("", 0, Data::Line(points))];
    let svg = Chart { x: axis.clone(), y: axis, series, ..Chart::default() }.svg();
    let line = svg.lines().find(|line| line.contains("class=\"line c0\"")).unwrap();
    assert_eq!((line.matches('M').count(), line.matches('L').count()), (2, 0), "{line}");
    assert!(!svg.contains("NaN"));
}

#[test]
fn a_chart_without_data_says_so() {
    assert!(Chart::default().svg().contains(">no data</text>"));
    let series = vec![Series::new("", 0, Data::Points(vec![(f64::NAN, 1.0)]))];
    assert!(Chart { series, ..Chart::default() }.svg().contains(">no data</text>"));
}

#[test]
fn a_mark_beyond_the_data_is_within_the_axis() {
    let series = vec![Series::new("", 0, Data::Line(vec![(1.0, 1.0), (2000.0, 1.0)]))];
    let marks = vec![Mark { at: Place::End(2001.0), text: "why it ends".to_owned() }];
    let x = axis(Unit::Count, Scale::Log);
    let svg = Chart { x, series, marks, ..Chart::default() }.svg();
    assert!(svg.contains("class=\"end\"") && svg.contains(">why it ends<"));
}

#[test]
fn a_range_given_is_kept() {
    let given = Axis { range: Some((100.0, 20_000.0)), ..axis(Unit::Count, Scale::Log) };
    let mapping = Mapping::new(&given, [1.0, 1e6].into_iter());
    assert_eq!(mapping.place(100.0), Some(0.0));
    assert_eq!(mapping.place(20_000.0), Some(1.0));
    let backwards = Axis { range: Some((9.0, 1.0)), ..axis(Unit::Count, Scale::Linear) };
    assert_eq!(labels(&backwards, &[4.0]), ["0", "0.5", "1", "1.5", "2", "2.5", "3", "3.5", "4"]);
}
