//! Mappings of the report: areas, divided and named, with the threads that touched and that use
//! them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use numatrace_common::{count_key::RemoteCause, event::task_bind::BindWhat as WireBind};

use super::{
    activity,
    code::Code,
    divide::divided,
    labels::Labels,
    mapping_name::{Naming, unknown},
    page_cache,
    places::Places,
    resident,
    symbol::Of,
    touched_by,
};
use crate::{
    decode::mapping_run::FileId,
    enrich::{Enrich, facts::Facts},
    fold::{
        area::{Area, Class, FromStack, Thread},
        mapping::{Bound, Mappings, Memory},
        surprise,
    },
    ids::{NodeId, Tid},
    model::{
        Addr, Bind, BindWhat, HintFaults, KernelMemory, Mapping, MappingFirstTouch, MappingKind,
        MappingMigrations, Name, Process, ProcessKind, RemoteByCause, Stack, StackPages, TidFaults,
        TidPages,
    },
};

/// Most stacks of a mapping in the report: a flame graph needs more than a table.
const STACKS_EACH: usize = 64;
/// Stacks that are kept however few pages they touched; the others touched at least one page in
/// [`STACK_SHARE`].
const STACKS_ALWAYS: usize = 5;
/// See [`STACKS_ALWAYS`].
const STACK_SHARE: u64 = 256;

/// Results of [`fill`] other than the mappings themselves.
#[derive(Debug, Default)]
pub struct Filled {
    /// Base pages of memory that has no name.
    pub nameless: u64,
    /// The stacks that mappings refer to.
    pub stacks: Vec<Stack>,
}

/// Gives each process its mappings, and its threads their binds.
pub fn fill<F: Facts>(
    processes: &mut [Process],
    mappings: &Mappings,
    code: &mut dyn Code,
    enrich: &mut Enrich<F>,
    labels: Labels<'_>,
) -> Filled {
    let places = Places::of(processes);
    if labels.measured.page_cache {
        let users = processes.iter_mut();
        users
            .filter(|process| process.kind == ProcessKind::User || process.stands_for.is_some())
            .for_each(|process| process.page_cache = Some(Vec::new()));
    }
    let mut filled = Filled::default();
    for (index, memory) in &mappings.by_process {
        let known = enrich.processes.get(*index);
        let (pid, ended) = (known.pid, known.ended);
        let place = places.at(known);
        let Some(process) = place.and_then(|at| processes.get_mut(at)) else {
            continue;
        };
        if !ended {
            enrich.spaces.refresh(*index, pid, &mut enrich.facts);
        }
        let kernel_stacks = !memory.kernel.is_empty();
        let mut ids = StackIds {
            of: Of {
                process: enrich.processes.get(*index),
                index: *index,
                spaces: &enrich.spaces,
            },
            code: &mut *code,
            stacks: &mut filled.stacks,
            known: HashMap::new(),
        };
        let naming = Naming {
            process: *index,
            spaces: &enrich.spaces,
            programs: programs(memory),
        };
        if kernel_stacks {
            process.kernel_memory = Some(ids.kernel(memory));
        }
        for (area, stack_of) in divided(memory, process.pid.0, &naming) {
            let stack_of = stack_of.map(|tid| thread_name(process, tid));
            let (kind, name) = naming.name(&area, stack_of.as_ref());
            let name = name.unwrap_or_else(|| {
                filled.nameless += area.pages();
                unknown(&area)
            });
            let mut mapping = mapping(&area, kind, name, labels);
            if let Some(touch) = &mut mapping.first_touch {
                touch.by_stack = ids.of(&area);
                touch.stacks = touch.by_stack.iter().map(|stack| stack.id).collect();
                let others = &mut touch.by_others;
                touched_by::name_all(others, &enrich.processes, &mut enrich.facts);
            }
            process.mappings.push(mapping);
        }
        for ((tid, start_ns), binds) in &memory.binds {
            let threads = process.threads.iter_mut();
            let mut same =
                threads.filter(|thread| thread.tid == *tid && thread.start_ns == Some(*start_ns));
            if let Some(thread) = same.next() {
                let binds = binds.iter().map(|bound| bind(bound, *start_ns));
                thread.binds = binds.collect();
            }
        }
        if labels.measured.page_cache {
            let files = page_cache::filled(memory, &enrich.spaces, labels.nodes);
            process.page_cache = Some(files);
        }
        let seen = enrich.residency.of(*index);
        if let Some(last) = seen.and_then(|seen| seen.last(ended)) {
            let seen = &last.mappings;
            resident::fill(process, *index, seen, &enrich.spaces, labels.nodes);
        }
        process
            .mappings
            .sort_by_key(|mapping| (mapping.start, mapping.end));
    }
    filled
}

/// Stacks of one process on their way into the report.
struct StackIds<'a> {
    of: Of<'a>,
    code: &'a mut dyn Code,
    stacks: &'a mut Vec<Stack>,
    /// Ids in the report by the kernel's number; `None` for a stack that the kernel did not keep.
    known: HashMap<u32, Option<u32>>,
}

impl StackIds<'_> {
    /// Returns the stacks that touched most pages of an area.
    fn of(&mut self, area: &Area) -> Vec<StackPages> {
        let mut most: Vec<(u32, &FromStack)> = area
            .stacks
            .iter()
            .map(|(number, from)| (*number, from))
            .collect();
        most.sort_by_cached_key(|(number, from)| Reverse((from.pages(), *number)));
        most.truncate(STACKS_EACH);
        let least = area.pages() / STACK_SHARE;
        // Ranges are joined to keep them few, so the pages of a stack may be spread differently
        // than those of the area.
        let (mut near, mut far) = area.near_and_far();
        let mut stacks = Vec::new();
        for (rank, (number, from)) in most.into_iter().enumerate() {
            if rank >= STACKS_ALWAYS && from.pages() < least {
                break;
            }
            let local = from.near.total().min(near);
            let remote = from.far.total().min(far);
            let Some(id) = self.id(number).filter(|_| local > 0 || remote > 0) else {
                continue;
            };
            (near, far) = (near - local, far - remote);
            stacks.push(StackPages {
                id,
                pages: local.saturating_add(remote),
                remote,
            });
        }
        stacks
    }

    /// Returns the memory that the kernel took for itself, by stack, most pages first.
    fn kernel(&mut self, memory: &Memory) -> Vec<KernelMemory> {
        let parts = memory.kernel.iter();
        let mut parts: Vec<KernelMemory> = parts
            .map(|(number, took)| KernelMemory {
                stack: number.and_then(|number| {
                    let addresses = self.code.stack(number)?;
                    let id = u32::try_from(self.stacks.len()).ok()?;
                    let frames = self.code.kernel_frames(number, &addresses);
                    self.stacks.push(Stack {
                        id,
                        frames,
                        short: None,
                    });
                    Some(id)
                }),
                samples: took.samples,
                pages: took.pages,
                remote_pages: took.remote,
            })
            .collect();
        parts.sort_by_key(|part| (Reverse(part.pages), part.stack));
        parts
    }

    fn id(&mut self, number: u32) -> Option<u32> {
        if let Some(known) = self.known.get(&number) {
            return *known;
        }
        let id = self.code.stack(number).and_then(|addresses| {
            let id = u32::try_from(self.stacks.len()).ok()?;
            let (frames, short) = self.code.frames(number, self.of, &addresses);
            self.stacks.push(Stack { id, frames, short });
            Some(id)
        });
        self.known.insert(number, id);
        id
    }
}

fn bind(bound: &Bound, start_ns: u64) -> Bind {
    Bind {
        what: match bound.what {
            WireBind::Affinity => BindWhat::Affinity,
            WireBind::MemoryPolicy => BindWhat::MemoryPolicy,
            WireBind::RangePolicy => BindWhat::RangePolicy,
            WireBind::CpusetCpus => BindWhat::CpusetCpus,
            WireBind::CpusetMems => BindWhat::CpusetMems,
        },
        time_ns: bound.time_ns,
        after_ns: bound.time_ns.saturating_sub(start_ns),
        range: bound.range.map(|(low, high)| [Addr(low), Addr(high)]),
    }
}

/// Returns the files that a process runs code of: their other parts are data of a program.
fn programs(memory: &Memory) -> Vec<FileId> {
    let text = memory.areas.iter().filter(|area| area.class == Class::Text);
    text.filter_map(|area| area.file).collect()
}

fn thread_name(process: &Process, tid: Tid) -> Name {
    process
        .threads
        .iter()
        .find(|thread| thread.tid == tid)
        .map_or_else(
            || Name::from(format!("{tid}")),
            |thread| thread.comm.clone(),
        )
}

fn mapping(area: &Area, kind: MappingKind, name: Name, labels: Labels<'_>) -> Mapping {
    let Labels {
        nodes, measured, ..
    } = labels;
    let touches = area
        .touches
        .iter()
        .map(|(key, touched)| (key.nodes, touched.pages.total()));
    let uses = area
        .uses
        .iter()
        .map(|((_, nodes), faults)| (*nodes, faults.total()));
    let elsewhere = measured.hint_faults.then(|| surprise::pages(area));
    let shared = kind == MappingKind::File;
    Mapping {
        start: Addr(area.start),
        end: Addr(area.end),
        kind,
        name,
        first_touch: measured.first_touch.then(|| MappingFirstTouch {
            pages: Some(activity::matrix(touches, nodes)),
            thp: measured
                .touch_kinds
                .then(|| area.touches.values().map(|touched| touched.thp).sum()),
            remote_by_cause: labels.known.preferred.then(|| remote_by_cause(area)),
            by_tid: by_tid(area),
            by_others: touched_by::of_area(area),
            stacks: Vec::new(),
            by_stack: Vec::new(),
        }),
        hint_faults: measured.hint_faults.then(|| HintFaults {
            matrix: Some(activity::matrix(uses, nodes)),
            migrated: Some(area.migrated),
        }),
        page_migrations: (!area.moved.is_empty()).then(|| MappingMigrations {
            matrix: activity::matrix(
                area.moved
                    .iter()
                    .map(|(nodes, pages)| (*nodes, pages.total())),
                nodes,
            ),
            bounced: area.bounced,
        }),
        users: users(area),
        surprise_pages: elsewhere.map(|pages| if shared { 0 } else { pages }),
        shared_elsewhere_pages: elsewhere.map(|pages| if shared { pages } else { 0 }),
        residency: None,
        file_system: None,
    }
}

fn remote_by_cause(area: &Area) -> RemoteByCause {
    let causes = area.causes();
    let of = |cause: RemoteCause| causes.get(cause as usize).copied().unwrap_or(0);
    RemoteByCause {
        policy: of(RemoteCause::Policy),
        fallback: of(RemoteCause::Fallback),
        cpuset: of(RemoteCause::Cpuset),
        memoryless: of(RemoteCause::Memoryless),
        kernel_node: of(RemoteCause::KernelNode),
        task_moved: of(RemoteCause::TaskMoved),
        unknown: of(RemoteCause::Unknown),
    }
}

/// First touches of one thread in an area.
#[derive(Default)]
struct ByThread {
    /// By the thread's node: base pages, and when their last run began, ns since boot.
    nodes: BTreeMap<NodeId, (u64, u64)>,
    /// Base pages put on a different node than the thread's.
    remote: u64,
}

/// Returns the threads of the process that touched an area, most pages first.
fn by_tid(area: &Area) -> Vec<TidPages> {
    let mut by: BTreeMap<Thread, ByThread> = BTreeMap::new();
    let own = area.touches.iter().filter(|(key, _)| key.toucher.is_none());
    for (key, touched) in own {
        let by = by.entry(key.thread).or_default();
        let (pages, last_ns) = by.nodes.entry(key.nodes.0).or_default();
        *pages += touched.pages.total();
        *last_ns = touched.last_ns.max(*last_ns);
        if key.nodes.0 != key.nodes.1 {
            by.remote += touched.pages.total();
        }
    }
    let mut all: Vec<TidPages> = by
        .into_iter()
        .map(|((tid, _), ByThread { nodes, remote })| {
            let pages = nodes.iter().map(|(node, (pages, _))| (*node, *pages));
            let node = most(&pages.collect());
            TidPages {
                tid,
                pages: nodes.values().map(|(pages, _)| pages).sum(),
                remote: Some(remote),
                node,
                last_ns: node
                    .and_then(|node| nodes.get(&node))
                    .map(|(_, last)| *last),
            }
        })
        .collect();
    all.sort_by_key(|entry| (Reverse(entry.pages), entry.tid));
    all
}

/// Returns the threads that use an area, most hinting faults first.
fn users(area: &Area) -> Vec<TidFaults> {
    let mut by: BTreeMap<Thread, (BTreeMap<NodeId, u64>, u64)> = BTreeMap::new();
    for ((thread, (task, page)), faults) in &area.uses {
        let (nodes, remote) = by.entry(*thread).or_default();
        let faults = faults.total();
        *nodes.entry(*task).or_default() += faults;
        *remote += if task == page { 0 } else { faults };
    }
    let mut all: Vec<TidFaults> = by
        .into_iter()
        .map(|((tid, _), (nodes, remote))| TidFaults {
            tid,
            faults: nodes.values().sum(),
            remote,
            node: most(&nodes),
        })
        .collect();
    all.sort_by_key(|entry| (Reverse(entry.faults), entry.tid));
    all
}

/// Returns the node with the highest count.
fn most(nodes: &BTreeMap<NodeId, u64>) -> Option<NodeId> {
    nodes
        .iter()
        .max_by_key(|(node, count)| (**count, Reverse(**node)))
        .map(|(node, _)| *node)
}
