//! Budgets, and the figures measured against them.

use super::document::Section;

/// One budget.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The limited quantity.
    pub what: String,
    /// The limit, in words.
    pub budget: String,
    /// The measured figure, in words.
    pub measured: String,
    /// True if the limit is kept; `None` when it could not be measured.
    pub kept: Option<bool>,
}

impl Verdict {
    /// Returns the verdict on a number that should be at most `limit`.
    #[must_use]
    pub fn at_most(
        what: &str,
        limit: f64,
        measured: Option<f64>,
        write: impl Fn(f64) -> String,
    ) -> Self {
        Self {
            what: what.to_owned(),
            budget: format!("at most {}", write(limit)),
            measured: measured.map_or_else(|| "not measured".to_owned(), &write),
            kept: measured.map(|measured| measured <= limit),
        }
    }

    /// Returns the verdict on a number that should be at least `limit`.
    #[must_use]
    pub fn at_least(
        what: &str,
        limit: f64,
        measured: Option<f64>,
        write: impl Fn(f64) -> String,
    ) -> Self {
        Self {
            budget: format!("at least {}", write(limit)),
            kept: measured.map(|measured| measured >= limit),
            ..Self::at_most(what, limit, measured, write)
        }
    }
}

/// Returns the table of all verdicts.
pub fn table(verdicts: &[Verdict], to: &mut Section) {
    let rows: Vec<Vec<String>> = verdicts
        .iter()
        .map(|verdict| {
            let kept = match verdict.kept {
                Some(true) => "kept",
                Some(false) => "**missed**",
                None => "-",
            };
            vec![
                verdict.what.clone(),
                verdict.budget.clone(),
                verdict.measured.clone(),
                kept.to_owned(),
            ]
        })
        .collect();
    to.table(&["what", "budget", "measured", ""], &rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept_missed_or_not_measured() {
        let ns = |ns: f64| format!("{ns} ns");
        assert_eq!(Verdict::at_most("x", 15.0, Some(15.0), ns).kept, Some(true));
        assert_eq!(
            Verdict::at_most("x", 15.0, Some(16.0), ns).kept,
            Some(false)
        );
        assert_eq!(Verdict::at_least("x", 2.0, Some(1.9), ns).kept, Some(false));
        let missing = Verdict::at_least("x", 2.0, None, ns);
        assert_eq!(
            (
                missing.kept,
                missing.budget.as_str(),
                missing.measured.as_str()
            ),
            (None, "at least 2 ns", "not measured")
        );
    }
}
