//! The stacks that touched most memory first: of the process that a session was about, else of all.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::processes;
use crate::model::{Process, Snapshot, StackPages, number};
use crate::output::escape;
use crate::output::format::{page::Page, tone::Tone};

/// Stacks that are shown; the JSON report has all.
const STACKS: usize = 5;

/// Least pages of a stack after the first: 1 MiB.
const WORTH_SHOWING: u64 = 256;

/// Functions of each stack.
const FUNCTIONS: usize = 4;

/// Writes the list, when stacks were taken.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let focus = snapshot.focus();
    let mut stacks: Vec<(&Process, StackPages)> = match focus {
        Some(process) => of(process),
        None => snapshot.processes.iter().flat_map(of).collect(),
    };
    if stacks.is_empty() {
        return;
    }
    stacks.sort_by_key(|(process, stack)| (Reverse(stack.pages), process.pid, stack.id));
    let whose = focus.map_or_else(String::new, |process| {
        format!(" of {}", processes::with_pid(process))
    });
    page.section(&format!("First-touch stacks{whose}, most memory first"));
    let large = stacks
        .iter()
        .filter(|(_, stack)| stack.pages >= WORTH_SHOWING);
    let shown = large.count().clamp(1, STACKS);
    for (process, stack) in stacks.iter().take(shown) {
        let by = match focus {
            Some(_) => String::new(),
            None => format!(", {}", processes::with_pid(process)),
        };
        page.item(Tone::Plain, &sentence(snapshot, *stack, &by));
    }
    let rest = stacks.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let pages = rest.iter().map(|(_, stack)| stack.pages).sum();
        page.legend(&format!(
            "and {} with {} MiB",
            number::plural(rest.len(), "more stack"),
            number::mib(Some(pages), snapshot.host.page_size)
        ));
    }
}

/// Returns the stacks of a process with their pages in all its mappings.
fn of(process: &Process) -> Vec<(&Process, StackPages)> {
    let mut by_id: BTreeMap<u32, StackPages> = BTreeMap::new();
    let touches = process.mappings.iter();
    let touches = touches.filter_map(|mapping| mapping.first_touch.as_ref());
    for stack in touches.flat_map(|touch| &touch.by_stack) {
        let sum = by_id.entry(stack.id).or_insert(StackPages {
            id: stack.id,
            pages: 0,
            remote: 0,
        });
        sum.pages = sum.pages.saturating_add(stack.pages);
        sum.remote = sum.remote.saturating_add(stack.remote);
    }
    by_id.into_values().map(|sum| (process, sum)).collect()
}

fn sentence(snapshot: &Snapshot, pages: StackPages, by: &str) -> String {
    let size = snapshot.host.page_size;
    let mut stacks = snapshot.stacks.iter();
    let stack = stacks.find(|stack| stack.id == pages.id);
    let functions = stack.and_then(|stack| {
        // Without any name, the place in the innermost module is all there is.
        let innermost = || Some(stack.frames.first()?.in_words());
        stack.functions(FUNCTIONS).or_else(innermost)
    });
    let functions = functions.unwrap_or_else(|| "a stack without names".to_owned());
    format!(
        "{} MiB, {} MiB of it remote{by}: {}",
        number::mib(Some(pages.pages), size),
        number::mib(Some(pages.remote), size),
        escape::text(functions.as_bytes())
    )
}
