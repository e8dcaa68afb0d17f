//! The processes of a report, and the whole system: counts with names.

use std::collections::BTreeMap;

use super::{
    activity, alloc, balancing, failures, labels::Labels, moved_by, resident, touched_by,
    values::name,
};
use crate::{
    enrich::{
        Charged, Enrich,
        facts::Facts,
        process::{ENDED_THREADS, ProcessIndex},
    },
    fold::{Accumulators, Counts},
    ids::Tid,
    model::{Alloc, Process, ProcessKind, Thread, report::System},
};

/// A thread's number, start, and counts.
type CountedThread = (Tid, u64, Counts);

/// Returns the processes of a report with their threads: one entry for each incarnation and pseudo
/// owner with any count.
pub fn processes<F: Facts>(
    counted: &Accumulators,
    enrich: &mut Enrich<F>,
    labels: Labels<'_>,
) -> Vec<Process> {
    let mut all: BTreeMap<ProcessIndex, Process> = BTreeMap::new();
    let mut pseudo = Vec::new();
    // Owners are sorted: the threads of a process follow one another.
    let mut threads: Vec<CountedThread> = Vec::new();
    let mut current = None;
    let mut owners = counted.owners();
    loop {
        let owner = owners.next();
        let next = match &owner {
            Some((Charged::Thread { process, .. }, _)) => Some(*process),
            _ => None,
        };
        if let Some(index) = current.filter(|_| next != current) {
            all.insert(index, process(index, &threads, enrich, labels));
            threads.clear();
        }
        current = next;
        let Some((charged, counts)) = owner else {
            break;
        };
        let other = match charged {
            Charged::Thread { tid, start_ns, .. } => {
                threads.push((tid, start_ns, counts));
                continue;
            }
            Charged::Irq => Process::irq(),
            Charged::OutOfScope => Process::out_of_scope(),
            Charged::Overflow => Process::overflow(),
            Charged::Nobody => Process::nobody(),
        };
        pseudo.push((other, counts));
    }
    // The kernel can skip every run of our programs in a short life: such a process is listed with
    // zeros.
    let announced: Vec<ProcessIndex> = enrich.processes.announced(labels.until_ns).collect();
    for index in announced {
        all.entry(index)
            .or_insert_with(|| process(index, &[], enrich, labels));
    }
    let mut all: Vec<Process> = all.into_values().collect();
    all.extend(pseudo.into_iter().map(|(mut process, counts)| {
        fill(&mut process, &counts, labels);
        moved_by::complete(&mut process, &enrich.processes, &mut enrich.facts);
        let touch = process.first_touch.as_mut();
        touched_by::name(touch, &enrich.processes, &mut enrich.facts);
        process
    }));
    all
}

/// Returns the counters of a session without any allocation: zeros where the hooks know them.
pub fn nothing_traced(labels: Labels<'_>) -> Alloc {
    alloc::counters(&Counts::default(), labels.nodes, labels.known)
}

/// Gives a process all quantities that were counted for it.
fn fill(process: &mut Process, counts: &Counts, labels: Labels<'_>) {
    let Labels {
        nodes,
        known,
        measured,
        ..
    } = labels;
    process.alloc = measured
        .allocs
        .then(|| alloc::counters(counts, nodes, known));
    process.first_touch = activity::first_touch(counts, nodes, measured);
    process.hint_faults = activity::hint_faults(counts, nodes, measured);
    process.page_migrations = activity::page_migrations(counts, nodes, measured);
    process.task_moves = activity::task_moves(counts, nodes, measured);
    process.run_ns = activity::run_ns(counts, nodes, measured);
    process.balancer = balancing::begin(counts, measured);
    process.failures = failures::reclaims(counts, measured);
}

/// Returns the matrices of the whole system.
pub fn system(counted: &Accumulators, processes: &[Process], labels: Labels<'_>) -> System {
    let sum = counted.total();
    let (nodes, measured) = (labels.nodes, labels.measured);
    System {
        allocations: measured.allocs.then(|| alloc::matrix(&sum, nodes)),
        remote_by_distance: None,
        first_touch: activity::first_touch(&sum, nodes, measured)
            .map(|all| touched_by::with_names(all, processes)),
        hint_faults: activity::hint_faults(&sum, nodes, measured),
        page_migrations: activity::page_migrations(&sum, nodes, measured).map(|mut all| {
            all.moved_by = all.moved_by.map(|_| moved_by::all(processes));
            all
        }),
        task_moves: activity::task_moves(&sum, nodes, measured),
        run_ns: activity::run_ns(&sum, nodes, measured),
        balancer: balancing::begin(&sum, measured),
    }
}

fn process<F: Facts>(
    index: ProcessIndex,
    threads: &[CountedThread],
    enrich: &mut Enrich<F>,
    labels: Labels<'_>,
) -> Process {
    let Enrich {
        processes,
        facts,
        residency,
        ..
    } = enrich;
    processes.refresh(index, facts);
    let known = processes.get(index);
    if let Some(stands_for) = known.stands_for {
        let mut row = Process::folded(known.comm.as_ref(), stands_for);
        row.exe.clone_from(&known.details.exe);
        row.cgroup.clone_from(&known.details.cgroup);
        row.killed_by = known.signal;
        fill(&mut row, &sum(threads), labels);
        moved_by::complete(&mut row, processes, facts);
        return row;
    }
    let kind = if known.kthread {
        ProcessKind::Kthread
    } else {
        ProcessKind::User
    };
    let mut process = Process::new(known.pid, known.start_ns, name(known.comm.as_ref()), kind);
    process.comms.clone_from(&known.comms);
    process.exe.clone_from(&known.details.exe);
    process.args.clone_from(&known.details.args);
    process.args_cut = known.details.args_cut.then_some(true);
    process.exec_ns = known.exec_ns;
    process.ended = Some(known.ended);
    process.cgroup.clone_from(&known.details.cgroup);
    process.ns_pid = known.details.ns_pid;
    process.seccomp = known.details.seccomp;
    process.killed_by = known.signal;
    let seen = residency.of(index);
    process.residency = seen.map(|seen| resident::of_process(seen, known.ended, labels.nodes));
    fill(&mut process, &sum(threads), labels);
    moved_by::complete(&mut process, processes, facts);
    touched_by::name(process.first_touch.as_mut(), processes, facts);
    process.threads = threads
        .iter()
        .map(|(tid, start_ns, counts)| {
            let mut thread = if (*tid, *start_ns) == ENDED_THREADS {
                Thread::folded(processes.get(index).ended_threads)
            } else {
                let comm = processes.thread_name(index, *tid, *start_ns, facts);
                Thread {
                    start_ns: Some(*start_ns),
                    ..Thread::new(*tid, name(comm.as_ref()))
                }
            };
            thread.alloc = labels
                .measured
                .allocs
                .then(|| alloc::counters(counts, labels.nodes, labels.known));
            thread.first_touch = activity::first_touch(counts, labels.nodes, labels.measured);
            touched_by::name(thread.first_touch.as_mut(), processes, facts);
            thread.hint_faults = activity::hint_faults(counts, labels.nodes, labels.measured);
            thread.task_moves = activity::task_moves(counts, labels.nodes, labels.measured);
            thread.run_ns = activity::run_ns(counts, labels.nodes, labels.measured);
            thread.balancer = activity::balancer(counts, labels.measured);
            thread
        })
        .collect();
    process
}

fn sum(threads: &[CountedThread]) -> Counts {
    let mut sum = Counts::default();
    for (.., counts) in threads {
        sum.add(counts);
    }
    sum
}

/// Fills in the cross-node moves per second.
pub fn rates(processes: &mut [Process], system: &mut System, duration_s: f64) {
    let of_processes = processes
        .iter_mut()
        .filter_map(|process| process.task_moves.as_mut());
    for moves in of_processes.chain(system.task_moves.as_mut()) {
        #[expect(clippy::cast_precision_loss, reason = "a rate has three good digits")]
        let rate = moves.cross_node.map(|moves| moves as f64 / duration_s);
        moves.cross_node_per_s = rate.filter(|_| duration_s > 0.0);
    }
}
