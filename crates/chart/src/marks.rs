//! Marks: a line across the chart and, beside it, what there is to say, wrapped, where it covers the
//! least data and no other mark's text.

use crate::draw::{LINE_HEIGHT, Plot, width_of};
use crate::xml;
use crate::{Chart, Place, Series};

/// Room between a mark's line and its text.
const GAP: f64 = 6.0;

/// Wider texts are wrapped.
const WIDTH_MAX: f64 = 260.0;

/// A part of the picture: from and to, across and down.
type Area = ((f64, f64), (f64, f64));

/// Draws all marks, their lines first.
pub(crate) fn draw(out: &mut String, plot: &Plot, chart: &Chart) {
    let mut texts = Texts { plot, series: &chart.series, taken: Vec::new(), out: String::new() };
    for mark in &chart.marks {
        match mark.at {
            Place::X(value) => vertical(out, &mut texts, (value, "mark"), &mark.text),
            Place::End(value) => vertical(out, &mut texts, (value, "end"), &mark.text),
            Place::Y(value) => horizontal(out, &mut texts, value, &mark.text),
        }
    }
    out.push_str(&texts.out);
}

/// The texts written so far, and what they must not cover.
struct Texts<'a> {
    plot: &'a Plot,
    series: &'a [Series],
    taken: Vec<Area>,
    out: String,
}

fn vertical(out: &mut String, texts: &mut Texts<'_>, (value, class): (f64, &str), text: &str) {
    let plot = texts.plot;
    let Some(x) = plot.x_inside(value) else { return };
    let (top, bottom) = (xml::coordinate(plot.top), xml::coordinate(plot.bottom));
    xml::path(out, class, &format!("M{} {top}V{bottom}", xml::coordinate(x)));
    let lines = wrap(text);
    let width = lines.iter().map(|line| width_of(line)).fold(0.0, f64::max);
    let fits_after = x + GAP + width <= plot.right;
    let (class, at, across) = if fits_after {
        ("note", x + GAP, (x + GAP, x + GAP + width))
    } else {
        ("before", x - GAP, (x - GAP - width, x - GAP))
    };
    let mut down = texts.free(across, lines.len() as f64 * LINE_HEIGHT);
    for line in lines {
        down += LINE_HEIGHT;
        xml::text(&mut texts.out, class, (at, down - 3.0), &line);
    }
}

fn horizontal(out: &mut String, texts: &mut Texts<'_>, value: f64, text: &str) {
    let plot = texts.plot;
    let Some(y) = plot.y_inside(value) else { return };
    let (left, right) = (xml::coordinate(plot.left), xml::coordinate(plot.right));
    xml::path(out, "mark", &format!("M{left} {}H{right}", xml::coordinate(y)));
    let baseline = if y - LINE_HEIGHT < plot.top { y + LINE_HEIGHT } else { y - GAP };
    texts.taken.push(((plot.left, plot.right), (baseline - LINE_HEIGHT, baseline)));
    xml::text(&mut texts.out, "before", (plot.right - GAP, baseline), text);
}

impl Texts<'_> {
    /// The top of the place for a text of this height where it covers the fewest points; it is taken
    /// then.
    fn free(&mut self, across: (f64, f64), height: f64) -> f64 {
        let rows = ((self.plot.bottom - self.plot.top - height) / LINE_HEIGHT).max(1.0) as u32;
        let places = (0..rows).map(|row| self.plot.top + 4.0 + f64::from(row) * LINE_HEIGHT);
        let covered = |down: &f64| {
            // A line of text more than it needs, to keep off.
            let area = (across, (*down - LINE_HEIGHT, down + height + LINE_HEIGHT));
            let texts = self.taken.iter().filter(|other| overlap(area, **other)).count();
            (texts, self.plot.points_in(self.series, area.0, area.1))
        };
        let best = places.min_by_key(covered).unwrap_or(self.plot.top);
        self.taken.push((across, (best, best + height)));
        best
    }
}

fn overlap(one: Area, other: Area) -> bool {
    let meet = |one: (f64, f64), other: (f64, f64)| one.0 < other.1 && other.0 < one.1;
    meet(one.0, other.0) && meet(one.1, other.1)
}

/// `text` in lines of about [`WIDTH_MAX`], broken between words only.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line) + width_of(word) < WIDTH_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
