//! Values and changes as cells.

use crate::model::diff::{Change, Verdict};
use crate::model::number::{self, UNKNOWN};
use crate::model::quantity::{Unit, find};
use crate::output::text::page::Tone;

/// A value in the unit of its quantity: shares in percent, counts grouped.
pub fn value(unit: Unit, value: Option<f64>) -> String {
    match unit {
        Unit::Share => number::percent(value),
        Unit::Seconds => value.map_or_else(|| UNKNOWN.into(), |seconds| format!("{seconds:.2}")),
        _ => number::count(value.map(whole)),
    }
}

/// A count that came as a float.
pub fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating, and counts are not negative"
    )]
    let whole = value.round() as u64;
    whole
}

/// A rate per second with as many digits as it deserves.
fn rate(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.into(),
        Some(rate) if rate <= 0.0 => "0".into(),
        Some(rate) if rate < 0.05 => "<0.1".into(),
        Some(rate) if rate < 100.0 => format!("{rate:.1}"),
        Some(rate) => number::grouped(whole(rate)),
    }
}

/// `1.3 → 98.7`, or one value where both are shown alike; a star behind a change that can be told from chance.
pub fn both(name: &str, change: Option<&Change>) -> String {
    let (Some(change), Some(quantity)) = (change, find(name)) else {
        return UNKNOWN.into();
    };
    let shown = |value_of: Option<f64>, per_s: Option<f64>| {
        if quantity.grows && quantity.unit != Unit::Seconds {
            rate(per_s)
        } else {
            value(quantity.unit, value_of)
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

/// How much: points of a share, percent of a rate, seconds.
pub fn difference(name: &str, change: &Change) -> String {
    let quantity = find(name);
    let unit = quantity.map(|quantity| quantity.unit);
    let Some(difference) = change.difference else {
        return UNKNOWN.into();
    };
    match unit {
        Some(Unit::Share) => format!("{:+.1} points", difference * 100.0),
        Some(Unit::Seconds) => format!("{difference:+.2} s"),
        _ if quantity.is_some_and(|quantity| !quantity.grows) => format!("{difference:+}"),
        _ => match change.before_per_s.zip(change.after_per_s) {
            Some((before, after)) if before > 0.0 => {
                let percent = (after / before - 1.0) * 100.0;
                if percent > 999.0 {
                    format!("x {:.0} /s", after / before)
                } else {
                    format!("{percent:+.0} % /s")
                }
            }
            Some((_, after)) if after > 0.0 => "from none".into(),
            Some(_) => "0".into(),
            None => UNKNOWN.into(),
        },
    }
}

/// `<0.001`, `0.034`, `-`.
pub fn probability(p: Option<f64>) -> String {
    match p {
        None => UNKNOWN.into(),
        Some(p) if p < 0.001 => "<0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// How a verdict is to be seen.
pub fn tone(verdict: Verdict) -> Option<Tone> {
    match verdict {
        Verdict::Better => Some(Tone::Good),
        Verdict::Worse => Some(Tone::Bad),
        _ => None,
    }
}
