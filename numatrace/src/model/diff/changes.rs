//! The change of one quantity: values on both sides, significance test, verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use super::significance::{self, Test};
use crate::model::quantity::{ALL, Good, Measured, Measures, Of, Quantity, float};

/// Largest `p` of a significant change: one in a thousand, because a comparison tests hundreds of
/// numbers.
const SIGNIFICANT: f64 = 0.001;
/// Least change of a share that matters, half a point, however significant.
const SHARE_MATTERS: f64 = 0.005;
/// Least change of a rate that matters, as a part of the larger rate.
const RATE_MATTERS: f64 = 0.1;

/// The changes of one subject by name of the quantity.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Changes(pub BTreeMap<&'static str, Change>);

/// One quantity on both sides; `None` is not measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Value in the first session.
    pub before: Option<f64>,
    /// Value in the second session.
    pub after: Option<f64>,
    /// After minus before.
    pub difference: Option<f64>,
    /// Counts and times: per second of the first session.
    pub before_per_s: Option<f64>,
    /// Counts and times: per second of the second session.
    pub after_per_s: Option<f64>,
    /// The significance test with its sample sizes; `None` for a quantity that does not count
    /// events: times, and states at the end of a session.
    pub test: Option<Test>,
    /// Meaning of the change.
    pub verdict: Verdict,
}

/// Meaning of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A significant improvement.
    Better,
    /// A significant deterioration.
    Worse,
    /// A significant increase that is neither good nor bad.
    More,
    /// A significant decrease that is neither good nor bad.
    Less,
    /// No significant change, or one too small to matter.
    Same,
    /// Too few events for the test.
    TooFew,
    /// No test fits this quantity.
    Untested,
    /// At least one side did not measure the quantity.
    Unmeasured,
}

impl Verdict {
    /// Returns the verdict in words; empty for a quantity without a test.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::More => "more",
            Self::Less => "less",
            Self::Same => "same",
            Self::TooFew => "too few events",
            Self::Untested => "",
            Self::Unmeasured => "not measured",
        }
    }

    /// Returns whether the change is significant.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(self, Self::Better | Self::Worse | Self::More | Self::Less)
    }
}

impl Changes {
    /// Compares every quantity of a subject (the machine when `of` is `None`) that at least one
    /// side measured. `seconds` are the lengths of the sessions.
    #[must_use]
    pub fn of(
        of: Option<Of>,
        before: Option<&Measures>,
        after: Option<&Measures>,
        seconds: (f64, f64),
    ) -> Self {
        let asked = ALL
            .iter()
            .filter(|quantity| of.is_none_or(|of| quantity.of.contains(&of)));
        Self::of_these(asked, before, after, seconds)
    }

    /// Compares some quantities, as [`Changes::of`] does.
    pub(super) fn of_these(
        quantities: impl IntoIterator<Item = &'static Quantity>,
        before: Option<&Measures>,
        after: Option<&Measures>,
        seconds: (f64, f64),
    ) -> Self {
        let read = |measures: Option<&Measures>, quantity: &Quantity| {
            measures.and_then(|measures| (quantity.read)(measures))
        };
        let changes = quantities.into_iter().filter_map(|quantity| {
            let (before, after) = (read(before, quantity), read(after, quantity));
            (before.is_some() || after.is_some())
                .then(|| (quantity.name, Change::of(quantity, before, after, seconds)))
        });
        Self(changes.collect())
    }

    /// Returns the change of a quantity.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Change> {
        self.0.get(name)
    }
}

impl Change {
    /// Compares the values of a quantity in sessions of so many seconds.
    fn of(
        quantity: &Quantity,
        before: Option<Measured>,
        after: Option<Measured>,
        seconds: (f64, f64),
    ) -> Self {
        let (old, new) = (
            before.and_then(Measured::value),
            after.and_then(Measured::value),
        );
        let mut change = Self {
            before: old,
            after: new,
            difference: old.zip(new).map(|(old, new)| new - old),
            before_per_s: None,
            after_per_s: None,
            test: None,
            verdict: Verdict::Unmeasured,
        };
        let per_second = |value: Option<f64>, seconds: f64| {
            value.filter(|_| seconds > 0.0).map(|value| value / seconds)
        };
        if quantity.grows {
            change.before_per_s = per_second(old, seconds.0);
            change.after_per_s = per_second(new, seconds.1);
        }
        let (Some(before), Some(after)) = (before, after) else {
            return change;
        };
        let matters;
        (change.test, matters) = match (before, after) {
            (Measured::Share { part: x, whole: n }, Measured::Share { part: y, whole: m }) => {
                let points = change.difference.map_or(0.0, f64::abs);
                (
                    Some(significance::shares((x, n), (y, m))),
                    points >= SHARE_MATTERS,
                )
            }
            (Measured::Count(x), Measured::Count(y)) => {
                let test = significance::rates((x, seconds.0), (y, seconds.1));
                let (x, y) = (float(x) / seconds.0, float(y) / seconds.1);
                (Some(test), (x - y).abs() >= RATE_MATTERS * x.max(y))
            }
            _ => (None, false),
        };
        change.verdict = match change.test {
            None => Verdict::Untested,
            Some(Test { p: None, .. }) => Verdict::TooFew,
            Some(Test { p: Some(p), z, .. }) if p < SIGNIFICANT && matters => {
                meaning(quantity.good, z.is_some_and(|z| z > 0.0))
            }
            Some(_) => Verdict::Same,
        };
        change
    }
}

fn meaning(good: Good, more: bool) -> Verdict {
    match (good, more) {
        (Good::More, true) | (Good::Less, false) => Verdict::Better,
        (Good::More, false) | (Good::Less, true) => Verdict::Worse,
        (Good::Neither, true) => Verdict::More,
        (Good::Neither, false) => Verdict::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quantity::find;

    fn change(name: &str, before: Option<Measured>, after: Option<Measured>) -> Change {
        Change::of(find(name).unwrap(), before, after, (10.0, 5.0))
    }

    #[test]
    fn shares_are_compared_in_points_and_counts_per_second() {
        let share = |part| Some(Measured::Share { part, whole: 1000 });
        let better = change("local_share", share(100), share(900));
        assert_eq!(
            (better.difference, better.verdict),
            (Some(0.8), Verdict::Better)
        );
        assert_eq!(
            change("remote_share", share(100), share(900)).verdict,
            Verdict::Worse
        );
        // Twice as many per second in half the time.
        let rate = change(
            "numa_miss",
            Some(Measured::Count(1000)),
            Some(Measured::Count(1000)),
        );
        assert_eq!(
            (rate.before_per_s, rate.after_per_s),
            (Some(100.0), Some(200.0))
        );
        assert_eq!((rate.difference, rate.verdict), (Some(0.0), Verdict::Worse));
    }

    #[test]
    fn a_change_that_does_not_matter_is_none_however_significant() {
        let share = |part| {
            Some(Measured::Share {
                part,
                whole: 100_000_000,
            })
        };
        let tiny = change("local_share", share(50_000_000), share(50_400_000));
        assert!(tiny.test.unwrap().p.unwrap() < 1e-9);
        assert_eq!(tiny.verdict, Verdict::Same);
    }

    #[test]
    fn a_quantity_that_one_side_did_not_measure_has_no_change() {
        let none = change("numa_miss", None, Some(Measured::Count(5)));
        assert_eq!(
            (none.difference, none.test, none.verdict),
            (None, None, Verdict::Unmeasured)
        );
        assert_eq!(none.after_per_s, Some(1.0));
        let time = change("away_s", Some(Measured::Time(5)), Some(Measured::Time(50)));
        assert_eq!(time.verdict, Verdict::Untested);
    }
}
