//! Values and changes as cells.

use crate::model::diff::{Change, Verdict};
use crate::model::number::{self, UNKNOWN};
use crate::model::quantity::{Unit, find, header, header_per_s};
use crate::output::format::{rate, tone::Tone};

/// Returns the header of a column that has [`both`] values of a quantity.
pub fn header_of_both(name: &str) -> String {
    if find(name).is_some_and(|quantity| quantity.grows && quantity.unit != Unit::Seconds) {
        header_per_s(name)
    } else {
        header(name)
    }
}

/// Formats a value in the unit of its quantity: shares in percent, pages in MiB.
pub fn value(unit: Unit, value: Option<f64>, page_size: u64) -> String {
    match unit {
        Unit::Share => number::percent(value),
        Unit::Seconds => value.map_or_else(|| UNKNOWN.into(), |seconds| format!("{seconds:.2}")),
        Unit::Pages => number::mib(value.map(rate::whole), page_size),
        _ => number::count(value.map(rate::whole)),
    }
}

/// Formats both values: `1.3 → 98.7`, or one where they look alike; a star marks a significant
/// change. Counts are per second.
pub fn both(name: &str, change: Option<&Change>, page_size: u64) -> String {
    let (Some(change), Some(quantity)) = (change, find(name)) else {
        return UNKNOWN.into();
    };
    let shown = |value_of: Option<f64>, per_s: Option<f64>| {
        if quantity.grows && quantity.unit != Unit::Seconds {
            rate::long(per_s)
        } else {
            value(quantity.unit, value_of, page_size)
        }
    };
    let before = shown(change.before, change.before_per_s);
    let after = shown(change.after, change.after_per_s);
    let star = if change.verdict.is_change() { "*" } else { "" };
    if before == after {
        format!("{before}{star}")
    } else {
        format!("{before} → {after}{star}")
    }
}

/// Formats the difference: points of a share, percent of a rate, seconds, MiB.
pub fn difference(name: &str, change: &Change, page_size: u64) -> String {
    let quantity = find(name);
    let unit = quantity.map(|quantity| quantity.unit);
    let Some(difference) = change.difference else {
        return UNKNOWN.into();
    };
    let grows = quantity.is_some_and(|quantity| quantity.grows);
    match unit {
        Some(Unit::Share) => format!("{:+.1} points", difference * 100.0),
        Some(Unit::Seconds) => format!("{difference:+.2} s"),
        Some(Unit::Pages) if !grows => {
            let sign = if difference < 0.0 { "-" } else { "+" };
            let pages = rate::whole(difference.abs());
            format!("{sign}{} MiB", number::mib(Some(pages), page_size))
        }
        _ if !grows && difference == 0.0 => "0".into(),
        _ if !grows => format!("{difference:+}"),
        _ => match change.before_per_s.zip(change.after_per_s) {
            Some((before, after)) if before > 0.0 => {
                let percent = (after / before - 1.0) * 100.0;
                if percent > 999.0 {
                    format!("x {:.0} per s", after / before)
                } else {
                    format!("{percent:+.0} % per s")
                }
            }
            Some((_, after)) if after > 0.0 => "from 0".into(),
            Some(_) => "0".into(),
            None => UNKNOWN.into(),
        },
    }
}

/// Formats a probability: `<0.001`, `0.034`, `-`.
pub fn probability(p: Option<f64>) -> String {
    match p {
        None => UNKNOWN.into(),
        Some(p) if p < 0.001 => "<0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// Returns the tone of a verdict; plain when it is neither good nor bad.
pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Better => Tone::Good,
        Verdict::Worse => Tone::Bad,
        _ => Tone::Plain,
    }
}
