//! What a series of figures says: its least, its middle, its greatest.

/// A series, in order of size.
#[derive(Clone, PartialEq, Debug)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Of these figures.
    pub fn new(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// Of the ratio of each figure to the one of the same round.
    pub fn of_ratios(figures: &[f64], others: &[f64]) -> Self {
        Self::new(figures.iter().zip(others).map(|(figure, other)| figure / other).collect())
    }

    /// The least.
    pub fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The greatest.
    pub fn greatest(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// The one in the middle, or the mean of the two there.
    pub fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        match self.0.get(half) {
            None => f64::NAN,
            Some(upper) if self.0.len().is_multiple_of(2) => {
                f64::midpoint(self.0[half - 1], *upper)
            }
            Some(middle) => *middle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn least_median_and_greatest() {
        let odd = Spread::new(vec![3.0, 1.0, 2.0]);
        assert_eq!((odd.least(), odd.median(), odd.greatest()), (1.0, 2.0, 3.0));
        assert_eq!(Spread::new(vec![4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(Spread::new(Vec::new()).median().is_nan());
    }

    #[test]
    fn ratios_are_of_one_round() {
        let ratios = Spread::of_ratios(&[2.0, 30.0], &[1.0, 10.0]);
        assert_eq!((ratios.least(), ratios.greatest()), (2.0, 3.0));
    }
}
