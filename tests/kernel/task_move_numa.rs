//! Tasks that NUMA balancing moves to their memory, or exchanges, compared with the kernel's own
//! decisions.

use std::collections::BTreeMap;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::kernel_count::KernelCount;
use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{Outcome, Traced, Tracer};
use numatrace_tests::test_name;

use crate::two_nodes_or_skip;

/// Sessions to try until the balancer makes the wanted move: the scheduler may send a thread to its
/// memory first.
const ATTEMPTS: usize = 4;

/// The balancer's decisions, which the kernel counts while this value lives.
struct Decisions {
    moved: KernelCount,
    swapped: KernelCount,
    /// Attempts that were given up are counted as well: only those with a partner or a CPU were
    /// decisions.
    failed: KernelCount,
}

/// Decisions by thread that the kernel did not report as failed.
#[derive(Default)]
struct Decided {
    moves: BTreeMap<u64, u64>,
    swaps: BTreeMap<u64, u64>,
}

impl Decisions {
    fn begin() -> anyhow::Result<Self> {
        Ok(Self {
            moved: KernelCount::begin("sched/sched_move_numa", "pid")?,
            swapped: KernelCount::begin("sched/sched_swap_numa", "src_pid,dst_pid")?,
            failed: KernelCount::begin("sched/sched_stick_numa", "src_pid,dst_pid,dst_cpu")?,
        })
    }

    fn read(&self) -> anyhow::Result<Decided> {
        let mut decided = Decided::default();
        for (tids, hits) in self.moved.read()? {
            *decided.moves.entry(tids[0]).or_default() += hits;
        }
        for (tids, hits) in self.swapped.read()? {
            for tid in tids {
                *decided.swaps.entry(tid).or_default() += hits;
            }
        }
        for (fields, hits) in self.failed.read()? {
            let [source, partner, cpu] = fields[..] else {
                anyhow::bail!("{fields:?}")
            };
            // CPU -1, whatever its width on this kernel: no place was found, so nothing was tried.
            let nowhere = cpu >= u64::from(u32::MAX);
            if partner != 0 {
                for tid in [source, partner] {
                    subtract(&mut decided.swaps, tid, hits);
                }
            } else if !nowhere {
                subtract(&mut decided.moves, source, hits);
            }
        }
        Ok(decided)
    }
}

fn subtract(counts: &mut BTreeMap<u64, u64>, tid: u64, hits: u64) {
    if let Some(count) = counts.get_mut(&tid) {
        *count = count.saturating_sub(hits);
    }
}

fn reason(thread: Part<'_>, name: &str) -> u64 {
    let pointer = format!("/task_moves/by_reason/{name}");
    thread.count(&pointer).unwrap_or(0)
}

/// Moves by the balancer, of both kinds: decided by the kernel, and reported with their reason.
#[derive(Clone, Copy, Default)]
struct Sums {
    decided: u64,
    reported: u64,
}

const KINDS: [&str; 2] = ["numa_move", "numa_swap"];

/// Asserts that each worker's moves by the balancer are those that the kernel decided. Returns how
/// many there were of each kind in all.
fn agrees(run: &Traced, decided: &Decided) -> [Sums; 2] {
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let mut all = [Sums::default(); 2];
    let workers = run.truth.0["workers"].as_array().unwrap();
    assert!(!workers.is_empty(), "{:#}", run.truth.0);
    for worker in workers {
        let tid = worker["tid"].as_u64().unwrap();
        let thread = process.thread(tid).expect("a worker is in the report");
        let counts = [&decided.moves, &decided.swaps];
        for ((name, counts), sum) in KINDS.into_iter().zip(counts).zip(&mut all) {
            let reported = reason(thread, name);
            let decisions = counts.get(&tid).copied().unwrap_or(0);
            // One decision may fail unreported: a task that is not queued at that moment stays
            // where it is.
            assert!(
                reported <= decisions && reported + 1 >= decisions,
                "thread {tid}: the kernel decided {decisions} of {name}, {}",
                thread.0["task_moves"]
            );
            sum.decided += decisions;
            sum.reported += reported;
        }
    }
    all
}

/// Runs a load until the balancer makes the wanted move with its workers, and asserts that the
/// report has it.
fn until_reported(name: &str, kind: usize, words: &[&str]) {
    let mut decided = 0;
    for _ in 0..ATTEMPTS {
        let Some(_quick) = Balancer::quick().unwrap() else {
            return skipped(name, "no NUMA balancing, or no debugfs");
        };
        let decisions = match Decisions::begin() {
            Ok(decisions) => decisions,
            Err(why) => return skipped(name, &format!("{why:#}")),
        };
        let run = match Tracer::new(name).launch(words).unwrap() {
            Outcome::Done(run) => run,
            Outcome::Unsupported(why) => return skipped(name, &why),
        };
        let sums = agrees(&run, &decisions.read().unwrap())[kind];
        if sums.reported > 0 {
            return;
        }
        decided += sums.decided;
    }
    assert_eq!(
        decided, 0,
        "of {decided} decisions none has the reason {}",
        KINDS[kind]
    );
    skipped(name, "the balancer did nothing of that kind this time");
}

#[test]
fn threads_that_the_balancer_sends_to_their_memory_have_its_reason() {
    let (a, b) = two_nodes_or_skip!();
    let (init, on) = (a.to_string(), b.to_string());
    let words = [
        "first-touch",
        "--init-node",
        &init,
        "--use-node",
        &on,
        "--pages",
        "4096",
        "--threads",
        "1",
        "--secs",
        "12",
        "--free",
        "--keep",
    ];
    until_reported(test_name!(), 0, &words);
}

#[test]
fn threads_that_the_balancer_exchanges_have_its_reason_each() {
    let (a, b) = two_nodes_or_skip!();
    let list = format!("{a},{b}");
    let words = [
        "crossed", "--nodes", &list, "--pages", "4096", "--secs", "12",
    ];
    until_reported(test_name!(), 1, &words);
}
