//! Finds processes and reads their memory. Each mapping is folded at once, so memory use does not
//! grow with their number.

use std::collections::BTreeSet;
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};

use super::Problems;
use crate::{
    capture::sys::{
        ReadError, hugepages, numa_maps, proc_files::ProcFiles, process, smaps, threads,
    },
    command::stat::plan::{Details, Plan, Target},
    console::progress::{Progress, Work},
    enrich::topology::Topology,
    fold::stat::{
        kinds::Kinds,
        placement,
        process::{PageSizes, add_numastat},
    },
    ids::{NodeId, Pid},
    model::{
        name::Name,
        stat::{
            kinds::ThreadPlace,
            memory::{NumastatCategories, ProcessMemory, ProcessSection},
        },
        topology::MissingFact,
    },
};

/// Huge page size of x86, KiB, for a kernel without huge pages, where the number has no effect.
const USUAL_HUGE_KB: u64 = 2048;

/// Facts about the machine that all processes share.
struct Machine<'a> {
    topology: &'a Topology,
    nodes: &'a [NodeId],
    sizes: PageSizes,
    ticks_per_second: u64,
}

/// Reads the processes of the plan. A named PID that does not exist and a pattern without a match
/// are problems. Processes that a pattern finds and that end before they are read are counted.
pub fn read(
    root: &Path,
    plan: &Plan,
    topology: &Topology,
    missing: &mut Vec<MissingFact>,
    problems: &mut Problems,
) -> ProcessSection {
    let nodes: Vec<NodeId> = topology.node_ids().collect();
    let default_huge_kb = hugepages::default_size_kb(root).unwrap_or(USUAL_HUGE_KB);
    let sizes = PageSizes {
        base_kb: topology.page_size() / 1024,
        default_huge_kb,
    };
    let machine = Machine {
        topology,
        nodes: &nodes,
        sizes,
        ticks_per_second: ticks_per_second(),
    };
    let mut section = ProcessSection {
        processes: Vec::new(),
        vanished: 0,
        left_out: 0,
        denied: 0,
        findings: Vec::new(),
    };
    let mut files = match ProcFiles::open(root) {
        Ok(files) => files,
        Err(error) => {
            problems.failed = true;
            problems.lines.push(error.to_string());
            return section;
        }
    };
    let (named, mut found) = resolve(root, &mut files, &plan.targets, problems);
    if plan.children {
        let parents: Vec<Pid> = named.union(&found).copied().collect();
        match process::with_children(root, &mut files, &parents) {
            Ok(family) => found.extend(family),
            Err(error) => missing.push(MissingFact {
                what: "children".to_owned(),
                why: error.to_string(),
            }),
        }
    }
    let left_out = thin(&mut found, &named, plan.sample);
    section.left_out = u64::try_from(left_out).unwrap_or(u64::MAX);
    if left_out > 0 {
        let what = format!("{left_out} processes");
        missing.push(MissingFact {
            what,
            why: format!("--sample reads one of {}", plan.sample),
        });
    }
    let all = named.union(&found).count();
    let mut progress = Progress::new(Work::Processes(all as u64), false);
    let mut ended = 0;
    for (done, &pid) in (0..).zip(named.union(&found)) {
        progress.show(done);
        match read_one(root, &mut files, pid, &machine, plan.details, missing) {
            Ok(process) => section.processes.push(process),
            Err(error) if error.is_absent() => {
                section.vanished += 1;
                if named.contains(&pid) {
                    problems.failed = true;
                    problems.lines.push(format!("no process {pid}"));
                } else {
                    ended += 1;
                }
            }
            Err(error) => {
                section.denied += 1;
                problems.failed |= named.contains(&pid);
                missing.push(MissingFact {
                    what: format!("memory of process {pid}"),
                    why: denied(&error),
                });
            }
        }
    }
    if ended > 0 {
        problems
            .lines
            .push(format!("{ended} processes ended before they could be read"));
    }
    section.findings = placement::findings(&section.processes, &nodes);
    problems.all_denied = section.processes.is_empty() && section.denied > 0;
    section
}

/// Keeps one in `every` found processes, and all named ones. Returns the number that was left out.
fn thin(found: &mut BTreeSet<Pid>, named: &BTreeSet<Pid>, every: usize) -> usize {
    let before = found.len();
    let mut position = 0;
    found.retain(|pid| {
        position += 1;
        named.contains(pid) || (position - 1) % every == 0
    });
    before - found.len()
}

/// Returns the named PIDs, and those that patterns find.
fn resolve(
    root: &Path,
    files: &mut ProcFiles,
    targets: &[Target],
    problems: &mut Problems,
) -> (BTreeSet<Pid>, BTreeSet<Pid>) {
    let mut named = BTreeSet::new();
    let mut found = BTreeSet::new();
    let all = targets
        .iter()
        .any(|target| matches!(target, Target::Pattern(_)))
        .then(|| process::all(root));
    let all = match all.transpose() {
        Ok(all) => all.unwrap_or_default(),
        Err(error) => {
            problems.failed = true;
            problems.lines.push(error.to_string());
            Vec::new()
        }
    };
    let this = Pid(std::process::id());
    for target in targets {
        match target {
            Target::Pid(pid) => {
                named.insert(*pid);
            }
            Target::Found(pid) => {
                found.insert(*pid);
            }
            Target::Pattern(pattern) => {
                // Our own command line contains the pattern, too.
                let others = all.iter().copied().filter(|&pid| pid != this);
                let before = found.len();
                found.extend(
                    others.filter(|&pid| process::matches(files, pid, pattern).unwrap_or(false)),
                );
                if found.len() == before {
                    problems.failed = true;
                    let pattern = Name::from(pattern.as_slice());
                    problems.lines.push(format!(
                        "no process has {pattern:?} in its name or command line"
                    ));
                }
            }
        }
    }
    (named, found)
}

fn read_one(
    root: &Path,
    files: &mut ProcFiles,
    pid: Pid,
    machine: &Machine<'_>,
    details: Details,
    missing: &mut Vec<MissingFact>,
) -> Result<ProcessMemory, ReadError> {
    let comm = Name::from(process::comm(files, pid)?);
    let mut categories = NumastatCategories::zeros(machine.nodes.len());
    let mut without_files_kib = vec![0; machine.nodes.len()];
    let mut unplaced = 0u64;
    // smaps first: a mapping that appears in numa_maps only is still counted, without its name.
    let mut kinds = None;
    if details.kinds {
        let mut vmas = Vec::new();
        smaps::for_each(files, pid, |vma| vmas.push(vma))?;
        kinds = Some(Kinds::new(
            machine.nodes,
            machine.sizes,
            vmas,
            details.mappings,
        ));
    }
    let garbled = numa_maps::for_each(files, pid, |map| {
        unplaced = unplaced.saturating_add(add_numastat(
            &mut categories,
            map,
            machine.nodes,
            machine.sizes,
        ));
        placement::add_memory(&mut without_files_kib, map, machine.nodes, machine.sizes);
        if let Some(kinds) = &mut kinds {
            kinds.add(map);
        }
    })?;
    if garbled > 0 {
        let what = format!("{garbled} mappings of process {pid}");
        missing.push(MissingFact {
            what,
            why: "their lines in numa_maps are not understood".to_owned(),
        });
    }
    if unplaced > 0 {
        let what = format!("{unplaced} pages of process {pid}");
        missing.push(MissingFact {
            what,
            why: "they are on nodes that came online meanwhile".to_owned(),
        });
    }
    let threads = match threads::all(root, pid) {
        Ok(threads) => Some(threads),
        Err(error) if details.threads => return Err(error),
        Err(error) => {
            // A process that ended meanwhile is not one whose threads may not be read.
            if !error.is_absent() {
                missing.push(MissingFact {
                    what: format!("threads of process {pid}"),
                    why: error.to_string(),
                });
            }
            None
        }
    };
    let cpu_ms = threads.as_deref().and_then(|threads| {
        let node_of = |cpu| machine.topology.node_of_cpu(cpu);
        placement::cpu_ms(threads, machine.nodes, node_of, machine.ticks_per_second)
    });
    Ok(ProcessMemory {
        pid,
        comm,
        numastat: categories,
        placement: placement::placement(cpu_ms, without_files_kib),
        kinds: kinds.map(Kinds::finish),
        threads: threads
            .filter(|_| details.threads)
            .map(|threads| places(threads, machine)),
    })
}

fn places(threads: Vec<threads::Thread>, machine: &Machine<'_>) -> Vec<ThreadPlace> {
    let place = |thread: threads::Thread| ThreadPlace {
        tid: thread.tid,
        comm: Name::from(thread.comm),
        cpu: thread.cpu,
        node: machine.topology.node_of_cpu(thread.cpu),
        cpu_ms: thread.ticks.saturating_mul(1000) / machine.ticks_per_second,
    };
    threads.into_iter().map(place).collect()
}

/// Returns the clock ticks per second of times in /proc; 100 on all common builds of Linux.
fn ticks_per_second() -> u64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|&ticks| ticks > 0)
        .unwrap_or(100)
}

fn denied(error: &ReadError) -> String {
    if error.is_denied() {
        return format!("{error}; other users' processes need root or CAP_SYS_PTRACE");
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_what_was_named() {
        let mut found: BTreeSet<Pid> = (0..10).map(Pid).collect();
        let left_out = thin(&mut found, &BTreeSet::from([Pid(7)]), 4);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [0, 4, 7, 8].map(Pid));
        assert_eq!(left_out, 6);
        let mut all: BTreeSet<Pid> = (0..10).map(Pid).collect();
        assert_eq!(thin(&mut all, &BTreeSet::new(), 1), 0);
    }
}
