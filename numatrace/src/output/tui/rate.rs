//! Rates as they fit into a narrow column: `0`, `0.3`, `12`, `1,234`, `51.2k`, `3.4M`; `-` for what was not measured.

use crate::model::number::{UNKNOWN, grouped};

/// Events per second.
#[must_use]
pub fn per_second(count: Option<u64>, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs three digits")]
    count
        .filter(|_| seconds > 0.0)
        .map(|count| count as f64 / seconds)
}

/// A rate for a column of seven.
#[must_use]
pub fn short(rate: Option<f64>) -> String {
    let Some(rate) = rate else {
        return UNKNOWN.into();
    };
    match rate {
        r if r <= 0.0 => "0".into(),
        r if r < 0.05 => "<0.1".into(),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 9_999.5 => grouped(rounded(r)),
        r if r < 999_950.0 => format!("{:.1}k", r / 1e3),
        r if r < 999_950_000.0 => format!("{:.1}M", r / 1e6),
        r => format!("{:.1}G", r / 1e9),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 10,000"
)]
fn rounded(rate: f64) -> u64 {
    rate.round() as u64
}

/// KiB as a size with its unit.
#[must_use]
pub fn size(kib: Option<u64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size needs three digits")]
    let Some(kib) = kib.map(|kib| kib as f64) else {
        return UNKNOWN.into();
    };
    match kib {
        k if k < 1_024.0 => format!("{k:.0} KiB"),
        k if k < 10.0 * 1_024.0 => format!("{:.1} MiB", k / 1_024.0),
        k if k < 10_000.0 * 1_024.0 => format!("{:.0} MiB", k / 1_024.0),
        k if k < 1_024.0 * 1_024.0 * 1_024.0 => format!("{:.1} GiB", k / 1_024.0 / 1_024.0),
        k => format!("{:.1} TiB", k / 1_024.0 / 1_024.0 / 1_024.0),
    }
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

    #[test]
    fn sizes_have_their_unit() {
        assert_eq!(size(Some(512)), "512 KiB");
        assert_eq!(size(Some(520_192)), "508 MiB");
        assert_eq!(size(Some(128 << 20)), "128.0 GiB");
        assert_eq!(size(None), "-");
    }
}
