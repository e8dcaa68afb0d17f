//! Does NUMA balancing help? From what it cost and how the share of remote hinting faults went over the session.

use std::collections::HashMap;

use super::{
    activity::{self, Measured, NUMA_MISPLACED},
    values::seconds,
};
use crate::{
    enrich::{Charged, process::Processes},
    fold::{Accumulators, Counts, slices::Faults},
    ids::Pid,
    model::{
        BalancerVerdict, BalancerWork, Balancing, FaultSlice, PageMigrations, PerNode, Process,
        matrix::share, number, report::System,
    },
};

/// Fewer faults than these in each half say nothing about a share.
const FEW: u64 = 30;

/// A change of the share of remote faults that is more than chance: ten points.
const CHANGE: f64 = 0.10;

/// Share of CPU time that is a lot for moving memory about.
const DEAR: f64 = 0.05;

/// Pages moved that are worth asking about: 16 MiB of small ones.
const MANY: u64 = 4096;

/// Share of moved pages that went back to where they had come from.
const TO_AND_FRO: f64 = 0.25;

/// Share of remote hinting faults that moved their page, where balancing brings memory to its users.
const BRINGS: f64 = 0.9;

/// Share of them that are in the last quarter of a session where it is done with that: a tenth of an even share.
const DONE: f64 = 0.025;

/// What was counted for an owner; the verdict comes when its memory is known.
pub fn begin(counts: &Counts, measured: &Measured) -> Option<Balancing> {
    activity::balancer(counts, measured).map(|work| Balancing {
        work,
        ..Balancing::default()
    })
}

/// Judges each process, and the whole.
pub fn judge(
    processes: &mut [Process],
    system: &mut System,
    counted: &Accumulators,
    known: &Processes,
    began_ns: u64,
) {
    let mut indices: Vec<_> = counted
        .tallies
        .iter()
        .filter_map(|((charged, _), _)| match charged {
            Charged::Thread { process, .. } => Some(*process),
            _ => None,
        })
        .collect();
    indices.sort_unstable();
    indices.dedup();
    let by_identity: HashMap<(Pid, u64), _> = indices
        .into_iter()
        .map(|index| ((known.get(index).pid, known.get(index).start_ns), index))
        .collect();
    for process in processes.iter_mut() {
        let bounced = bounced(process);
        let index = by_identity.get(&(process.pid, process.start_ns));
        let slices = index.map_or_else(Vec::new, |index| counted.faults.of(*index));
        if let Some(balancing) = process.balancer.take() {
            let case = Case {
                work: balancing.work,
                slices: &slices,
                began_ns,
                run_ns: process.run_ns.as_ref(),
                migrations: process.page_migrations.as_ref(),
                bounced,
            };
            process.balancer = Some(case.judge());
        }
    }
    if let Some(balancing) = system.balancer.take() {
        let case = Case {
            work: balancing.work,
            slices: &counted.faults.whole(),
            began_ns,
            run_ns: system.run_ns.as_ref(),
            migrations: system.page_migrations.as_ref(),
            // Of memory that is out of scope mappings are not known.
            bounced: None,
        };
        system.balancer = Some(case.judge());
    }
}

/// Pages of a process that went back to a node they had been moved from.
fn bounced(process: &Process) -> Option<u64> {
    // Without nodes of migrations nobody knows.
    process.page_migrations.as_ref()?.matrix.as_ref()?;
    let mappings = process.mappings.iter();
    Some(
        mappings
            .filter_map(|mapping| Some(mapping.page_migrations.as_ref()?.bounced))
            .sum(),
    )
}

/// What a verdict is made from.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What balancing did.
    pub work: BalancerWork,
    /// Hinting faults over time: when each slice ended (ns since boot).
    pub slices: &'a [(u64, Faults)],
    /// When the session began, ns since boot.
    pub began_ns: u64,
    /// CPU time in which the work was done.
    pub run_ns: Option<&'a PerNode>,
    /// Pages moved.
    pub migrations: Option<&'a PageMigrations>,
    /// Pages among them that went back, where mappings tell.
    pub bounced: Option<u64>,
}

impl Case<'_> {
    /// What NUMA balancing came to.
    pub fn judge(self) -> Balancing {
        let (verdict, evidence) = self.verdict(&self.work);
        Balancing {
            slices: self.told(),
            work: self.work,
            verdict,
            evidence,
        }
    }

    fn told(&self) -> Vec<FaultSlice> {
        if self.slices.iter().all(|(_, faults)| faults.all == 0) {
            return Vec::new();
        }
        let slices = self.slices.iter();
        slices
            .map(|(until, faults)| FaultSlice {
                until_s: seconds(until.saturating_sub(self.began_ns)),
                faults: faults.all,
                remote: faults.remote,
            })
            .collect()
    }

    fn verdict(&self, work: &BalancerWork) -> (Option<BalancerVerdict>, Vec<String>) {
        let mut evidence = Vec::new();
        let halves = halves(self.slices);
        let fell = halves.map(|(first, second)| {
            evidence.push(format!(
                "of its first {1} hint faults {0} % were remote, of the {3} after them {2} %",
                number::percent(Some(far(first))),
                number::grouped(first.all),
                number::percent(Some(far(second))),
                number::grouped(second.all),
            ));
            far(first) - far(second)
        });
        let cost = self
            .run_ns
            .and_then(|run| share(work.time_ns()?, run.total()));
        if let (Some(ns), Some(cost)) = (work.time_ns(), cost) {
            evidence.push(format!(
                "it took {} of CPU time ({} %): scans {}, hint faults {}, of which moving pages {}",
                number::brief(ns),
                number::percent(Some(cost)),
                brief(work.scan_ns),
                brief(work.fault_ns),
                brief(work.migrate_ns),
            ));
        }
        let moved = self.moved();
        let back = self.bounced.and_then(|bounced| share(bounced, moved?));
        if let Some(moved) = moved.filter(|moved| *moved > 0) {
            let pages = number::grouped(moved);
            evidence.push(match self.bounced {
                Some(bounced) => format!(
                    "pages that it moved: {pages}; that went back to a node they had been moved from: {}",
                    number::grouped(bounced)
                ),
                None => format!("pages that it moved: {pages}"),
            });
        }
        let moves_much = moved.is_some_and(|moved| moved >= MANY);
        let to_and_fro = moves_much && back.is_some_and(|back| back >= TO_AND_FRO);
        let fell_much = fell.is_some_and(|fell| fell >= CHANGE);
        if moves_much && !to_and_fro && !fell_much {
            // Each such fault is remote and the page's last one: their share says nothing.
            match moved.and_then(|moved| self.brought(moved)) {
                Some(Brought::Done { late, remote }) => {
                    evidence.push(format!(
                        "its remote hint faults brought their pages, and have ended: {} of {} came in the last quarter of the session",
                        number::grouped(late),
                        number::grouped(remote)
                    ));
                    return (Some(BalancerVerdict::Helping), evidence);
                }
                Some(Brought::GoesOn) => {
                    evidence.push("it still brings pages to where they are used: a longer session tells whether that ends".to_owned());
                    return (None, evidence);
                }
                None => {}
            }
        }
        let Some(fell) = fell else {
            evidence.push("too few hint faults, or all at once: nothing to judge by".to_owned());
            return (None, evidence);
        };
        let verdict = if to_and_fro {
            BalancerVerdict::Hurting
        } else if fell_much {
            BalancerVerdict::Helping
        } else if cost.is_some_and(|cost| cost >= DEAR) || moves_much && fell <= -CHANGE {
            BalancerVerdict::Hurting
        } else {
            BalancerVerdict::Neutral
        };
        (Some(verdict), evidence)
    }

    /// Whether so many moved pages are what remote faults asked for, and that has come to its end. `None` when they are not.
    fn brought(&self, moved: u64) -> Option<Brought> {
        let remote = sum(self.slices).remote;
        if share(moved, remote)? < BRINGS {
            return None;
        }
        let until = self.slices.last()?.0;
        let quarter = until.saturating_sub(self.began_ns) / 4;
        // Slices that lie in it whole: those behind the first one that ends there.
        let reach_into = self
            .slices
            .iter()
            .position(|(end, _)| *end >= until.saturating_sub(quarter))?;
        let within = self.slices.get(reach_into + 1..)?;
        if within.is_empty() {
            return Some(Brought::GoesOn);
        }
        let late = sum(within).remote;
        Some(if share(late, remote)? <= DONE {
            Brought::Done { late, remote }
        } else {
            Brought::GoesOn
        })
    }

    /// Pages that balancing moved.
    fn moved(&self) -> Option<u64> {
        let by_reason = self.migrations?.by_reason.as_ref()?;
        Some(by_reason.get(NUMA_MISPLACED).copied().unwrap_or(0))
    }
}

/// Where balancing has got with bringing memory to its users.
enum Brought {
    /// There: so many remote faults came late, of so many.
    Done { late: u64, remote: u64 },
    /// On its way.
    GoesOn,
}

/// All faults of some slices.
fn sum(slices: &[(u64, Faults)]) -> Faults {
    let faults = slices.iter().map(|(_, faults)| faults);
    faults.fold(Faults::default(), |sum, faults| Faults {
        all: sum.all.saturating_add(faults.all),
        remote: sum.remote.saturating_add(faults.remote),
    })
}

/// The share of remote ones.
fn far(faults: Faults) -> f64 {
    share(faults.remote, faults.all).unwrap_or(0.0)
}

fn brief(ns: Option<u64>) -> String {
    ns.map_or_else(|| number::UNKNOWN.into(), number::brief)
}

/// The first half of the faults and the second, as near as slices come to it; `None` when one of them has too few. By faults and not by time: they come in
/// bursts, and a balancer that has done its work has few.
fn halves(slices: &[(u64, Faults)]) -> Option<(Faults, Faults)> {
    let parts = (0..=slices.len()).map(|at| {
        let (before, after) = slices.split_at(at);
        (sum(before), sum(after))
    });
    parts
        .min_by_key(|(before, after)| before.all.abs_diff(after.all))
        .filter(|(before, after)| before.all >= FEW && after.all >= FEW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn slices(remote: &[u64]) -> Vec<(u64, Faults)> {
        let seen: Vec<(u64, u64)> = remote.iter().map(|remote| (1_000, *remote)).collect();
        seconds(&seen)
    }

    fn judged(remote: &[u64], cost_ns: u64, moved: u64, bounced: u64) -> Balancing {
        judged_by(&slices(remote), cost_ns, moved, bounced)
    }

    fn judged_by(slices: &[(u64, Faults)], cost_ns: u64, moved: u64, bounced: u64) -> Balancing {
        let migrations = PageMigrations {
            by_reason: Some(BTreeMap::from([("numa_misplaced".to_owned(), moved)])),
            ..PageMigrations::default()
        };
        let case = Case {
            work: BalancerWork {
                scans: Some(10),
                scan_ns: Some(cost_ns),
                fault_ns: Some(0),
                ..BalancerWork::default()
            },
            slices,
            began_ns: 0,
            run_ns: Some(&PerNode(vec![1_000_000_000, 0])),
            migrations: Some(&migrations),
            bounced: Some(bounced),
        };
        case.judge()
    }

    /// A slice for each second: all faults, and remote ones.
    fn seconds(seen: &[(u64, u64)]) -> Vec<(u64, Faults)> {
        let each = seen.iter().zip(1..);
        each.map(|(&(all, remote), second)| (second * 1_000_000_000, Faults { all, remote }))
            .collect()
    }

    #[test]
    fn a_share_that_falls_is_help() {
        let balancing = judged(&[900, 800, 100, 50], 1_000_000, 9_000, 0);
        assert_eq!(balancing.verdict, Some(BalancerVerdict::Helping));
        assert!(
            balancing.evidence[0].contains(
                "of its first 2,000 hint faults 85.0 % were remote, of the 2,000 after them 7.5 %"
            ),
            "{:?}",
            balancing.evidence
        );
        assert_eq!(balancing.slices[3].until_s, 4.0);
    }

    #[test]
    fn cost_without_a_change_hurts_and_without_cost_it_is_neutral() {
        let dear = judged(&[900, 900, 900, 900], 60_000_000, 10, 0);
        assert_eq!(dear.verdict, Some(BalancerVerdict::Hurting));
        let cheap = judged(&[900, 900, 900, 900], 1_000_000, 10, 0);
        assert_eq!(cheap.verdict, Some(BalancerVerdict::Neutral));
    }

    #[test]
    fn pages_that_go_to_and_fro_hurt_whatever_the_share_does() {
        let balancing = judged(&[900, 900, 100, 100], 1_000_000, 10_000, 5_000);
        assert_eq!(balancing.verdict, Some(BalancerVerdict::Hurting));
    }

    #[test]
    fn memory_that_is_brought_whole_is_help_once_that_has_ended() {
        let told = |seen: &[(u64, u64)], moved| judged_by(&seconds(seen), 90_000_000, moved, 6);
        let burst = [(20_000, 19_990); 4];
        let quiet = [(10, 4); 12];
        let done = told(&[&burst[..], &quiet[..]].concat(), 80_000);
        assert_eq!(
            done.verdict,
            Some(BalancerVerdict::Helping),
            "{:?}",
            done.evidence
        );
        let said = done.evidence.last().unwrap();
        assert!(said.contains("16 of 80,008 came"), "{said}");
        // All in one slice, and then nothing.
        let at_once = told(&[&burst[..1], &quiet[..]].concat(), 20_000);
        assert_eq!(at_once.verdict, Some(BalancerVerdict::Helping));
        let goes_on = told(&burst, 80_000);
        assert_eq!(goes_on.verdict, None, "{:?}", goes_on.evidence);
        assert!(goes_on.evidence.last().unwrap().contains("still"));
        // Most faults moved nothing, so their share is what tells.
        let stays = told(&burst, 40_000);
        assert_eq!(stays.verdict, Some(BalancerVerdict::Hurting));
    }

    #[test]
    fn bursts_and_a_late_scan_do_not_hide_that_it_fell() {
        let seen = [
            (1240, 1236),
            (2564, 1924),
            (1777, 946),
            (1, 0),
            (4097, 0),
            (0, 0),
            (25, 12),
        ];
        let slices = seconds(&seen);
        let (first, second) = halves(&slices).unwrap();
        assert_eq!((first.all, first.remote), (5_581, 4_106));
        assert_eq!((second.all, second.remote), (4_123, 12));
    }

    #[test]
    fn too_few_faults_are_no_verdict_and_say_so() {
        let balancing = judged(&[900], 1_000_000, 10, 0);
        assert_eq!(balancing.verdict, None);
        assert!(balancing.evidence.last().unwrap().contains("too few"));
    }
}
