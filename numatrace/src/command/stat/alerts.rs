//! Conditions watched while `stat` runs: alerts say when they are crossed and when they clear, `--fail-if` decides the exit.

use super::values::{Names, SampleValues};
use crate::limits::{
    expr::{Expr, Mistake},
    fail_if::{FailIf, shown},
};

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
    /// The limits.
    pub fail_if: FailIf,
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
        Ok(Self {
            alerts: parsed,
            fail_if: FailIf::parse(fail_if, &Names)?,
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
