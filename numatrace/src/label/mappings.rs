//! Mappings of the report: areas with their names, thread stacks split out of what the kernel merged them with.

use std::collections::{BTreeMap, HashMap};

use numatrace_common::{cell::TouchKind, event::task_bind::BindWhat as WireBind};

use super::{
    Labels, resident,
    symbol::{Of, Symbols},
};
use crate::{
    decode::mapping_run::FileId,
    enrich::{Enrich, facts::Facts, process::ProcessIndex, spaces::Spaces},
    fold::{
        activity,
        extents::Extents,
        mapping::{Area, Class, Mappings, Memory, Thread},
        surprise,
    },
    ids::{NodeId, Tid},
    model::{
        Addr, Bind, BindWhat, HintFaults, Mapping, MappingFirstTouch, MappingKind, Name, Process,
        Stack, TidFaults, TidPages,
    },
};

/// Bytes of a base page.
const PAGE: u64 = 4096;
/// Above a thread's first stack pointer lie its thread-local variables and its library's own bookkeeping: a page or two.
const ABOVE_STACK_POINTER: u64 = 2 * PAGE;
/// Stack pointers so close to each other are of one stack: the smallest that libraries make is as large.
const ONE_STACK: u64 = 16 * 1024;
/// Stacks of a mapping that are shown.
const STACKS_EACH: usize = 5;
/// Areas that one whose mapping is not known is divided into, at most.
const DIVIDED: usize = 1_024;

/// What came out beside the mappings themselves.
#[derive(Debug, Default)]
pub struct Filled {
    /// Base pages of memory that has no name.
    pub nameless: u64,
    /// The stacks that mappings refer to.
    pub stacks: Vec<Stack>,
}

/// Gives each process its mappings.
pub fn fill<F: Facts>(
    processes: &mut [Process],
    mappings: &Mappings,
    taken: &dyn Fn(u32) -> Option<Vec<u64>>,
    enrich: &mut Enrich<F>,
    labels: Labels<'_>,
) -> Filled {
    let mut places: HashMap<(u32, u64), usize> = HashMap::new();
    for (at, process) in processes.iter().enumerate() {
        places.insert((process.pid.0, process.start_ns), at);
    }
    let mut filled = Filled::default();
    let symbols = Symbols::default();
    for (index, memory) in &mappings.by_process {
        let known = enrich.processes.get(*index);
        let (pid, start_ns, ended) = (known.pid, known.start_ns, known.ended);
        let Some(process) = places
            .get(&(pid.0, start_ns))
            .and_then(|at| processes.get_mut(*at))
        else {
            continue;
        };
        if !ended {
            enrich.spaces.look(*index, pid, &mut enrich.facts);
        }
        let mut ids = StackIds {
            of: Of {
                pid,
                process: *index,
                ended,
                spaces: &enrich.spaces,
            },
            taken,
            symbols: &symbols,
            stacks: &mut filled.stacks,
            known: HashMap::new(),
        };
        let naming = Naming {
            process: *index,
            spaces: &enrich.spaces,
            programs: programs(memory),
        };
        for (area, stack_of) in divided(memory, process.pid.0, &naming) {
            let stack_of = stack_of.map(|tid| thread_name(process, tid));
            let (kind, name) = naming.name(&area, stack_of.as_ref());
            let name = name.unwrap_or_else(|| {
                filled.nameless += area.pages();
                unknown(&area)
            });
            let mut mapping = mapping(&area, kind, name, labels);
            if let Some(touch) = &mut mapping.first_touch {
                touch.stacks = ids.of(&area);
            }
            process.mappings.push(mapping);
        }
        for ((tid, start_ns), binds) in &memory.binds {
            let threads = process.threads.iter_mut();
            let mut same =
                threads.filter(|thread| thread.tid == *tid && thread.start_ns == Some(*start_ns));
            if let Some(thread) = same.next() {
                let bind = |(time_ns, what): &(u64, WireBind)| Bind {
                    what: match what {
                        WireBind::Affinity => BindWhat::Affinity,
                        WireBind::MemoryPolicy => BindWhat::MemoryPolicy,
                    },
                    time_ns: *time_ns,
                    after_ns: time_ns.saturating_sub(*start_ns),
                };
                thread.binds = binds.iter().map(bind).collect();
            }
        }
        let resident = enrich.residency.of(*index);
        resident::fill(process, *index, resident, &enrich.spaces, labels.nodes);
        process
            .mappings
            .sort_by_key(|mapping| (mapping.start, mapping.end));
    }
    filled
}

/// Stacks of one process on their way into the report.
struct StackIds<'a> {
    of: Of<'a>,
    taken: &'a dyn Fn(u32) -> Option<Vec<u64>>,
    symbols: &'a Symbols,
    stacks: &'a mut Vec<Stack>,
    /// Ids by the kernel's number; `None` when it did not keep the stack.
    known: HashMap<u32, Option<u32>>,
}

impl StackIds<'_> {
    /// Ids of the stacks that touched most of an area.
    fn of(&mut self, area: &Area) -> Vec<u32> {
        let mut numbers: Vec<(u64, u32)> = area
            .stacks
            .iter()
            .map(|(number, (pages, _))| (*pages, *number))
            .collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.truncate(STACKS_EACH);
        numbers
            .into_iter()
            .filter_map(|(_, number)| self.id(number))
            .collect()
    }

    fn id(&mut self, number: u32) -> Option<u32> {
        if let Some(known) = self.known.get(&number) {
            return *known;
        }
        let id = (self.taken)(number).and_then(|addresses| {
            let id = u32::try_from(self.stacks.len()).ok()?;
            let frames = self.symbols.frames(self.of, &addresses);
            self.stacks.push(Stack { id, frames });
            Some(id)
        });
        self.known.insert(number, id);
        id
    }
}

/// Files that a process runs code of: their other parts are a program's data.
fn programs(memory: &Memory) -> Vec<FileId> {
    let text = memory.areas.iter().filter(|area| area.class == Class::Text);
    text.filter_map(|area| area.file).collect()
}

/// The areas of a process, with thread stacks, and what only an address told, divided.
fn divided(memory: &Memory, pid: u32, naming: &Naming<'_>) -> Vec<(Area, Option<Tid>)> {
    let mut parts = Vec::new();
    for area in &memory.areas {
        match area.class {
            Class::Anon => stacks(area, memory, pid, &mut parts),
            Class::Unknown => by_lines(area, naming, &mut parts),
            _ => parts.push((area.clone(), None)),
        }
    }
    parts.retain(|(area, _)| !area.is_empty());
    parts
}

/// Splits thread stacks off an area: from its start, or the end of another stack, to a little above the highest stack pointer seen.
fn stacks(area: &Area, memory: &Memory, pid: u32, parts: &mut Vec<(Area, Option<Tid>)>) {
    let mut tops: Vec<(u64, Thread)> = memory
        .stack_pointers
        .iter()
        .filter(|((tid, _), (_, high))| {
            // The first thread's stack is a mapping of its own.
            tid.0 != pid && area.start <= *high && *high < area.end
        })
        .map(|(thread, (_, high))| {
            let top = high
                .next_multiple_of(PAGE)
                .saturating_add(ABOVE_STACK_POINTER);
            (top.min(area.end), *thread)
        })
        .collect();
    tops.sort_unstable();
    // A stack that serves one thread after the other is called after the last one.
    let tops = tops.into_iter().fold(
        Vec::new(),
        |mut stacks: Vec<(u64, Thread)>, (top, thread)| {
            match stacks.last_mut() {
                Some(last) if top - last.0 < ONE_STACK => {
                    let later = if thread.1 > last.1.1 { thread } else { last.1 };
                    *last = (top, later);
                }
                _ => stacks.push((top, thread)),
            }
            stacks
        },
    );
    let mut rest = area.clone();
    for (top, (tid, _)) in tops {
        if top <= rest.start {
            continue;
        }
        let (stack, above) = rest.split_at(top);
        parts.push((stack, Some(tid)));
        rest = above;
    }
    if rest.end > rest.start {
        parts.push((rest, None));
    }
}

/// Divides addresses without mappings by what `/proc/PID/maps` says lies there.
fn by_lines(area: &Area, naming: &Naming<'_>, parts: &mut Vec<(Area, Option<Tid>)>) {
    let mut rest = area.clone();
    for _ in 0..DIVIDED {
        let touched = rest.touches.values().flat_map(|t| t.pages.iter());
        let used = rest.uses.values().flat_map(Extents::iter);
        let Some(low) = touched.chain(used).map(|extent| extent.low).min() else {
            return;
        };
        let Some(line) = naming.spaces.line(naming.process, low) else {
            break;
        };
        let (mut known, above) = rest.split_at(line.end);
        (known.start, known.end) = (line.start, line.end);
        known.file = line.file;
        known.class = match (line.file, line.executable, line.writable && !line.shared) {
            (None, ..) if *line.name.as_bytes() == *b"[stack]" => Class::Stack,
            (None, ..) => Class::Anon,
            (Some(_), true, _) => Class::Text,
            (Some(_), _, true) => Class::Data,
            (Some(_), ..) => Class::File,
        };
        parts.push((known, None));
        rest = above;
    }
    parts.push((rest, None));
}

/// What names are made of.
struct Naming<'a> {
    process: ProcessIndex,
    spaces: &'a Spaces,
    programs: Vec<FileId>,
}

impl Naming<'_> {
    /// Kind and name of an area; no name when nobody could look while it was there.
    fn name(&self, area: &Area, stack_of: Option<&Name>) -> (MappingKind, Option<Name>) {
        let line = self.spaces.line(self.process, inside(area));
        let named = |text: &str| Some(Name::from(text));
        match area.class {
            Class::Stack => (MappingKind::Stack, named("[stack]")),
            Class::Hugetlb => {
                let path = self.path(area).filter(|path| !path.is_empty());
                let anonymous = |path: &Name| path.as_bytes().starts_with(b"/anon_hugepage");
                let name = path.filter(|path| !anonymous(path));
                (MappingKind::Hugetlb, name.or_else(|| named("[hugetlb]")))
            }
            Class::Anon => {
                if let Some(thread) = stack_of {
                    let mut name = b"[stack:".to_vec();
                    name.extend_from_slice(thread.as_bytes());
                    name.push(b']');
                    return (MappingKind::Stack, Some(Name::from(name)));
                }
                let line = line.filter(|line| line.file.is_none());
                let name = line.map(|line| &line.name).filter(|name| !name.is_empty());
                let heap = area.kind() == Some(TouchKind::Heap)
                    || name.is_some_and(|name| *name.as_bytes() == *b"[heap]");
                if heap {
                    return (MappingKind::Heap, named("[heap]"));
                }
                let zeroed = || {
                    let (file, path) = self.spaces.behind_file(self.process, inside(area))?;
                    let name = [path.as_bytes(), b" bss"].concat();
                    self.is_program(file).then(|| Name::from(name))
                };
                let name = name.cloned().or_else(zeroed);
                (MappingKind::Anon, name.or_else(|| named("[anon]")))
            }
            Class::Text | Class::Data | Class::File => self.of_file(area),
            Class::Unknown => (MappingKind::Anon, None),
        }
    }

    fn of_file(&self, area: &Area) -> (MappingKind, Option<Name>) {
        let kind = match area.kind() {
            Some(TouchKind::Shmem) => MappingKind::Shmem,
            // Private copies of a file's pages.
            Some(TouchKind::Anon) => MappingKind::Anon,
            _ => MappingKind::File,
        };
        let Some(path) = self.path(area) else {
            return (kind, None);
        };
        if let Some(name) = shared_memory(path.as_bytes()) {
            return (MappingKind::Shmem, Some(name));
        }
        let program = area.file.is_some_and(|file| self.is_program(file));
        let part: &[u8] = match area.class {
            _ if !program => b"",
            Class::Text => b" text",
            _ => b" data",
        };
        let mut name = path.as_bytes().to_vec();
        name.extend_from_slice(part);
        (kind, Some(Name::from(name)))
    }

    fn is_program(&self, file: FileId) -> bool {
        self.programs.contains(&file) || self.spaces.runs(self.process, file)
    }

    /// The path of an area's file: as this process has it, else as any has it.
    fn path(&self, area: &Area) -> Option<Name> {
        let file = area.file?;
        let line = self.spaces.line(self.process, inside(area));
        let here = line.filter(|line| line.file == Some(file));
        here.map(|line| &line.name)
            .or_else(|| self.spaces.file(file))
            // An overlay shows its own inode in maps and another in the kernel: then the address decides.
            .or_else(|| {
                line.filter(|line| line.file.is_some())
                    .map(|line| &line.name)
            })
            .cloned()
    }
}

/// An address in an area that something happened at.
fn inside(area: &Area) -> u64 {
    let touched = area.touches.values().flat_map(|t| t.pages.iter());
    let used = area.uses.values().flat_map(Extents::iter);
    touched
        .chain(used)
        .map(|extent| extent.low)
        .min()
        .unwrap_or(area.start)
}

/// Memory that only looks like a file, as a person knows it. `None` for files.
fn shared_memory(path: &[u8]) -> Option<Name> {
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    if let Some(name) = path.strip_prefix(b"/memfd:") {
        return Some(Name::from([b"memfd:", name].concat()));
    }
    if let Some(key) = path.strip_prefix(b"/SYSV") {
        return Some(Name::from([b"[sysv:0x", key, b"]"].concat()));
    }
    if path == b"/dev/zero" {
        return Some(Name::from("[shared anon]"));
    }
    path.starts_with(b"/dev/shm/").then(|| Name::from(path))
}

/// What memory without a name is called.
fn unknown(area: &Area) -> Name {
    Name::from(match area.file {
        Some(file) => format!(
            "[file {}:{} inode {}]",
            file.dev >> 20,
            file.dev & 0xf_ffff,
            file.ino
        ),
        None => "[unknown]".to_owned(),
    })
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
            by_tid: by_tid(area),
            stacks: Vec::new(),
        }),
        hint_faults: measured.hint_faults.then(|| HintFaults {
            matrix: Some(activity::matrix(uses, nodes)),
            migrated: Some(area.migrated),
        }),
        users: users(area),
        surprise_pages: elsewhere.map(|pages| if shared { 0 } else { pages }),
        shared_elsewhere_pages: elsewhere.map(|pages| if shared { pages } else { 0 }),
        residency: None,
    }
}

/// Who touched, most pages first.
fn by_tid(area: &Area) -> Vec<TidPages> {
    let mut by: BTreeMap<Thread, BTreeMap<NodeId, (u64, u64)>> = BTreeMap::new();
    for (key, touched) in &area.touches {
        let nodes = by.entry(key.thread).or_default();
        let (pages, last_ns) = nodes.entry(key.nodes.0).or_default();
        *pages += touched.pages.total();
        *last_ns = touched.last_ns.max(*last_ns);
    }
    let mut all: Vec<TidPages> = by
        .into_iter()
        .map(|((tid, _), nodes)| {
            let pages = nodes.iter().map(|(node, (pages, _))| (*node, *pages));
            let node = most(&pages.collect());
            TidPages {
                tid,
                pages: nodes.values().map(|(pages, _)| pages).sum(),
                node,
                last_ns: node
                    .and_then(|node| nodes.get(&node))
                    .map(|(_, last)| *last),
            }
        })
        .collect();
    all.sort_by_key(|entry| (std::cmp::Reverse(entry.pages), entry.tid));
    all
}

/// Who uses, most faults first.
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
    all.sort_by_key(|entry| (std::cmp::Reverse(entry.faults), entry.tid));
    all
}

/// The node with most.
fn most(nodes: &BTreeMap<NodeId, u64>) -> Option<NodeId> {
    nodes
        .iter()
        .max_by_key(|(node, count)| (**count, std::cmp::Reverse(**node)))
        .map(|(node, _)| *node)
}
