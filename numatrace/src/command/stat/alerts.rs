//! Conditions of `stat`: alerts report when they begin and end to hold, `--fail-if` decides the
//! exit status.

use super::values::{Names, SampleValues};
use crate::limits::{
    expr::{Expr, Mistake},
    fail_if::{FailIf, shown},
};

/// Conditions of `--alert-presets`, with their meaning. Guides to NUMA tuning recommend them.
pub const PRESETS: [(&str, &str); 6] = [
    (
        "foreign_share >= 10%",
        "a tenth of the allocations did not get the node they preferred: a node is full or a \
         policy is too narrow",
    ),
    (
        "node(max).unreclaimable_slab_share >= 30%",
        "kernel objects that reclaim cannot free crowd a node",
    ),
    (
        "node(min).local_share_change <= -10%",
        "CPUs of different nodes allocate from this node: tasks have moved, or memory is short \
         elsewhere",
    ),
    (
        "node(min).free_before_reclaim < 0",
        "a node is below its low watermark: kswapd runs and other nodes are used",
    ),
    (
        "pswpout > 0 and node(max).free_share > 20%",
        "pages are swapped out while a different node has free memory: a binding or cpuset keeps \
         it unused",
    ),
    (
        "remote_share >= 20%",
        "a fifth of the allocations are for CPUs of different nodes",
    ),
];

/// One condition and its state.
#[derive(Debug)]
struct Watch {
    expr: Expr,
    /// Meaning of a preset; `None` for a typed condition.
    meaning: Option<&'static str>,
    crossed: bool,
}

/// All conditions of a run.
#[derive(Debug, Default)]
pub struct Alerts {
    alerts: Vec<Watch>,
    /// Limits of `--fail-if`.
    pub fail_if: FailIf,
}

impl Alerts {
    /// Parses the conditions; presets follow those that were typed.
    ///
    /// # Errors
    /// A condition has a wrong syntax or an unknown name.
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
        Ok(Self {
            alerts: parsed,
            fail_if: FailIf::parse(fail_if, &Names)?,
        })
    }

    /// Returns whether there are no conditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.fail_if.is_empty()
    }

    /// Evaluates the conditions on a sample. Returns lines for stderr. An unknown value changes
    /// nothing.
    pub fn check(&mut self, values: &SampleValues<'_>) -> Vec<String> {
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
        lines.extend(self.fail_if.check(values, Some(time)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::fail_if::Verdict;
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
                alerts.check(&SampleValues {
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
        assert_eq!(
            alerts.fail_if.verdict().0,
            Verdict::Kept,
            "an alert is no failure"
        );
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
        let (verdict, lines) = alerts.fail_if.verdict();
        assert_eq!(verdict, Verdict::Crossed);
        assert!(
            lines[0].contains("imbalance > 1") && lines.len() == 1,
            "{lines:?}"
        );
        let alerts = Alerts::parse(&[], &["imbalance > 1".to_owned()], false).unwrap();
        assert_eq!(alerts.fail_if.verdict().0, Verdict::Unknown);
    }

    #[test]
    fn every_preset_parses() {
        assert!(!Alerts::parse(&[], &[], true).unwrap().is_empty());
    }
}
