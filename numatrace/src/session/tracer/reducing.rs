//! `--max-overhead`: gives up details, the most expensive first, when our programs take more CPU
//! time than allowed.
//!
//! Totals are never given up: the audit rests on them, and they are cheap. A detail once given up
//! does not come back, so the report only needs to say since when it is missing.

use std::time::Instant;

use numatrace_common::control::{NO_RUNS, NO_STACKS};

use crate::{capture::cost::WindowCost, model::Reduction};

/// A detail that can be given up: its bit of the control word, and its name in the report.
type Step = (u64, &'static str);

/// A stack costs as much as fifty counts.
const STACKS: Step = (NO_STACKS, "call stacks");
/// Runs read the mapping of each fault.
const RUNS: Step = (
    NO_RUNS,
    "first touches and hinting faults by mapping, with their stacks",
);

/// The limit, and the details given up for it.
#[derive(Debug)]
pub struct Reducing {
    /// Share of all CPU time, 0 to 1.
    limit: f64,
    cpus: usize,
    began: Instant,
    /// Details that can still be given up; the next one is last.
    left: Vec<Step>,
    bits: u64,
    done: Vec<Reduction>,
}

impl Reducing {
    /// Creates a limit, as a share from 0 to 1 of the time of this many CPUs, for a session that
    /// begins now.
    #[must_use]
    pub fn new(limit: f64, cpus: usize, stacks: bool) -> Self {
        Self {
            limit,
            cpus,
            began: Instant::now(),
            left: if stacks {
                vec![RUNS, STACKS]
            } else {
                vec![RUNS]
            },
            bits: 0,
            done: Vec::new(),
        }
    }

    /// Returns the limit, as a share of all CPU time.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// Returns the details given up so far.
    #[must_use]
    pub fn done(&self) -> &[Reduction] {
        &self.done
    }

    /// Judges the cost of one measuring window. Returns the new bits for the control word when it
    /// is above the limit and there is something left to give up.
    pub fn judge(&mut self, seen: WindowCost, now: Instant) -> Option<u64> {
        let share = share(seen, self.cpus);
        if share <= self.limit {
            return None;
        }
        let (bits, what) = self.left.pop()?;
        self.bits |= bits;
        self.done.push(Reduction {
            at_s: now.duration_since(self.began).as_secs_f64(),
            what: what.to_owned(),
            share,
        });
        Some(self.bits)
    }
}

/// Returns the time in our programs as a share of the time of all CPUs.
#[expect(clippy::cast_precision_loss, reason = "a share needs three digits")]
fn share(seen: WindowCost, cpus: usize) -> f64 {
    seen.ns as f64 / 1e9 / (seen.length.as_secs_f64() * cpus.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A window of 20 ms with so many percent of two CPUs in our programs.
    fn window(percent: u64) -> WindowCost {
        WindowCost {
            ns: percent * 400_000,
            length: Duration::from_millis(20),
        }
    }

    #[test]
    fn one_thing_is_given_up_at_a_time_and_stays_so() {
        let mut reducing = Reducing::new(0.02, 2, true);
        let now = reducing.began + Duration::from_secs(3);
        assert_eq!(reducing.judge(window(2), now), None, "not above the limit");
        assert_eq!(reducing.judge(window(3), now), Some(NO_STACKS));
        assert_eq!(reducing.judge(window(1), now), None);
        assert_eq!(reducing.judge(window(9), now), Some(NO_STACKS | NO_RUNS));
        assert_eq!(reducing.judge(window(9), now), None, "nothing is left");
        let done: Vec<_> = reducing
            .done()
            .iter()
            .map(|one| one.what.as_str())
            .collect();
        assert_eq!(done, [STACKS.1, RUNS.1]);
        assert!((reducing.done()[1].share - 0.09).abs() < 1e-9);
        assert!((reducing.done()[0].at_s - 3.0).abs() < 1e-9);
    }

    #[test]
    fn without_stacks_runs_go_first() {
        let mut reducing = Reducing::new(0.02, 2, false);
        assert_eq!(reducing.judge(window(50), Instant::now()), Some(NO_RUNS));
    }
}
