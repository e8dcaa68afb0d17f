//! Shares as percent, in the forms that only one output has; the common form is
//! [`number::percent`](crate::model::number::percent).

use crate::model::number::UNKNOWN;

/// Formats a share of the machine's CPU time, which is meant to be small: `0.04 %`, `<0.01 %`.
#[must_use]
pub fn of_machine(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.005 {
        "<0.01 %".into()
    } else {
        format!("{percent:.2} %")
    }
}

/// Formats nanoseconds of CPU time per second as percent of one CPU: `0`, `<0.1`, `99.5`, `1600`.
#[must_use]
pub fn of_cpu(ns_per_s: Option<f64>) -> String {
    match ns_per_s.map(|ns| ns / 1e7) {
        None => UNKNOWN.to_owned(),
        Some(p) if p <= 0.0 => "0".to_owned(),
        Some(p) if p < 0.05 => "<0.1".to_owned(),
        Some(p) if p < 999.95 => format!("{p:.1}"),
        Some(p) => format!("{p:.0}"),
    }
}

/// Formats a share as numastat's tables have them, rounded down: `99.99%`. Less than all is never
/// shown as 100 %.
#[must_use]
pub fn rounded_down(share: Option<f64>) -> String {
    share.map_or_else(
        || UNKNOWN.to_owned(),
        |share| format!("{:.2}%", (share * 1e4).floor() / 1e2),
    )
}

/// Formats a share in a table of sizes: `12.3%`.
#[must_use]
pub fn short(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
