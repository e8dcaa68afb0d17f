//! Divides areas as the report shows them: thread stacks are split off the mappings that the kernel
//! merged them with, and addresses without a known mapping are divided by `/proc/PID/maps`.

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
/// Bytes above a thread's first stack pointer that belong to its stack: its thread-local variables
/// and its library's bookkeeping take a page or two.
const ABOVE_STACK_POINTER: u64 = 2 * PAGE;
/// Bytes of the smallest stack that libraries make: stack pointers that are closer are of one
/// stack.
const ONE_STACK: u64 = 16 * 1024;
/// Most parts that an area without a known mapping is divided into.
const DIVIDED: usize = 1_024;

/// Returns the areas of a process, divided; the stack of a thread comes with its number.
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

/// Splits thread stacks off an area. A stack lies between the start of the area, or the end of
/// another stack, and a little above the highest stack pointer that was seen.
fn stacks(area: &Area, memory: &Memory, pid: u32, parts: &mut Vec<(Area, Option<Tid>)>) {
    let mut tops: Vec<(u64, Thread)> = memory
        .stack_pointers
        .iter()
        .filter(|((tid, _), (_, high))| {
            // The stack of the first thread is a mapping of its own.
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
    // A stack that several threads used in turn is named after the last one.
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

/// Divides an area without a known mapping by the lines of `/proc/PID/maps`.
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
