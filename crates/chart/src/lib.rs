//! Charts as SVG: what `crore probe` and `crore load --svg` draw their measurements with.
//!
//! A [`Chart`] is a plain value: two axes, some series, some marks. [`Chart::svg`] draws it. The same
//! chart always gives the same bytes; all text is escaped; there are no scripts, no fonts to load and
//! no addresses in what is drawn. Colours follow the reader's light or dark setting
//! (`prefers-color-scheme`). What cannot be drawn (a value that is not finite, zero on a logarithmic
//! axis) is left out, never moved to where it would look like another value.
//!
//! ```
//! use chart::{Axis, Chart, Data, Mark, Place, Scale, Series, Unit};
//!
//! let chart = Chart {
//!     title: "connect() against open connections".to_owned(),
//!     x: Axis::new("connections open", Unit::Count, Scale::Log),
//!     y: Axis::new("time of a call", Unit::Nanoseconds, Scale::Log),
//!     series: vec![Series::new("median", 0, Data::Line(vec![(1.0, 9_000.0), (1e4, 10_000.0)]))],
//!     marks: vec![Mark { at: Place::X(1e4), text: "no descriptors left".to_owned() }],
//!     ..Chart::default()
//! };
//! assert!(chart.svg().starts_with("<svg "));
//! ```

#![forbid(unsafe_code)]

mod draw;
mod marks;
mod path;
mod scale;
mod style;
mod unit;
mod xml;

#[cfg(test)]
mod tests;

pub use scale::Scale;
pub use style::STYLE;
pub use unit::Unit;
pub use xml::escape;

/// One chart: everything that is drawn, as data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The heading.
    pub title: String,
    /// A second, smaller line below the title; none when empty.
    pub subtitle: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, from back to front.
    pub series: Vec<Series>,
    /// Places with something to say: where data ends and why, limits, steps.
    pub marks: Vec<Mark>,
}

/// One axis: what it shows, and how values become places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What is shown, without the unit.
    pub label: String,
    /// The unit its values are in.
    pub unit: Unit,
    /// How values become places.
    pub scale: Scale,
    /// The first and last value shown; from the data when `None`. Lines are cut off at its ends.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis whose range comes from the data.
    #[must_use]
    pub fn new(label: &str, unit: Unit, scale: Scale) -> Self {
        Self { label: label.to_owned(), unit, scale, range: None }
    }
}

/// Values drawn in one colour and one manner.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name in the legend; not in the legend when empty.
    pub name: String,
    /// Which of the palette's [`COLOURS`] colours; more wrap around. Series that show the same thing,
    /// say samples and their median, share one.
    pub colour: usize,
    /// The values.
    pub data: Data,
}

impl Series {
    /// A series named `name`.
    #[must_use]
    pub fn new(name: &str, colour: usize, data: Data) -> Self {
        Self { name: name.to_owned(), colour, data }
    }
}

/// How wide every chart is, in pixels.
pub const WIDTH: u32 = 860;

/// The number of colours that can be told apart, also by people who do not see all colours.
pub const COLOURS: usize = 8;

/// The values of a series as (x, y), and how they are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A line from point to point.
    Line(Vec<(f64, f64)>),
    /// A dashed line from point to point: what was computed, not measured.
    Dashed(Vec<(f64, f64)>),
    /// A line that stays level until the next point.
    Step(Vec<(f64, f64)>),
    /// A dot for each point. Dots that would cover each other exactly are drawn once.
    Points(Vec<(f64, f64)>),
    /// The area between two values: (x, low, high).
    Band(Vec<(f64, f64, f64)>),
}

/// A place in the chart with something to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub at: Place,
    /// What there is to say; wrapped where it is long.
    pub text: String,
}

/// Where a mark is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// A vertical line at a value of the x axis.
    X(f64),
    /// A vertical line where the data ends: the reason why there is no more.
    End(f64),
    /// A horizontal line at a value of the y axis.
    Y(f64),
}

impl Chart {
    /// The chart as an SVG document of its own, style included.
    #[must_use]
    pub fn svg(&self) -> String {
        draw::draw(self, true)
    }

    /// The chart as an `<svg>` element to put into an HTML page that has [`STYLE`] in its own
    /// `<style>`.
    #[must_use]
    pub fn element(&self) -> String {
        draw::draw(self, false)
    }
}
