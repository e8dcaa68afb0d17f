//! Rates per second.

use crate::model::number::{UNKNOWN, grouped};

/// Divides a count by a time; `None` without a count or a time.
#[must_use]
pub fn per_second(count: Option<u64>, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs three digits")]
    count
        .filter(|_| seconds > 0.0)
        .map(|count| count as f64 / seconds)
}

/// Formats a rate: `0`, `<0.1`, `12.3`, `1,234`; `-` when it was not measured.
#[must_use]
pub fn long(rate: Option<f64>) -> String {
    match rate {
        None => UNKNOWN.into(),
        Some(rate) if rate <= 0.0 => "0".into(),
        Some(rate) if rate < 0.05 => "<0.1".into(),
        Some(rate) if rate < 100.0 => format!("{rate:.1}"),
        Some(rate) => grouped(whole(rate)),
    }
}

/// Formats a rate for a column of seven: `0`, `0.3`, `12`, `1,234`, `51.2k`, `3.4M`.
#[must_use]
pub fn short(rate: Option<f64>) -> String {
    let Some(rate) = rate else {
        return UNKNOWN.into();
    };
    match rate {
        r if r <= 0.0 => "0".into(),
        r if r < 0.05 => "<0.1".into(),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 9_999.5 => grouped(whole(r)),
        r if r < 999_950.0 => format!("{:.1}k", r / 1e3),
        r if r < 999_950_000.0 => format!("{:.1}M", r / 1e6),
        r => format!("{:.1}G", r / 1e9),
    }
}

/// Rounds a count or rate, which is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating, and counts are not negative"
)]
#[must_use]
pub fn whole(rate: f64) -> u64 {
    rate.round_ties_even() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_within_seven_columns() {
        for (rate, text) in [
            (0.0, "0"),
            (0.01, "<0.1"),
            (0.25, "0.2"),
            (9.94, "9.9"),
            (9.96, "10"),
            (1_234.4, "1,234"),
            (9_999.6, "10.0k"),
            (51_234.0, "51.2k"),
            (3_400_000.0, "3.4M"),
            (2.5e9, "2.5G"),
        ] {
            assert_eq!(short(Some(rate)), text);
            assert!(short(Some(rate)).len() <= 7);
        }
        assert_eq!(short(None), "-");
    }

    #[test]
    fn a_rate_needs_a_count_and_some_time() {
        assert_eq!(per_second(Some(10), 2.0), Some(5.0));
        assert_eq!(per_second(None, 2.0), None);
        assert_eq!(per_second(Some(10), 0.0), None);
    }
}
