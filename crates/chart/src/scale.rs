//! How values become places on an axis, and where its ticks are.

use crate::{Axis, Unit};

/// How values become places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally long. Starts at zero unless values are negative.
    #[default]
    Linear,
    /// Equal ratios are equally long; only values above zero have a place. Never shows less than a
    /// factor of ten, so that noise does not look like growth.
    Log,
    /// Quantiles from 0 to 1 by 1/(1−q), logarithmic, as percentile spectra are drawn: each further
    /// nine is equally long. The quantile 1 has no place of its own and ends at the last one.
    Percentile,
}

/// An axis with its range decided: the largest quantile it can tell from 1 is nine nines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    scale: Scale,
    unit: Unit,
    from: f64,
    to: f64,
}

/// A place on an axis that is marked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The place, from 0 to 1.
    pub at: f64,
    /// Its label; a fine line without one when `None`.
    pub label: Option<String>,
}

/// Labelled ticks at most.
const TICKS_MAX: f64 = 9.0;

/// The largest quantile with a place.
const QUANTILE_MAX: f64 = 1.0 - 1e-9;

impl Mapping {
    /// The mapping of `axis` for `values`, which may come in any order.
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let Axis { scale, unit, range, .. } = *axis;
        let usable = |value: &f64| value.is_finite() && (scale != Scale::Log || *value > 0.0);
        let given = range.filter(|(from, to)| usable(from) && usable(to) && from < to);
        let is_given = given.is_some();
        let (from, to) = given.unwrap_or_else(|| {
            values.filter(usable).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        });
        let (from, to) = if from > to { (1.0, 10.0) } else { (from, to) };
        let (from, to) = match scale {
            _ if is_given && scale != Scale::Percentile => (from, to),
            Scale::Linear => round_range(unit, from.min(0.0), to.max(0.0)),
            Scale::Log => round_ratio(unit, from, to),
            Scale::Percentile => (0.0, to.clamp(0.9, QUANTILE_MAX)),
        };
        Self { scale, unit, from, to }
    }

    /// The place of `value`: 0 at the start of the axis, 1 at its end, outside of that beyond it.
    /// `None` when it has no place on this scale.
    pub fn place(&self, value: f64) -> Option<f64> {
        let usable = match self.scale {
            Scale::Linear => value.is_finite(),
            Scale::Log => value.is_finite() && value > 0.0,
            Scale::Percentile => (0.0..=1.0).contains(&value),
        };
        usable.then(|| {
            let value = if self.scale == Scale::Percentile { value.min(self.to) } else { value };
            let length = self.along(self.to) - self.along(self.from);
            (self.along(value) - self.along(self.from)) / length
        })
    }

    fn along(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value,
            Scale::Log => value.ln(),
            Scale::Percentile => -(1.0 - value).ln(),
        }
    }

    /// The ticks, in order.
    pub fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(),
            Scale::Log if self.unit.base() == 2.0 => self.doubling_ticks(),
            Scale::Log => self.decade_ticks(),
            Scale::Percentile => self.percentile_ticks(),
        }
    }

    fn linear_ticks(&self) -> Vec<Tick> {
        let step = round_step(self.unit, self.to - self.from);
        let (first, last) = ((self.from / step).ceil(), (self.to / step + 1e-9).floor());
        let mut ticks = Vec::new();
        let mut index = first;
        while index <= last {
            ticks.extend(self.tick(index * step, true));
            index += 1.0;
        }
        ticks
    }

    /// Powers of two, every so many of them.
    fn doubling_ticks(&self) -> Vec<Tick> {
        let doublings = (self.to / self.from).log2();
        let every = (doublings / TICKS_MAX).ceil().max(1.0);
        let mut power = (self.from.log2() / every - 1e-9).ceil() * every;
        let mut ticks = Vec::new();
        while power <= self.to.log2() + 1e-9 {
            ticks.extend(self.tick(power.exp2(), true));
            power += every;
        }
        ticks
    }

    /// Powers of ten, with fine lines between them; with few of them 2 and 5 are labelled, too.
    fn decade_ticks(&self) -> Vec<Tick> {
        let decades = (self.to / self.from).log10();
        let every = (decades / TICKS_MAX).ceil().max(1.0) as i32;
        let first = (self.from.log10() + 1e-9).floor() as i32;
        let last = (self.to.log10() + 1e-9).floor() as i32;
        let mut ticks = Vec::new();
        for power in (first..=last).filter(|power| every == 1 || power.rem_euclid(every) == 0) {
            for digit in 1..=9 {
                let labelled = digit == 1 || (decades <= 3.01 && (digit == 2 || digit == 5));
                if labelled || every == 1 {
                    ticks.extend(self.tick(f64::from(digit) * 10_f64.powi(power), labelled));
                }
            }
        }
        ticks
    }

    fn percentile_ticks(&self) -> Vec<Tick> {
        let nines = (1..=9).map(|nines| 1.0 - 10_f64.powi(-nines));
        let quantiles = [0.0, 0.5].into_iter().chain(nines);
        let shown = quantiles.filter(|quantile| *quantile <= self.to + 1e-12);
        shown
            .filter_map(|quantile| {
                let at = self.place(quantile)?;
                Some(Tick { at, label: Some(percent(quantile)) })
            })
            .collect()
    }

    fn tick(&self, value: f64, labelled: bool) -> Option<Tick> {
        let at = self.place(value).filter(|at| (-1e-9..=1.0 + 1e-9).contains(at))?;
        Some(Tick { at, label: labelled.then(|| self.unit.format(value)) })
    }
}

/// A quantile as a percentage with just the nines it has.
fn percent(quantile: f64) -> String {
    let text = format!("{:.7}", quantile * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A range around both values that ends on ticks.
fn round_range(unit: Unit, from: f64, to: f64) -> (f64, f64) {
    let to = if to > from { to } else { from + 1.0 };
    let step = round_step(unit, to - from);
    ((from / step).floor() * step, (to / step - 1e-9).ceil() * step)
}

/// The distance of ticks for a range of this length.
fn round_step(unit: Unit, length: f64) -> f64 {
    let least = length / TICKS_MAX;
    if unit.base() == 2.0 {
        return least.log2().ceil().exp2().max(1.0);
    }
    let decade = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= least);
    factor.unwrap_or(10.0) * decade
}

/// A range around both values that ends on round ones and spans a factor of ten or more.
fn round_ratio(unit: Unit, from: f64, to: f64) -> (f64, f64) {
    if unit.base() == 2.0 {
        let (low, high) = (from.log2().floor(), to.log2().ceil());
        return (low.exp2(), high.max(low + 4.0).exp2());
    }
    let widen = (10.0 * from / to).max(1.0).sqrt();
    (round_down(from / widen), round_up(to * widen))
}

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf((value.log10() + 1e-9).floor());
    let factor = [5.0, 2.0].into_iter().find(|factor| factor * decade <= value * (1.0 + 1e-9));
    factor.unwrap_or(1.0) * decade
}

fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf((value.log10() - 1e-9).floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= value * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * decade
}
