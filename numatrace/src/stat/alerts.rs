//! Conditions watched while `stat` runs: alerts say when they are crossed and when they clear, `--fail-if` decides the exit.

use super::values::{Names, SampleValues};
use crate::expr::{Expr, Mistake, Outcome};

/// Conditions that guides recommend, with what they mean.
pub const PRESETS: [(&str, &str); 6] = [
    (
        "foreign_share >= 10%",
        "a tenth of what wanted its node did not get it: a node is full or a policy is too narrow",
    ),
    (
        "node(max).unreclaimable_slab_share >= 30%",
        "kernel objects that reclaim cannot free crowd a node",
    ),
    (
        "node(min).local_share_change <= -10%",
        "allocations of a node moved to other nodes' CPUs: tasks have moved, or memory is short elsewhere",
    ),
    (
        "node(min).free_before_reclaim < 0",
        "a node is below its low watermark: kswapd runs and other nodes are used",
    ),
    (
        "pswpout > 0 and node(max).free_share > 20%",
        "pages are swapped out while another node has free memory: a binding or cpuset keeps it unused",
    ),
    (
        "remote_share >= 20%",
        "a fifth of the allocations go to CPUs of other nodes",
    ),
];

/// One condition and what is known of it.
#[derive(Debug)]
struct Watch {
    expr: Expr,
    /// What it means, when it is a preset.
    meaning: Option<&'static str>,
    crossed: bool,
}

/// All conditions of a run.
#[derive(Debug, Default)]
pub struct Alerts {
    alerts: Vec<Watch>,
    fail_if: Vec<Watch>,
    /// Which `--fail-if` has had a value so far.
    evaluated: Vec<bool>,
}

/// How a run ended as far as `--fail-if` is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None was crossed.
    Kept,
    /// One was.
    Crossed,
    /// One never had a value: nothing can be said for it.
    Unknown,
}

impl Alerts {
    /// Parses the conditions; presets come after those that were typed.
    pub fn parse(alerts: &[String], fail_if: &[String], presets: bool) -> Result<Self, Mistake> {
        let watch = |text: &str, meaning| {
            Ok(Watch {
                expr: Expr::parse(text, &Names)?,
                meaning,
                crossed: false,
            })
        };
        let mut parsed: Vec<Watch> = alerts
            .iter()
            .map(|text| watch(text, None))
            .collect::<Result<_, Mistake>>()?;
        if presets {
            for (text, meaning) in PRESETS {
                parsed.push(watch(text, Some(meaning))?);
            }
        }
        let fail_if: Vec<Watch> = fail_if
            .iter()
            .map(|text| watch(text, None))
            .collect::<Result<_, Mistake>>()?;
        Ok(Self {
            alerts: parsed,
            evaluated: vec![false; fail_if.len()],
            fail_if,
        })
    }

    /// Whether there is anything to watch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.fail_if.is_empty()
    }

    /// Looks at a sample; returns the lines to say. An unknown value changes nothing.
    pub fn look(&mut self, values: &SampleValues<'_>) -> Vec<String> {
        let time = &values.now.time;
        let mut lines = Vec::new();
        for watch in &mut self.alerts {
            let outcome = watch.expr.evaluate(values);
            let Some(holds) = outcome.holds.filter(|&holds| holds != watch.crossed) else {
                continue;
            };
            watch.crossed = holds;
            let what = if holds { "alert" } else { "clear" };
            let meaning = watch
                .meaning
                .filter(|_| holds)
                .map_or_else(String::new, |meaning| format!(" ({meaning})"));
            lines.push(format!(
                "{what}: {} at {time}: {}{meaning}",
                watch.expr.text(),
                shown(&outcome)
            ));
        }
        for (watch, evaluated) in self.fail_if.iter_mut().zip(&mut self.evaluated) {
            let outcome = watch.expr.evaluate(values);
            *evaluated |= outcome.holds.is_some();
            if outcome.holds == Some(true) && !watch.crossed {
                watch.crossed = true;
                lines.push(format!(
                    "--fail-if crossed: {} at {time}: {}",
                    watch.expr.text(),
                    shown(&outcome)
                ));
            }
        }
        lines
    }

    /// How the run ended, with a line for each condition that could not be judged.
    pub fn verdict(&self) -> (Verdict, Vec<String>) {
        let unknown = self
            .fail_if
            .iter()
            .zip(&self.evaluated)
            .filter(|&(_, &evaluated)| !evaluated);
        let lines: Vec<String> = unknown
            .map(|(watch, _)| {
                format!(
                    "--fail-if {}: a value it needs was not measured, so it could not be judged",
                    watch.expr.text()
                )
            })
            .collect();
        let verdict = match (
            self.fail_if.iter().any(|watch| watch.crossed),
            lines.is_empty(),
        ) {
            (true, _) => Verdict::Crossed,
            (false, true) => Verdict::Kept,
            (false, false) => Verdict::Unknown,
        };
        (verdict, lines)
    }
}

/// `remote_share is 0.0731, numa_miss/s is not known`.
fn shown(outcome: &Outcome) -> String {
    let value = |value: Option<f64>| match value {
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.4}"),
        None => "not known".to_owned(),
    };
    let values: Vec<String> = outcome
        .values
        .iter()
        .map(|(name, known)| format!("{name} is {}", value(*known)))
        .collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stat::Sample;
    use crate::model::stat::counters::{CounterSection, CounterView, Counters};

    fn sample(numa_miss: u64) -> Sample {
        let total = CounterView::from(Counters {
            numa_hit: 10,
            numa_miss,
            ..Counters::default()
        });
        let mut sample = Sample::new(format!("t{numa_miss}"), 4096, vec![]);
        sample.counters = Some(CounterSection {
            counting: None,
            nodes: vec![],
            total,
            interval: None,
        });
        sample
    }

    fn say(alerts: &mut Alerts, misses: &[u64]) -> Vec<String> {
        misses
            .iter()
            .flat_map(|&misses| {
                alerts.look(&SampleValues {
                    now: &sample(misses),
                    before: None,
                })
            })
            .collect()
    }

    #[test]
    fn an_alert_fires_once_and_clears_once() {
        let mut alerts = Alerts::parse(&["numa_miss > 5".to_owned()], &[], false).unwrap();
        let said = say(&mut alerts, &[0, 7, 8, 9, 5, 4]);
        assert_eq!(
            said,
            [
                "alert: numa_miss > 5 at t7: numa_miss is 7",
                "clear: numa_miss > 5 at t5: numa_miss is 5"
            ]
        );
        assert_eq!(alerts.verdict().0, Verdict::Kept, "an alert is no failure");
    }

    #[test]
    fn fail_if_stays_crossed_and_what_is_unknown_is_told() {
        let mut alerts = Alerts::parse(
            &[],
            &["miss_share > 50%".to_owned(), "imbalance > 1".to_owned()],
            false,
        )
        .unwrap();
        let said = say(&mut alerts, &[0, 70, 0]);
        assert_eq!(
            said,
            ["--fail-if crossed: miss_share > 50% at t70: miss_share is 0.8750"]
        );
        let (verdict, lines) = alerts.verdict();
        assert_eq!(verdict, Verdict::Crossed);
        assert!(
            lines[0].contains("imbalance > 1") && lines.len() == 1,
            "{lines:?}"
        );
        let alerts = Alerts::parse(&[], &["imbalance > 1".to_owned()], false).unwrap();
        assert_eq!(alerts.verdict().0, Verdict::Unknown);
    }

    #[test]
    fn every_preset_parses() {
        assert!(!Alerts::parse(&[], &[], true).unwrap().is_empty());
    }
}
