//! `--fail-if`: limits that a session is checked against, and their effect on the exit status.
//!
//! A limit is crossed as soon as its condition holds once, and stays crossed. A limit that never
//! had a value is neither kept nor crossed: nothing shows that it was kept, so a CI gate must not
//! pass on it.

mod diff;
mod report;

use super::expr::{Expr, Gap, Mistake, Outcome, Values, Vocabulary};
use crate::{
    exit::{Exit, Failure},
    model::Snapshot,
};

pub use diff::{DiffNames, DiffValues};
pub use report::{ReportNames, ReportValues};

/// The limits of a session.
#[derive(Clone, Debug, Default)]
pub struct FailIf {
    limits: Vec<Limit>,
}

/// One limit and its state so far.
#[derive(Clone, Debug)]
struct Limit {
    expr: Expr,
    crossed: bool,
    /// Why there was no result, until the condition has had one once.
    unknown: Option<Vec<String>>,
}

/// The result of a session as far as its limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No limit was crossed.
    Kept,
    /// At least one limit was crossed.
    Crossed,
    /// At least one limit never had a value, and none was crossed.
    Unknown,
}

impl FailIf {
    /// Parses the conditions.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(texts: &[String], vocabulary: &dyn Vocabulary) -> Result<Self, Mistake> {
        let limit = |text: &String| {
            Ok(Limit {
                expr: Expr::parse(text, vocabulary)?,
                crossed: false,
                unknown: Some(Vec::new()),
            })
        };
        Ok(Self {
            limits: texts.iter().map(limit).collect::<Result<_, _>>()?,
        })
    }

    /// [`FailIf::parse`] for commands whose errors are [`Failure`]s.
    ///
    /// # Errors
    /// A wrong command line, with a caret under the mistake.
    pub fn typed(texts: &[String], vocabulary: &dyn Vocabulary) -> Result<Self, Failure> {
        Self::parse(texts, vocabulary).map_err(|mistake| {
            Failure::new(
                Exit::Usage,
                format!("--fail-if: {mistake}"),
                "the names and the language are in docs/fail-if.md",
            )
        })
    }

    /// Returns whether there is no limit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Checks a reading and returns a line for each limit that it is the first to cross. `when`
    /// names the reading, where there are several.
    pub fn check(&mut self, values: &dyn Values, when: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        for limit in &mut self.limits {
            let outcome = limit.expr.evaluate(values);
            match outcome.holds {
                None => {
                    if let Some(unknown) = &mut limit.unknown {
                        *unknown = missing(&outcome);
                    }
                }
                Some(holds) => {
                    limit.unknown = None;
                    if holds && !limit.crossed {
                        limit.crossed = true;
                        let when = when.map_or_else(String::new, |when| format!(" at {when}"));
                        lines.push(format!(
                            "--fail-if crossed: {}{when}: {}",
                            limit.expr.text(),
                            shown(&outcome)
                        ));
                    }
                }
            }
        }
        lines
    }

    /// Checks a report, of a session or of one of its intervals, like [`FailIf::check`].
    pub fn check_report(&mut self, snapshot: &Snapshot) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let interval = snapshot.session.interval;
        let when = interval.map(|interval| format!("interval {interval}"));
        self.check(&ReportValues::new(snapshot), when.as_deref())
    }

    /// Returns the verdict, with a line for each limit that could not be judged.
    #[must_use]
    pub fn verdict(&self) -> (Verdict, Vec<String>) {
        let unknown = |limit: &Limit| {
            let why = limit.unknown.as_ref()?;
            Some(format!(
                "--fail-if {} could not be judged: {}",
                limit.expr.text(),
                why.join(", ")
            ))
        };
        let lines: Vec<String> = self.limits.iter().filter_map(unknown).collect();
        let verdict = match (
            self.limits.iter().any(|limit| limit.crossed),
            lines.is_empty(),
        ) {
            (true, _) => Verdict::Crossed,
            (false, true) => Verdict::Kept,
            (false, false) => Verdict::Unknown,
        };
        (verdict, lines)
    }

    /// Returns the exit of a session that would otherwise end with `exit`, and the lines to print.
    /// Limits override every other status of a finished session, including a launched command's.
    #[must_use]
    pub fn decide(&self, exit: Exit) -> (Exit, Vec<String>) {
        let (verdict, lines) = self.verdict();
        let exit = match verdict {
            Verdict::Crossed => Exit::Crossed,
            Verdict::Unknown => Exit::Failed,
            Verdict::Kept => exit,
        };
        (exit, lines)
    }
}

/// Lists the values behind an outcome: `remote_share is 0.0731, numa_miss was not measured`.
#[must_use]
pub fn shown(outcome: &Outcome) -> String {
    let value = |value: Result<f64, Gap>| match value {
        Ok(value) if value.fract() == 0.0 => format!("is {value:.0}"),
        Ok(value) => format!("is {value:.4}"),
        Err(gap) => gap.in_words().to_owned(),
    };
    let values: Vec<String> = outcome
        .values
        .iter()
        .map(|(name, known)| format!("{name} {}", value(*known)))
        .collect();
    values.join(", ")
}

/// Returns why an outcome is unknown.
fn missing(outcome: &Outcome) -> Vec<String> {
    let missing = |(name, value): &(_, Result<f64, Gap>)| {
        let gap = value.err()?;
        Some(format!("{name} {}", gap.in_words()))
    };
    let missing: Vec<String> = outcome.values.iter().filter_map(missing).collect();
    if missing.is_empty() {
        // Every value is known, so the condition itself has none.
        return vec![format!("it divides by zero ({})", shown(outcome))];
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::expr::Name;

    /// `a` has this value, `b` has none.
    struct Known(f64);

    impl Vocabulary for Known {
        fn check(&self, _: &Name) -> Result<(), String> {
            Ok(())
        }
    }

    impl Values for Known {
        fn value(&self, name: &Name) -> Result<f64, Gap> {
            match name.name.as_str() {
                "a" => Ok(self.0),
                "nothing" => Err(Gap::Nothing),
                _ => Err(Gap::Unmeasured),
            }
        }
    }

    fn limits(texts: &[&str]) -> FailIf {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        FailIf::parse(&texts, &Known(0.0)).unwrap()
    }

    #[test]
    fn a_limit_once_crossed_stays_crossed_and_is_reported_once() {
        let mut limits = limits(&["a > 5"]);
        let said: Vec<String> = [1.0, 7.5, 9.0, 0.0]
            .into_iter()
            .flat_map(|a| limits.check(&Known(a), Some("interval 3")))
            .collect();
        assert_eq!(
            said,
            ["--fail-if crossed: a > 5 at interval 3: a is 7.5000"]
        );
        assert_eq!(limits.decide(Exit::Command(7)), (Exit::Crossed, vec![]));
    }

    #[test]
    fn a_limit_without_a_value_is_neither_kept_nor_crossed() {
        let mut unknown = limits(&["b > 5"]);
        assert!(unknown.check(&Known(1.0), None).is_empty());
        let (exit, lines) = unknown.decide(Exit::Done);
        assert_eq!(exit, Exit::Failed);
        assert_eq!(
            lines,
            ["--fail-if b > 5 could not be judged: b was not measured"]
        );
        let mut both = limits(&["b > 5", "a > 5"]);
        both.check(&Known(6.0), None);
        assert_eq!(both.decide(Exit::Done).0, Exit::Crossed);
    }

    #[test]
    fn a_division_by_zero_is_not_told_as_a_lack_of_measurement() {
        for (text, why) in [
            ("a / 0 > 1", "it divides by zero (a is 1)"),
            ("nothing > 1", "nothing is 0 of 0, with nothing to divide"),
            (
                "nothing / b > 1",
                "nothing is 0 of 0, with nothing to divide, b was not measured",
            ),
        ] {
            let mut limits = limits(&[text]);
            limits.check(&Known(1.0), None);
            let (exit, lines) = limits.decide(Exit::Done);
            assert_eq!(exit, Exit::Failed);
            let wanted = format!("--fail-if {text} could not be judged: {why}");
            assert_eq!(lines, [wanted]);
        }
    }

    #[test]
    fn kept_limits_leave_the_exit_alone() {
        let mut kept = limits(&["a > 5", "not a < 3"]);
        kept.check(&Known(1.0), None);
        assert_eq!(kept.decide(Exit::Command(9)), (Exit::Command(9), vec![]));
        assert_eq!(FailIf::default().decide(Exit::Done), (Exit::Done, vec![]));
    }
}
