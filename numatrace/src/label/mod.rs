//! label: accumulators to processes of the report: names, once per snapshot.

pub mod report;

use std::collections::BTreeMap;

use crate::{
    enrich::{Charged, Enrich, facts::Facts, process::ProcessIndex},
    fold::{Accumulators, Counts, alloc},
    ids::{NodeId, Tid},
    model::{Name, Process, ProcessKind, Thread},
};

/// What labelling needs beside the counts.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Nodes of the host, in the report's order.
    pub nodes: &'a [NodeId],
    /// What the hooks knew of allocations.
    pub known: alloc::Known,
}

/// A thread's number, start, and counts.
type CountedThread<'a> = (Tid, u64, &'a Counts);

/// What a name that nobody could catch is called.
const GONE: &str = "[ended before it could be named]";

/// The processes of a report, with their threads: one entry per incarnation and pseudo owner that counted anything.
pub fn processes<F: Facts>(
    counted: &Accumulators,
    enrich: &mut Enrich<F>,
    labels: Labels<'_>,
) -> Vec<Process> {
    let mut by_process: BTreeMap<ProcessIndex, Vec<CountedThread<'_>>> = BTreeMap::new();
    let mut pseudo = Vec::new();
    for (charged, counts) in &counted.by_owner {
        match *charged {
            Charged::Thread {
                process,
                tid,
                start_ns,
            } => by_process
                .entry(process)
                .or_default()
                .push((tid, start_ns, counts)),
            Charged::Irq => pseudo.push((Process::irq(), counts)),
            Charged::OutOfScope => pseudo.push((Process::out_of_scope(), counts)),
            Charged::Overflow => pseudo.push((Process::overflow(), counts)),
        }
    }
    let mut all: Vec<Process> = by_process
        .into_iter()
        .map(|(index, threads)| process(index, &threads, enrich, labels))
        .collect();
    all.extend(pseudo.into_iter().map(|(mut process, counts)| {
        process.alloc = Some(alloc::counters(counts, labels.nodes, labels.known));
        process
    }));
    all
}

/// The counters of a session in which nothing happened: zeros where the hooks know them.
fn nothing_traced(labels: Labels<'_>) -> crate::model::Alloc {
    alloc::counters(&Counts::default(), labels.nodes, labels.known)
}

fn process<F: Facts>(
    index: ProcessIndex,
    threads: &[CountedThread<'_>],
    enrich: &mut Enrich<F>,
    labels: Labels<'_>,
) -> Process {
    let Enrich { processes, facts } = enrich;
    processes.look_again(index, facts);
    let known = processes.get(index);
    let kind = if known.kthread {
        ProcessKind::Kthread
    } else {
        ProcessKind::User
    };
    let mut process = Process::new(known.pid, known.start_ns, name(known.comm.as_ref()), kind);
    process.comms.clone_from(&known.comms);
    process.exe.clone_from(&known.details.exe);
    process.cgroup.clone_from(&known.details.cgroup);
    process.ns_pid = known.details.ns_pid;
    let mut sum = Counts::default();
    for (.., counts) in threads {
        sum.add(counts);
    }
    process.alloc = Some(alloc::counters(&sum, labels.nodes, labels.known));
    process.threads = threads
        .iter()
        .map(|(tid, start_ns, counts)| {
            let comm = processes.thread_name(index, *tid, *start_ns, facts);
            let mut thread = Thread::new(*tid, name(comm.as_ref()));
            thread.start_ns = Some(*start_ns);
            thread.alloc = Some(alloc::counters(counts, labels.nodes, labels.known));
            thread
        })
        .collect();
    process
}

fn name(comm: Option<&Name>) -> Name {
    comm.cloned().unwrap_or_else(|| Name::from(GONE))
}
