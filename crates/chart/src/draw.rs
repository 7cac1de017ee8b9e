//! A chart as an SVG document: the layout, from back to front.
//!
//! The plot is a nested `<svg>`, which cuts off what leaves it, so that nothing in a document needs an
//! identifier and many charts can stand in one page.

use std::fmt::Write;

use crate::scale::{Mapping, Tick};
use crate::xml::{self, coordinate};
use crate::{Axis, Chart, Data, Mark, Place, Series, marks, path, style};

const WIDTH: f64 = crate::WIDTH as f64;
const PLOT_HEIGHT: f64 = 340.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = WIDTH - 24.0;

/// The height of a line of small text.
pub(crate) const LINE_HEIGHT: f64 = 16.0;

/// Where the plot lies in the picture, in pixels, and what its axes show.
pub(crate) struct Plot {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    x: Mapping,
    y: Mapping,
}

impl Plot {
    fn new(chart: &Chart, top: f64) -> Self {
        // What is marked is within the axes, too.
        let marked_x = |mark: &Mark| match mark.at {
            Place::X(value) | Place::End(value) => Some(value),
            Place::Y(_) => None,
        };
        let marked_y = |mark: &Mark| match mark.at {
            Place::Y(value) => Some(value),
            Place::X(_) | Place::End(_) => None,
        };
        let across = chart.series.iter().flat_map(|series| xs(&series.data));
        let upwards = chart.series.iter().flat_map(|series| ys(&series.data));
        let x = Mapping::new(&chart.x, across.chain(chart.marks.iter().filter_map(marked_x)));
        let y = Mapping::new(&chart.y, upwards.chain(chart.marks.iter().filter_map(marked_y)));
        Self { left: LEFT, right: RIGHT, top, bottom: top + PLOT_HEIGHT, x, y }
    }

    /// Pixels from the left of the plot.
    fn across(&self, value: f64) -> Option<f64> {
        self.x.place(value).map(|place| place * (self.right - self.left))
    }

    /// Pixels from the top of the plot.
    fn down(&self, value: f64) -> Option<f64> {
        self.y.place(value).map(|place| (1.0 - place) * (self.bottom - self.top))
    }

    /// Pixels from the left of the picture; `None` when outside of the plot.
    pub fn x_inside(&self, value: f64) -> Option<f64> {
        self.across(value).map(|x| x + self.left).filter(|x| (self.left..=self.right).contains(x))
    }

    /// Pixels from the top of the picture; `None` when outside of the plot.
    pub fn y_inside(&self, value: f64) -> Option<f64> {
        self.down(value).map(|y| y + self.top).filter(|y| (self.top..=self.bottom).contains(y))
    }

    fn point(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.across(x)?, self.down(y)?))
    }

    /// How many points of `series` lie in a part of the picture.
    pub fn points_in(&self, series: &[Series], across: (f64, f64), down: (f64, f64)) -> usize {
        let inside = |(x, y): &(f64, f64)| {
            let within = |value: f64, (from, to): (f64, f64)| (from..=to).contains(&value);
            within(x + self.left, across) && within(y + self.top, down)
        };
        let count = |series: &Series| {
            let data = xs(&series.data).into_iter().zip(upper(&series.data));
            data.filter_map(|point| self.point(point)).filter(inside).count()
        };
        series.iter().map(count).sum()
    }
}

/// Draws `chart`; as a document of its own with its style, or as an element of a page.
pub(crate) fn draw(chart: &Chart, alone: bool) -> String {
    let mut body = String::new();
    let top = head(&mut body, chart);
    let plot = Plot::new(chart, top);
    axes(&mut body, &plot, chart);
    contents(&mut body, &plot, &chart.series);
    marks::draw(&mut body, &plot, chart);
    let height = coordinate(plot.bottom + 50.0);
    let namespace = if alone { r#" xmlns="http://www.w3.org/2000/svg""# } else { "" };
    let style = if alone { format!("<style>{}</style>\n", style::STYLE) } else { String::new() };
    let title = xml::escape(&chart.title);
    format!(
        r#"<svg{namespace} class="chart" role="img" aria-label="{title}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">
{style}<rect class="ground" width="{WIDTH}" height="{height}"/>
{body}</svg>
"#
    )
}

/// Title, subtitle and legend; answers where the plot may start.
fn head(out: &mut String, chart: &Chart) -> f64 {
    let mut down = 28.0;
    xml::text(out, "title", (20.0, down), &chart.title);
    if !chart.subtitle.is_empty() {
        down += 20.0;
        xml::text(out, "subtitle", (20.0, down), &chart.subtitle);
    }
    legend(out, &chart.series, down) + 14.0
}

/// One entry for each named series, in rows; answers where its last row is.
fn legend(out: &mut String, series: &[Series], mut down: f64) -> f64 {
    let mut across = WIDTH;
    for series in series.iter().filter(|series| !series.name.is_empty()) {
        let width = 26.0 + width_of(&series.name) + 18.0;
        if across + width > WIDTH {
            across = 20.0;
            down += 22.0;
        }
        let y = down - 4.0;
        let (from, middle, to) =
            (coordinate(across), coordinate(across + 9.0), coordinate(across + 18.0));
        let (kind, d) = match series.data {
            Data::Line(_) | Data::Step(_) => ("line", format!("M{from} {y}H{to}")),
            Data::Dashed(_) => ("dashed", format!("M{from} {y}H{to}")),
            Data::Points(_) => ("points", format!("M{middle} {y}h0")),
            Data::Band(_) => ("band", format!("M{from} {}H{to}v10H{from}Z", y - 5.0)),
        };
        xml::path(out, &format!("{kind} {}", style::colour(series.colour)), &d);
        xml::text(out, "legend", (across + 24.0, down), &series.name);
        across += width;
    }
    down
}

/// The grid, the frame, ticks and labels.
fn axes(out: &mut String, plot: &Plot, chart: &Chart) {
    let (left, right) = (coordinate(plot.left), coordinate(plot.right));
    let (top, bottom) = (coordinate(plot.top), coordinate(plot.bottom));
    let x_at = |tick: &Tick| plot.left + tick.at * (plot.right - plot.left);
    let y_at = |tick: &Tick| plot.bottom - tick.at * (plot.bottom - plot.top);
    let (x_ticks, y_ticks) = (plot.x.ticks(), plot.y.ticks());
    for (class, labelled) in [("fine", false), ("grid", true)] {
        let mut d = String::new();
        for tick in x_ticks.iter().filter(|tick| tick.label.is_some() == labelled) {
            write!(d, "M{} {top}V{bottom}", coordinate(x_at(tick))).expect("writes to a String");
        }
        for tick in y_ticks.iter().filter(|tick| tick.label.is_some() == labelled) {
            write!(d, "M{left} {}H{right}", coordinate(y_at(tick))).expect("writes to a String");
        }
        xml::path(out, class, &d);
    }
    xml::path(out, "frame", &format!("M{left} {top}V{bottom}H{right}"));
    let mut free = f64::NEG_INFINITY;
    for tick in &x_ticks {
        let Some(label) = &tick.label else { continue };
        let (at, width) = (x_at(tick), width_of(label));
        // A label that would run into the one before is left out.
        if at - width / 2.0 >= free {
            xml::text(out, "xtick", (at, plot.bottom + 18.0), label);
            free = at + width / 2.0 + 6.0;
        }
    }
    for tick in &y_ticks {
        let Some(label) = &tick.label else { continue };
        xml::text(out, "ytick", (plot.left - 8.0, y_at(tick) + 4.0), label);
    }
    axis_labels(out, plot, &chart.x, &chart.y);
}

fn axis_labels(out: &mut String, plot: &Plot, x: &Axis, y: &Axis) {
    let middle = plot.left.midpoint(plot.right);
    xml::text(out, "xlabel", (middle, plot.bottom + 38.0), &x.label);
    let (label, height) = (xml::escape(&y.label), coordinate(plot.top.midpoint(plot.bottom)));
    writeln!(
        out,
        r#"<text class="ylabel" transform="translate(16 {height}) rotate(-90)">{label}</text>"#
    )
    .expect("writes to a String");
}

/// The series, cut off at the edges of the plot.
fn contents(out: &mut String, plot: &Plot, series: &[Series]) {
    let before = out.len();
    let (width, height) = (plot.right - plot.left, plot.bottom - plot.top);
    let (x, y) = (coordinate(plot.left), coordinate(plot.top));
    writeln!(out, r#"<svg x="{x}" y="{y}" width="{width}" height="{height}">"#)
        .expect("writes to a String");
    let empty = out.len();
    for series in series {
        let (kind, d) = shape(plot, &series.data);
        xml::path(out, &format!("{kind} {}", style::colour(series.colour)), &d);
    }
    if out.len() == empty {
        out.truncate(before);
        let middle = (plot.left.midpoint(plot.right), plot.top.midpoint(plot.bottom));
        xml::text(out, "empty", middle, "no data");
    } else {
        out.push_str("</svg>\n");
    }
}

/// The class and the path of a series.
fn shape(plot: &Plot, data: &Data) -> (&'static str, String) {
    let place = |point: &(f64, f64)| plot.point(*point);
    match data {
        // A line from one point to no other would not be seen.
        Data::Line(points) if points.iter().filter_map(place).count() == 1 => {
            ("dot", path::dots(points.iter().map(place)))
        }
        Data::Line(points) => ("line", path::line(points.iter().map(place))),
        Data::Dashed(points) => ("dashed", path::line(points.iter().map(place))),
        Data::Step(points) => ("line", path::step(points.iter().map(place))),
        Data::Points(points) => ("points", path::dots(points.iter().map(place))),
        Data::Band(points) => {
            let both = |(x, low, high): &(f64, f64, f64)| {
                Some((plot.point((*x, *low))?, plot.point((*x, *high))?))
            };
            let (lower, upper): (Vec<_>, Vec<_>) = points.iter().filter_map(both).unzip();
            ("band", path::area(&lower, &upper))
        }
    }
}

fn xs(data: &Data) -> Vec<f64> {
    match data {
        Data::Line(points) | Data::Dashed(points) | Data::Step(points) | Data::Points(points) => {
            points.iter().map(|(x, _)| *x).collect()
        }
        Data::Band(points) => points.iter().map(|(x, _, _)| *x).collect(),
    }
}

/// One y value for each x value, the upper one of a band.
fn upper(data: &Data) -> Vec<f64> {
    match data {
        Data::Band(points) => points.iter().map(|(_, _, high)| *high).collect(),
        _ => ys(data),
    }
}

fn ys(data: &Data) -> Vec<f64> {
    match data {
        Data::Line(points) | Data::Dashed(points) | Data::Step(points) | Data::Points(points) => {
            points.iter().map(|(_, y)| *y).collect()
        }
        Data::Band(points) => points.iter().flat_map(|(_, low, high)| [*low, *high]).collect(),
    }
}

/// About how wide a line of small text is: there is no font to ask, so a little more than most.
pub(crate) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.6
}
