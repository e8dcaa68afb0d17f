//! Numbers as text, for the sentences of findings and the cells of outputs: grouped by thousands,
//! shares with one decimal, `-` for a quantity that was not measured.
//!
//! `output::format` adds the forms that only one output has.

use crate::ids::{NodeId, ranges};

/// Stands for a quantity that was not measured.
pub const UNKNOWN: &str = "-";

/// Formats `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a count that may not have been measured.
#[must_use]
pub fn count(count: Option<u64>) -> String {
    count.map_or_else(|| UNKNOWN.into(), grouped)
}

/// Formats a difference with its sign; 0 has none.
#[must_use]
pub fn signed(difference: Option<i64>) -> String {
    match difference {
        None => UNKNOWN.into(),
        Some(0) => "0".into(),
        Some(d) if d < 0 => format!("-{}", grouped(d.unsigned_abs())),
        Some(d) => format!("+{}", grouped(d.unsigned_abs())),
    }
}

/// Formats base pages as MiB with one decimal; a size that would round to nothing is `<0.1`.
#[must_use]
pub fn mib(pages: Option<u64>, page_size: u64) -> String {
    let Some(pages) = pages else {
        return UNKNOWN.into();
    };
    let bytes = u128::from(pages) * u128::from(page_size);
    let tenths = (bytes * 10 + (1 << 19)) >> 20;
    if tenths == 0 {
        return if bytes == 0 {
            "0".into()
        } else {
            "<0.1".into()
        };
    }
    let whole = u64::try_from(tenths / 10).unwrap_or(u64::MAX);
    format!("{}.{}", grouped(whole), tenths % 10)
}

/// Size of a page in KiB as people write it: `4 KiB`, `2 MiB`, `1 GiB`.
#[must_use]
pub fn page_size(kb: u64) -> String {
    let whole = |unit: u64| kb > 0 && kb.is_multiple_of(unit);
    match kb {
        kb if whole(1 << 20) => format!("{} GiB", kb >> 20),
        kb if whole(1 << 10) => format!("{} MiB", kb >> 10),
        kb => format!("{kb} KiB"),
    }
}

/// Formats a share of 0 to 1 as percent without the sign: `0`, `<0.1`, `12.3`, `>99.9`, `100`.
/// Rounding reaches neither end.
#[must_use]
pub fn percent(share: Option<f64>) -> String {
    match share.map(|share| share * 100.0) {
        None => UNKNOWN.into(),
        Some(p) if p <= 0.0 => "0".into(),
        Some(p) if p < 0.05 => "<0.1".into(),
        Some(p) if p >= 100.0 => "100".into(),
        Some(p) if p >= 99.95 => ">99.9".into(),
        Some(p) => format!("{p:.1}"),
    }
}

/// Formats a share as [`percent`] does, with the sign: `12.3 %`; `-` when it is not known.
#[must_use]
pub fn percent_sign(share: Option<f64>) -> String {
    match share {
        None => UNKNOWN.into(),
        share => format!("{} %", percent(share)),
    }
}

/// Formats nanoseconds as seconds with two decimals.
#[must_use]
pub fn seconds(ns: Option<u64>) -> String {
    let Some(ns) = ns else { return UNKNOWN.into() };
    let hundredths = ns.saturating_add(5_000_000) / 10_000_000;
    format!("{}.{:02}", grouped(hundredths / 100), hundredths % 100)
}

/// Returns nanoseconds in seconds.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a time is compared with a rounded one"
)]
pub fn seconds_of(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Formats a short time in nanoseconds, for a sentence: `812 µs`, `8.1 ms`, `2.11 s`.
#[must_use]
pub fn brief(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{} µs", ns / 1000),
        1_000_000..1_000_000_000 => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        _ => format!("{} s", seconds(Some(ns))),
    }
}

/// Formats a latency in microseconds, for a sentence: `4.7 µs`, `812 µs`, `8.1 ms`.
#[must_use]
pub fn micros(us: f64) -> String {
    match us {
        0.0..100.0 => format!("{us:.1} µs"),
        100.0..1_000.0 => format!("{us:.0} µs"),
        1_000.0..1_000_000.0 => format!("{:.1} ms", us / 1_000.0),
        _ => format!("{:.2} s", us / 1_000_000.0),
    }
}

/// Formats a length of time in seconds: `0.25 s`, `10.02 s`, `2 min 3 s`, `1 h 2 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating, and a session has no 2^64 seconds"
    )]
    let whole = seconds.round() as u64;
    match whole {
        0..100 => format!("{seconds:.2} s"),
        100..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Formats a number of things: `1 node`, `2 nodes`, `2 processes`.
#[must_use]
pub fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let ending = match (count, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {noun}{ending}", grouped(count))
}

/// Names the nodes that tables leave out: `28 nodes without CPUs and memory: 2-29`. `None` without
/// any.
#[must_use]
pub fn empty_nodes(nodes: &[NodeId]) -> Option<String> {
    (!nodes.is_empty()).then(|| {
        let list = ranges(nodes.iter().map(|node| u32::from(node.0)));
        format!(
            "{} without CPUs and memory: {list}",
            plural(nodes.len(), "node")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1000, 12_345_678].map(grouped)
        );
        assert_eq!(
            ["-", "0", "+1,000", "-1,000"],
            [None, Some(0), Some(1000), Some(-1000)].map(signed)
        );
    }

    #[test]
    fn something_never_rounds_to_nothing_nor_nearly_all_to_all() {
        assert_eq!(
            ["-", "0", "<0.1", "0.1", "12.3", ">99.9", "100"],
            [
                None,
                Some(0.0),
                Some(1e-9),
                Some(0.001),
                Some(0.1234),
                Some(0.9999),
                Some(1.0)
            ]
            .map(percent)
        );
        assert_eq!(
            ["0", "<0.1", "64.0", "1,024.0"],
            [0, 1, 16384, 262_144].map(|pages| mib(Some(pages), 4096))
        );
    }

    #[test]
    fn times_read_naturally() {
        assert_eq!(
            ["0.25 s", "10.02 s", "2 min 3 s", "1 h 2 min"],
            [0.25, 10.02, 123.0, 3720.0].map(duration)
        );
        assert_eq!(seconds(Some(2_105_000_000)), "2.11");
        assert_eq!(
            ["812 µs", "8.1 ms", "2.11 s"],
            [812_999, 8_123_450, 2_105_000_000].map(brief)
        );
    }

    #[test]
    fn one_thing_is_singular_and_none_is_not() {
        let things = [
            (0, "node"),
            (1, "node"),
            (1, "process"),
            (2_000, "process"),
            (3, "CPU"),
        ];
        assert_eq!(
            [
                "0 nodes",
                "1 node",
                "1 process",
                "2,000 processes",
                "3 CPUs"
            ],
            things.map(|(count, noun)| plural(count, noun))
        );
    }
}
