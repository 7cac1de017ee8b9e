//! Series as the `d` attribute of SVG paths. Points that have no place on an axis break a line.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::xml::coordinate;

/// A point in pixels; `None` where a value has no place.
type Point = Option<(f64, f64)>;

/// Lines from point to point.
pub(crate) fn line(points: impl Iterator<Item = Point>) -> String {
    let mut path = Path::default();
    for point in points {
        path.line_to(point);
    }
    path.d
}

/// Lines that stay level until the next point.
pub(crate) fn step(points: impl Iterator<Item = Point>) -> String {
    let mut path = Path::default();
    let mut height = None;
    for point in points {
        if let (Some((x, _)), Some(y)) = (point, height) {
            path.line_to(Some((x, y)));
        }
        path.line_to(point);
        height = point.map(|(_, y)| y);
    }
    path.d
}

/// Dots, each place once. A line of no length with round ends is one.
pub(crate) fn dots(points: impl Iterator<Item = Point>) -> String {
    let mut seen = BTreeSet::new();
    let mut d = String::new();
    for (x, y) in points.flatten() {
        // Less than a pixel cannot be told apart in a dot of three.
        let (x, y) = (x.round(), y.round());
        if seen.insert((x as i64, y as i64)) {
            let (x, y) = (coordinate(x), coordinate(y));
            write!(d, "M{x} {y}h0").expect("a String takes all that is written to it");
        }
    }
    d
}

/// The area between the lines of lower and upper points, which have the same length.
pub(crate) fn area(lower: &[(f64, f64)], upper: &[(f64, f64)]) -> String {
    let mut path = Path::default();
    for point in upper.iter().chain(lower.iter().rev()) {
        path.line_to(Some(*point));
    }
    if !path.d.is_empty() {
        path.d.push('Z');
    }
    path.d
}

#[derive(Default)]
struct Path {
    d: String,
    last: Option<(String, String)>,
}

impl Path {
    fn line_to(&mut self, point: Point) {
        let next = point.map(|(x, y)| (coordinate(x), coordinate(y)));
        if next == self.last {
            return;
        }
        if let Some((x, y)) = &next {
            let command = if self.last.is_some() { 'L' } else { 'M' };
            write!(self.d, "{command}{x} {y}").expect("a String takes all that is written to it");
        }
        self.last = next;
    }
}
