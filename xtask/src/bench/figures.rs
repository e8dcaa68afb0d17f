//! Turns samples into figures: median and quartiles, and their text.

use std::fmt;

/// Median and quartiles of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// A quarter of the samples lies below.
    pub low: f64,
    /// Half of them.
    pub median: f64,
    /// Three quarters.
    pub high: f64,
}

impl Figure {
    /// Returns the figures of at least one sample; `None` without any.
    #[must_use]
    pub fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.retain(|sample| sample.is_finite());
        samples.sort_by(f64::total_cmp);
        Some(Self {
            low: quantile(&samples, 0.25)?,
            median: quantile(&samples, 0.5)?,
            high: quantile(&samples, 0.75)?,
        })
    }
}

/// Returns a quantile of sorted samples, interpolated between neighbours.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions among a few samples"
)]
fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (below, above) = (*sorted.get(below)?, *sorted.get(above)?);
    Some(below + (above - below) * place.fract())
}

/// `1234 (1200-1300)`: the median and, with `{:#}`, the quartiles.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", short(self.median))?;
        if f.alternate() {
            write!(f, " ({}-{})", short(self.low), short(self.high))?;
        }
        Ok(())
    }
}

/// Returns a number with about three digits.
#[must_use]
pub fn short(number: f64) -> String {
    let size = number.abs();
    if size >= 100.0 {
        format!("{number:.0}")
    } else if size >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// Returns `+5.1 %` of a ratio of 1.051.
#[must_use]
pub fn percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let figure = Figure::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((figure.low, figure.median, figure.high), (1.75, 2.5, 3.25));
        let one = Figure::of(vec![7.0]).unwrap();
        assert_eq!((one.low, one.median, one.high), (7.0, 7.0, 7.0));
        assert_eq!(Figure::of(vec![f64::NAN]), None);
    }

    #[test]
    fn numbers_have_about_three_digits() {
        assert_eq!([1234.4, 12.34, 1.234].map(short), ["1234", "12.3", "1.23"]);
        assert_eq!(percent(1.0512), "+5.1 %");
        assert_eq!(percent(0.98), "-2.0 %");
    }
}
