//! Significance: could chance alone have made a change? One test for shares and one for rates.
//!
//! - **Shares**: the two-proportion test with a pooled share, for a part of `n` events and a part
//!   of `m` events.
//! - **Rates**: two counts in two lengths of time, taken as Poisson counts. Given their sum, the
//!   second is binomial; up to [`EXACT`] events its tail is summed exactly, beyond it is normal to
//!   all digits that matter.
//!
//! Both tests assume independent events, and events of one program are not: pages come in runs and
//! moves in bursts. So a small `p` means that the counts differ by more than counting noise.
//! Only more executions can show whether the next one will differ as well.

use serde::Serialize;

use crate::model::quantity::float;

/// Most events for which the binomial tail is summed exactly.
const EXACT: u64 = 1_000;

/// Least expected number in each field of a two-proportion test for the normal approximation: the
/// textbooks' five.
const LEAST: f64 = 5.0;

/// A test with its result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// The test.
    pub method: Method,
    /// Events of the first side.
    pub n_before: u64,
    /// Events of the second side.
    pub n_after: u64,
    /// The change in standard errors under the null hypothesis, positive for an increase; `None`
    /// with too few events.
    pub z: Option<f64>,
    /// Probability that chance alone makes such a change or a larger one, in either direction, 0 to
    /// 1; `None` with too few events.
    pub p: Option<f64>,
}

/// The tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// For shares.
    TwoProportion,
    /// For rates.
    Poisson,
}

impl Method {
    /// Returns the test's name.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TwoProportion => "two-proportion test",
            Self::Poisson => "Poisson test",
        }
    }
}

/// Compares two shares: `(part, whole)` of each side.
#[must_use]
pub fn shares(before: (u64, u64), after: (u64, u64)) -> Test {
    let (x, n) = (float(before.0), float(before.1));
    let (y, m) = (float(after.0), float(after.1));
    let pooled = (x + y) / (n + m);
    let expected = [
        n * pooled,
        n * (1.0 - pooled),
        m * pooled,
        m * (1.0 - pooled),
    ];
    let found = if before.1 == 0 || after.1 == 0 {
        None
    } else if pooled <= 0.0 || pooled >= 1.0 {
        // All or nothing on both sides: there is no change.
        Some((0.0, 1.0)).filter(|_| n >= LEAST && m >= LEAST)
    } else if expected.iter().all(|cell| *cell >= LEAST) {
        let z = (y / m - x / n) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        Some((z, two_sided(z)))
    } else {
        None
    };
    Test {
        method: Method::TwoProportion,
        n_before: before.1,
        n_after: after.1,
        z: found.map(|(z, _)| z),
        p: found.map(|(_, p)| p),
    }
}

/// Compares two rates: `(events, seconds)` of each side.
#[must_use]
pub fn rates(before: (u64, f64), after: (u64, f64)) -> Test {
    let timed = before.1 > 0.0 && after.1 > 0.0 && (before.1 + after.1).is_finite();
    let found = timed.then(|| {
        let events = before.0.saturating_add(after.0);
        let expected = after.1 / (before.1 + after.1);
        let n = float(events);
        if events == 0 {
            return (0.0, 1.0);
        }
        let z = (float(after.0) - n * expected) / (n * expected * (1.0 - expected)).sqrt();
        let p = if events <= EXACT {
            binomial_two_sided(after.0, events, expected)
        } else {
            two_sided(z)
        };
        (z, p)
    });
    let found = found.filter(|(z, p)| z.is_finite() && p.is_finite());
    Test {
        method: Method::Poisson,
        n_before: before.0,
        n_after: after.0,
        z: found.map(|(z, _)| z),
        p: found.map(|(_, p)| p),
    }
}

/// Returns the probability of both tails of the normal distribution beyond `z`.
fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Returns twice the smaller tail of a binomial distribution, including the value itself; 1 at
/// most.
fn binomial_two_sided(k: u64, n: u64, share: f64) -> f64 {
    let logarithm = |i: u64| {
        let choose = libm::lgamma(float(n) + 1.0)
            - libm::lgamma(float(i) + 1.0)
            - libm::lgamma(float(n - i) + 1.0);
        choose + float(i) * share.ln() + float(n - i) * (1.0 - share).ln()
    };
    let sum = |range: std::ops::RangeInclusive<u64>| range.map(|i| logarithm(i).exp()).sum::<f64>();
    (2.0 * sum(0..=k).min(sum(k..=n))).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() <= 1e-4 * b.abs().max(1e-4))
    }

    #[test]
    fn shares_as_the_tables_have_them() {
        // prop.test(c(60, 80), c(200, 200), correct = FALSE) in R: X-squared 4.3956, p 0.03603.
        let test = shares((60, 200), (80, 200));
        assert!(near(test.z, 4.395_604_f64.sqrt()), "{test:?}");
        assert!(near(test.p, 0.036_03), "{test:?}");
    }

    #[test]
    fn rates_as_the_tables_have_them() {
        // R: poisson.test(c(11, 6 + 8 + 7), c(800, 1083 + 1050 + 878)): p 0.07967 by its own rule;
        // twice the tail is 0.1012.
        let test = rates((21, 3011.0), (11, 800.0));
        assert!(
            test.p.is_some_and(|p| (0.07..0.12).contains(&p)),
            "{test:?}"
        );
        // A fair coin: P(0 of 10) is 2^-10.
        let test = rates((10, 1.0), (0, 1.0));
        assert!(near(test.p, 2.0 / 1024.0), "{test:?}");
        assert!(test.z.is_some_and(|z| z < 0.0));
    }

    #[test]
    fn too_few_events_have_no_result() {
        assert_eq!(shares((1, 4), (3, 4)).p, None);
        assert_eq!(shares((0, 0), (3, 400)).p, None);
        assert_eq!(shares((0, 400), (0, 400)).p, Some(1.0));
        assert_eq!(rates((0, 1.0), (0, 1.0)).p, Some(1.0));
        assert_eq!(rates((5, 0.0), (5, 1.0)).p, None);
        assert_eq!(rates((5, -1.0), (5, f64::INFINITY)).p, None);
    }

    proptest! {
        #[test]
        fn the_exact_tail_and_the_normal_one_agree_where_they_meet(k in 400u64..600) {
            let exact = binomial_two_sided(k, 1000, 0.5);
            // The continuity correction.
            let z = ((float(k) - 500.0).abs() - 0.5).max(0.0) / 250f64.sqrt();
            prop_assert!((exact - two_sided(z)).abs() < 0.01, "{exact} {}", two_sided(z));
        }

        #[test]
        fn p_is_a_probability_for_any_counts(
            a: u64,
            b: u64,
            c: u64,
            d: u64,
            s in 0.0..1e9,
            t in 0.0..1e9,
        ) {
            let tests = [
                shares((a.min(b), b), (c.min(d), d)),
                rates((a, s), (c, t)),
                rates((a % 900, s), (c % 90, t)),
            ];
            for test in tests {
                prop_assert!(test.p.is_none_or(|p| (0.0..=1.0).contains(&p)), "{test:?}");
                prop_assert_eq!(test.p.is_some(), test.z.is_some());
            }
        }

        #[test]
        fn the_sign_is_that_of_the_change(x in 10u64..90, y in 10u64..90) {
            let z = shares((x, 100), (y, 100)).z.unwrap();
            prop_assert!((z > 0.0) == (y > x) && (z < 0.0) == (y < x));
        }
    }
}
