//! The verdict on NUMA balancing: its cost, and the share of remote hinting faults over the
//! session.

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

/// Least faults in each half of a session for their share to mean anything.
const FEW: u64 = 30;

/// Change of the share of remote faults that is not chance: ten points.
const CHANGE: f64 = 0.10;

/// Share of CPU time from which on moving memory about is expensive.
const EXPENSIVE: f64 = 0.05;

/// Moved base pages that are worth a verdict: 16 MiB.
const MANY: u64 = 4096;

/// Share of the moved pages from which on those that moved back matter.
const MOVED_BACK: f64 = 0.25;

/// Share of remote hinting faults that moved their page, where balancing brings memory to its
/// users.
const BRINGS: f64 = 0.9;

/// Share of remote hinting faults in the last quarter of a session up to which balancing has
/// finished bringing memory: a tenth of an even share.
const DONE: f64 = 0.025;

/// Least faults of that last quarter for the share of remote ones among them to mean anything.
const SOME: u64 = 10;

/// Returns the work of balancing for an owner; the verdict follows when its memory is known.
pub fn begin(counts: &Counts, measured: &Measured) -> Option<Balancing> {
    activity::balancer(counts, measured).map(|work| Balancing {
        work,
        ..Balancing::default()
    })
}

/// Judges each process and the whole system. `began_ns` is when the session began, ns since boot.
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
            // Mappings out of scope are not known.
            bounced: None,
        };
        system.balancer = Some(case.judge());
    }
}

/// Returns the pages of a process that moved back to a node that they had been moved from; `None`
/// where nodes of migrations are not known.
fn bounced(process: &Process) -> Option<u64> {
    process.page_migrations.as_ref()?.matrix.as_ref()?;
    let mappings = process.mappings.iter();
    Some(
        mappings
            .filter_map(|mapping| Some(mapping.page_migrations.as_ref()?.bounced))
            .sum(),
    )
}

/// The evidence for a verdict.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The work of balancing.
    pub work: BalancerWork,
    /// Hinting faults of each slice of the session, with the end of the slice in ns since boot.
    pub slices: &'a [(u64, Faults)],
    /// When the session began, ns since boot.
    pub began_ns: u64,
    /// CPU time that the work is a part of.
    pub run_ns: Option<&'a PerNode>,
    /// Pages moved.
    pub migrations: Option<&'a PageMigrations>,
    /// Of these, pages that moved back; `None` where mappings are not known.
    pub bounced: Option<u64>,
}

impl Case<'_> {
    /// Returns the work of NUMA balancing with its verdict.
    pub fn judge(self) -> Balancing {
        let (verdict, evidence) = self.verdict();
        Balancing {
            slices: self.fault_slices(),
            work: self.work,
            verdict,
            evidence,
        }
    }

    /// Returns the slices as the report has them; none when there were no faults at all.
    fn fault_slices(&self) -> Vec<FaultSlice> {
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

    /// Returns the verdict, if there is enough to judge by, and its evidence in sentences.
    fn verdict(&self) -> (Option<BalancerVerdict>, Vec<String>) {
        let halves = halves(self.slices);
        let fell = halves.map(|(first, second)| remote_share(first) - remote_share(second));
        let cost = self.cost();
        let moved = self.moved();
        let mut evidence: Vec<String> = [
            halves.map(halves_in_words),
            cost.and_then(|cost| self.cost_in_words(cost)),
            moved.and_then(|moved| self.moves_in_words(moved)),
        ]
        .into_iter()
        .flatten()
        .collect();

        let back = self.bounced.and_then(|bounced| share(bounced, moved?));
        let moves_much = moved.is_some_and(|moved| moved >= MANY);
        let moves_back = moves_much && back.is_some_and(|back| back >= MOVED_BACK);
        let fell_much = fell.is_some_and(|fell| fell >= CHANGE);
        if moves_much && !moves_back && !fell_much {
            // Their share says nothing when each such fault is remote and the page's last one.
            if let Some(bringing) = moved.and_then(|moved| self.bringing(moved)) {
                evidence.push(bringing.in_words());
                return (bringing.verdict(), evidence);
            }
        }
        let Some(fell) = fell else {
            evidence.push("too few hint faults, or all at once: nothing to judge by".to_owned());
            return (None, evidence);
        };
        let expensive = cost.is_some_and(|cost| cost >= EXPENSIVE);
        let verdict = if moves_back {
            BalancerVerdict::Hurting
        } else if fell_much {
            BalancerVerdict::Helping
        } else if expensive || moves_much && fell <= -CHANGE {
            BalancerVerdict::Hurting
        } else {
            BalancerVerdict::Neutral
        };
        (Some(verdict), evidence)
    }

    /// Returns the share of the CPU time that the work took.
    fn cost(&self) -> Option<f64> {
        share(self.work.time_ns()?, self.run_ns?.total())
    }

    fn cost_in_words(&self, cost: f64) -> Option<String> {
        Some(format!(
            "it took {} of CPU time ({} %): scans {}, hint faults {}, of which moving pages {}",
            number::brief(self.work.time_ns()?),
            number::percent(Some(cost)),
            brief(self.work.scan_ns),
            brief(self.work.fault_ns),
            brief(self.work.migrate_ns),
        ))
    }

    fn moves_in_words(&self, moved: u64) -> Option<String> {
        let pages = number::grouped(moved);
        let words = match self.bounced {
            Some(bounced) => format!(
                "pages that it moved: {pages}; that moved back to a node that they had been moved \
                 from: {}",
                number::grouped(bounced)
            ),
            None => format!("pages that it moved: {pages}"),
        };
        (moved > 0).then_some(words)
    }

    /// Returns how far balancing has come with bringing memory to its users; `None` when the pages
    /// that it moved are not those that remote faults asked for.
    fn bringing(&self, moved: u64) -> Option<Bringing> {
        let remote = sum(self.slices).remote;
        if share(moved, remote)? < BRINGS {
            return None;
        }
        let until = self.slices.last()?.0;
        let quarter = until.saturating_sub(self.began_ns) / 4;
        // Slices that lie wholly in the last quarter: those behind the first one that ends there.
        let reach_into = self
            .slices
            .iter()
            .position(|(end, _)| *end >= until.saturating_sub(quarter))?;
        let within = self.slices.get(reach_into + 1..)?;
        if within.is_empty() {
            return Some(Bringing::Continues);
        }
        let (before, late) = (sum(self.slices.get(..=reach_into)?), sum(within));
        if share(late.remote, remote)? > DONE {
            return Some(Bringing::Continues);
        }
        // Faults may end for other reasons: scans become rare, or the program waits.
        let fell = remote_share(before) - remote_share(late);
        Some(Bringing::Done {
            late: late.remote,
            remote,
            is_used_locally: late.all >= SOME && fell >= CHANGE,
        })
    }

    /// Returns the base pages that balancing moved.
    fn moved(&self) -> Option<u64> {
        let by_reason = self.migrations?.by_reason.as_ref()?;
        Some(by_reason.get(NUMA_MISPLACED).copied().unwrap_or(0))
    }
}

/// How far balancing has come with bringing memory to its users.
enum Bringing {
    /// Moving has finished: of all remote faults so few came late.
    Done {
        late: u64,
        remote: u64,
        /// The share of remote faults is lower late, so what was moved is used where it is.
        is_used_locally: bool,
    },
    /// Moving goes on.
    Continues,
}

impl Bringing {
    fn verdict(&self) -> Option<BalancerVerdict> {
        match self {
            Bringing::Done {
                is_used_locally: true,
                ..
            } => Some(BalancerVerdict::Helping),
            Bringing::Done { .. } => Some(BalancerVerdict::Neutral),
            Bringing::Continues => None,
        }
    }

    fn in_words(&self) -> String {
        match self {
            Bringing::Done {
                late,
                remote,
                is_used_locally,
            } => format!(
                "its remote hint faults brought their pages, and have ended: {} of {} came in the \
                 last quarter of the session{}",
                number::grouped(*late),
                number::grouped(*remote),
                if *is_used_locally {
                    ""
                } else {
                    "; too few faults on local pages came since to show that it helped"
                }
            ),
            Bringing::Continues => {
                "it still brings pages to where they are used: a longer session \
                                    shows whether that ends"
                    .to_owned()
            }
        }
    }
}

fn halves_in_words((first, second): (Faults, Faults)) -> String {
    format!(
        "of its first {1} hint faults {0} % were remote, of the {3} after them {2} %",
        number::percent(Some(remote_share(first))),
        number::grouped(first.all),
        number::percent(Some(remote_share(second))),
        number::grouped(second.all),
    )
}

/// Returns all faults of some slices.
fn sum(slices: &[(u64, Faults)]) -> Faults {
    let faults = slices.iter().map(|(_, faults)| faults);
    faults.fold(Faults::default(), |sum, faults| Faults {
        all: sum.all.saturating_add(faults.all),
        remote: sum.remote.saturating_add(faults.remote),
    })
}

/// Returns the share of the faults that were remote.
fn remote_share(faults: Faults) -> f64 {
    share(faults.remote, faults.all).unwrap_or(0.0)
}

fn brief(ns: Option<u64>) -> String {
    ns.map_or_else(|| number::UNKNOWN.into(), number::brief)
}

/// Returns the first half of the faults and the second, as near as slices come to it; `None` when
/// one of them has too few. They are halves by faults and not by time: faults come in bursts, and a
/// balancer that has done its work has few.
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
        let expensive = judged(&[900, 900, 900, 900], 60_000_000, 10, 0);
        assert_eq!(expensive.verdict, Some(BalancerVerdict::Hurting));
        let cheap = judged(&[900, 900, 900, 900], 1_000_000, 10, 0);
        assert_eq!(cheap.verdict, Some(BalancerVerdict::Neutral));
    }

    #[test]
    fn pages_that_move_back_hurt_whatever_the_share_does() {
        let balancing = judged(&[900, 900, 100, 100], 1_000_000, 10_000, 5_000);
        assert_eq!(balancing.verdict, Some(BalancerVerdict::Hurting));
    }

    #[test]
    fn memory_that_is_brought_whole_is_help_once_that_has_ended() {
        let judge = |seen: &[(u64, u64)], moved| judged_by(&seconds(seen), 90_000_000, moved, 6);
        let burst = [(20_000, 19_990); 4];
        let quiet = [(10, 4); 12];
        let done = judge(&[&burst[..], &quiet[..]].concat(), 80_000);
        assert_eq!(
            done.verdict,
            Some(BalancerVerdict::Helping),
            "{:?}",
            done.evidence
        );
        let said = done.evidence.last().unwrap();
        assert!(said.contains("16 of 80,008 came"), "{said}");
        // All in one slice, and then none.
        let at_once = judge(&[&burst[..1], &quiet[..]].concat(), 20_000);
        assert_eq!(at_once.verdict, Some(BalancerVerdict::Helping));
        let continues = judge(&burst, 80_000);
        assert_eq!(continues.verdict, None, "{:?}", continues.evidence);
        assert!(continues.evidence.last().unwrap().contains("still"));
        // Faults ended, and the few that came late were remote all the same.
        let silent = [(0, 0); 12];
        let remote_to_the_end = [(10, 10); 12];
        for late in [silent, remote_to_the_end] {
            let ended = judge(&[&burst[..], &late[..]].concat(), 80_000);
            assert_eq!(ended.verdict, Some(BalancerVerdict::Neutral));
            let said = ended.evidence.last().unwrap();
            assert!(said.contains("too few faults on local pages"), "{said}");
        }
        // Most faults moved nothing, so their share decides.
        let stays = judge(&burst, 40_000);
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
