//! The names of `--fail-if` in `diff`, and their values in a comparison.
//!
//! A plain name is the value in the second report, as in `report`. An ending refers to both:
//! `_before` is the value in the first, `_change` is after minus before, `_sigma` is the change in
//! standard errors under the hypothesis that only chance differs.

use super::report::{best, known, subject, unknown};
use crate::{
    limits::expr::{Gap, Name, Values, Vocabulary, nearest},
    model::{
        diff::{Change, Changes, Diff, Verdict as DiffVerdict},
        quantity::{ALL, Of, Quantity, Unit, find},
    },
};

/// Counts of findings that only one of the reports has. Names of the machine, besides the
/// quantities.
const FINDINGS: [(&str, Counted); 2] = [
    ("findings_new", |diff| diff.findings.new.len()),
    ("findings_gone", |diff| diff.findings.gone.len()),
];

/// Counts something in a comparison.
type Counted = fn(&Diff) -> usize;

/// The value that an ending asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    After,
    Before,
    Change,
    Sigma,
}

const ENDINGS: [(&str, Which); 3] = [
    ("_before", Which::Before),
    ("_change", Which::Change),
    ("_sigma", Which::Sigma),
];

/// Splits a word into quantity and ending; `None` when there is no such quantity.
fn split(word: &str) -> Option<(&'static Quantity, Which)> {
    let ended = ENDINGS.iter().find_map(|(ending, which)| {
        let quantity = find(word.strip_suffix(ending)?)?;
        (*which != Which::Sigma || tested(quantity)).then_some((quantity, *which))
    });
    ended.or_else(|| Some((find(word)?, Which::After)))
}

/// Returns whether a change of the quantity has a significance test: counts and shares of counts
/// have one; times, shares of times and states at the end of a session have none.
fn tested(quantity: &Quantity) -> bool {
    let counted = quantity.grows && quantity.unit != Unit::Seconds;
    let of_time = ["away_share", "placement_mismatch"].contains(&quantity.name);
    counted || (quantity.unit == Unit::Share && !of_time)
}

/// Returns every word that can be asked of a subject.
fn words(of: Option<Of>) -> Vec<String> {
    let known = known(of);
    let quantities = ALL.iter().filter(|quantity| known.contains(&quantity.name));
    let mut words: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
    for quantity in quantities {
        let fits = |which: Which| which != Which::Sigma || tested(quantity);
        let endings = ENDINGS.iter().filter(|(_, which)| fits(*which));
        words.extend(endings.map(|(ending, _)| format!("{}{ending}", quantity.name)));
    }
    if of.is_none() {
        words.extend(FINDINGS.iter().map(|(name, _)| (*name).to_owned()));
    }
    words
}

/// The vocabulary of comparisons.
pub struct DiffNames;

impl Vocabulary for DiffNames {
    fn check(&self, name: &Name) -> Result<(), String> {
        let of = subject(name)?;
        let word = name.name.as_str();
        let is_finding = FINDINGS.iter().any(|(known, _)| *known == word);
        if of.is_none() && is_finding && !name.per_second {
            return Ok(());
        }
        let split = split(word).filter(|(quantity, _)| known(of).contains(&quantity.name));
        let Some((quantity, which)) = split else {
            let words = words(of);
            return Err(match nearest(word, words.iter().map(String::as_str)) {
                Some(near) => format!("unknown name {word}: did you mean {near}?"),
                None => format!(
                    "{}, each also with the ending _before, _change or _sigma",
                    unknown(word, &known(of))
                ),
            });
        };
        if name.per_second && (!quantity.grows || which == Which::Sigma) {
            return Err(format!(
                "{word} does not grow with time, so it has no rate per second"
            ));
        }
        Ok(())
    }
}

/// A comparison's values.
pub struct DiffValues<'a>(pub &'a Diff);

impl Values for DiffValues<'_> {
    fn value(&self, name: &Name) -> Result<f64, Gap> {
        let word = name.name.as_str();
        if let Some((_, count)) = FINDINGS.iter().find(|(known, _)| *known == word) {
            return Ok(f64::from(u32::try_from(count(self.0)).unwrap_or(u32::MAX)));
        }
        let (quantity, which) = split(word).ok_or(Gap::Unmeasured)?;
        let of = |changes: &Changes| {
            let change = changes.get(quantity.name).ok_or(Gap::Unmeasured)?;
            read(change, which, name.per_second).ok_or_else(|| missing(change))
        };
        let nodes = || self.0.nodes.iter();
        let subject = name.of.as_ref();
        match subject.map(|(kind, which)| (kind.as_str(), which.trim())) {
            None => of(&self.0.machine),
            Some(("node", "max")) => best(nodes().map(|node| of(&node.changes)), f64::max),
            Some(("node", "min")) => best(nodes().map(|node| of(&node.changes)), f64::min),
            Some(("node", number)) => {
                let number: u16 = number.parse().map_err(|_| Gap::NoSuch)?;
                let found = nodes().find(|node| node.node.0 == number);
                of(&found.ok_or(Gap::NoSuch)?.changes)
            }
            // Several processes can have the name. The first of them has most remote allocations;
            // choosing the "worst" in any other sense would be a guess.
            Some((_, process)) => {
                let found = self.0.processes_of(process).next();
                of(&found.ok_or(Gap::NoSuch)?.changes)
            }
        }
    }
}

/// Returns why a value of a change is missing: both sides measured it when there is a test, so that
/// one of them is a share of nothing, or has too few events for the test.
fn missing(change: &Change) -> Gap {
    match change.verdict {
        DiffVerdict::Unmeasured => Gap::Unmeasured,
        _ => Gap::Nothing,
    }
}

fn read(change: &Change, which: Which, per_second: bool) -> Option<f64> {
    match (which, per_second) {
        (Which::After, false) => change.after,
        (Which::After, true) => change.after_per_s,
        (Which::Before, false) => change.before,
        (Which::Before, true) => change.before_per_s,
        (Which::Change, false) => change.difference,
        (Which::Change, true) => Some(change.after_per_s? - change.before_per_s?),
        (Which::Sigma, _) => change.test?.z,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::expr::Expr;
    use crate::model::Snapshot;

    const EXAMPLE: &str = include_str!("../../../../tests/contract/example.json");

    fn holds(text: &str) -> Option<bool> {
        let old: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        let mut new = old.clone();
        new.session.duration_s *= 2.0;
        new.findings.clear();
        let diff = Diff::of((&"a".into(), &old), (&"b".into(), &new));
        Expr::parse(text, &DiffNames)
            .unwrap_or_else(|mistake| panic!("{mistake}"))
            .evaluate(&DiffValues(&diff))
            .holds
    }

    #[test]
    fn endings_tell_the_sides_apart() {
        for text in [
            "other_node == other_node_before and other_node_change == 0",
            "other_node/s == other_node_before/s / 2 and other_node_change/s < 0",
            "allocations_sigma < 0 and remote_share_sigma == 0",
            "findings_new == 0 and findings_gone > 0",
            "node(0).local_share == node(0).local_share_before",
        ] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
        assert_eq!(holds("proc(nobody).pages > 0"), None);
        assert_eq!(holds("node(9).pages > 0"), None);
    }

    #[test]
    fn a_message_about_an_unknown_name_lists_the_known_ones() {
        for (text, said) in [
            (
                "remote_share_chang > 1",
                "did you mean remote_share_change?",
            ),
            ("proc(a).findings_new > 1", "unknown name"),
            ("away_s_sigma > 1", "unknown name"),
            ("surprise_pages_sigma > 1", "unknown name"),
            ("remote_share_change/s > 1", "no rate"),
            ("pages_sigma/s > 1", "no rate"),
            ("findings_new/s > 1", "unknown name"),
        ] {
            let mistake = Expr::parse(text, &DiffNames).unwrap_err();
            assert!(mistake.what.contains(said), "{mistake}");
        }
    }
}
