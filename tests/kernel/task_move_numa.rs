//! Tasks that NUMA balancing moves to their memory, or exchanges, against the kernel's own decisions.

use std::collections::BTreeMap;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::kernel_count::KernelCount;
use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::two_nodes_or_skip;

/// Sessions until the balancer does what it is watched for: the scheduler may send a thread to its memory before it comes to that.
const ATTEMPTS: usize = 4;

/// What the balancer decides while this lives, counted by the kernel.
struct Decisions {
    moved: KernelCount,
    swapped: KernelCount,
    /// Also what it gave up before: of its attempts only those with a partner or a CPU were decisions.
    failed: KernelCount,
}

/// Decisions by thread that the kernel does not say came to nothing.
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
            // CPU -1, whatever its width here: no place was found, so nothing was tried.
            let nowhere = cpu >= u64::from(u32::MAX);
            if partner != 0 {
                for tid in [source, partner] {
                    take(&mut decided.swaps, tid, hits);
                }
            } else if !nowhere {
                take(&mut decided.moves, source, hits);
            }
        }
        Ok(decided)
    }
}

fn take(counts: &mut BTreeMap<u64, u64>, tid: u64, hits: u64) {
    if let Some(count) = counts.get_mut(&tid) {
        *count = count.saturating_sub(hits);
    }
}

fn reason(thread: Part<'_>, name: &str) -> u64 {
    let pointer = format!("/task_moves/by_reason/{name}");
    thread.count(&pointer).unwrap_or(0)
}

/// Each worker's moves by the balancer are those that the kernel decided; how many of a reason there were in all.
fn agrees(run: &Traced, decided: &Decided) -> [u64; 2] {
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let mut all = [0, 0];
    for worker in run.truth.0["workers"].as_array().unwrap() {
        let tid = worker["tid"].as_u64().unwrap();
        let thread = process.thread(tid).expect("a worker is in the report");
        let of = [("numa_move", &decided.moves), ("numa_swap", &decided.swaps)];
        for ((name, counts), sum) in of.into_iter().zip(&mut all) {
            let told = reason(thread, name);
            let decisions = counts.get(&tid).copied().unwrap_or(0);
            // One may come to nothing and nobody say so: a task that is just not queued is left where it is.
            assert!(
                told <= decisions && told + 1 >= decisions,
                "thread {tid}: the kernel decided {decisions} of {name}, {}",
                thread.0["task_moves"]
            );
            *sum += told;
        }
    }
    all
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
    for _ in 0..ATTEMPTS {
        let Some(_quick) = Balancer::quick().unwrap() else {
            return skipped(test_name!(), "no NUMA balancing, or no debugfs");
        };
        let decisions = Decisions::begin().unwrap();
        let run = or_skip!(tracer!().launch(&words));
        let [moves, _] = agrees(&run, &decisions.read().unwrap());
        if moves > 0 {
            return;
        }
    }
    skipped(test_name!(), "the balancer moved nobody this time");
}

#[test]
fn threads_that_the_balancer_exchanges_have_its_reason_each() {
    let (a, b) = two_nodes_or_skip!();
    let list = format!("{a},{b}");
    let words = [
        "crossed", "--nodes", &list, "--pages", "4096", "--secs", "12",
    ];
    for _ in 0..ATTEMPTS {
        let Some(_quick) = Balancer::quick().unwrap() else {
            return skipped(test_name!(), "no NUMA balancing, or no debugfs");
        };
        let decisions = Decisions::begin().unwrap();
        let run = or_skip!(tracer!().launch(&words));
        let [_, swaps] = agrees(&run, &decisions.read().unwrap());
        if swaps > 0 {
            return;
        }
    }
    skipped(test_name!(), "the balancer exchanged nobody this time");
}
