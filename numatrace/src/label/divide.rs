//! Areas as they are shown: thread stacks split off what the kernel merged them with, and addresses without mappings told apart.

use super::mapping_name::Naming;
use crate::{
    fold::{
        area::{Area, Class, Thread},
        extents::Extents,
        mapping::Memory,
    },
    ids::Tid,
};

/// Bytes of a base page.
const PAGE: u64 = 4096;
/// Above a thread's first stack pointer lie its thread-local variables and its library's own bookkeeping: a page or two.
const ABOVE_STACK_POINTER: u64 = 2 * PAGE;
/// Stack pointers so close to each other are of one stack: the smallest that libraries make is as large.
const ONE_STACK: u64 = 16 * 1024;
/// Areas that one whose mapping is not known is divided into, at most.
const DIVIDED: usize = 1_024;

/// The areas of a process, with thread stacks, and what only an address told, divided.
pub(super) fn divided(memory: &Memory, pid: u32, naming: &Naming<'_>) -> Vec<(Area, Option<Tid>)> {
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
