//! Memory that the kernel took for itself on behalf of the process of a session: the code that asked for most of it.

use super::page::Page;
use super::processes;
use crate::model::number;
use crate::model::{KernelMemory, Snapshot};
use crate::output::escape;

/// Stacks that are shown; JSON has all.
const STACKS: usize = 5;

/// Functions of each, from the one that asked the allocator on.
const FUNCTIONS: usize = 8;

/// Writes the list, when there is one.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some((process, parts)) = snapshot
        .focus()
        .and_then(|process| Some((process, process.kernel_memory.as_ref()?)))
    else {
        return;
    };
    page.section(&format!(
        "Kernel memory of {} ({}), by who asked: a sample",
        processes::name(&process.comm),
        process.pid
    ));
    for part in parts.iter().take(STACKS) {
        page.item(None, &sentence(snapshot, part));
    }
    let rest = parts.iter().skip(STACKS);
    let (count, pages) = rest.fold((0, 0), |(count, pages), part| {
        (count + 1, pages + part.pages)
    });
    if count > 0 {
        page.legend(&format!(
            "and {} with {} MiB",
            number::plural(count, "more place"),
            number::mib(Some(pages), snapshot.host.page_size)
        ));
    }
}

/// The page allocator's own entry points, which are in every stack: `alloc_pages_mpol`, `__alloc_frozen_pages_noprof` …
fn is_the_allocator(symbol: &[u8]) -> bool {
    [&b"alloc_pages"[..], b"alloc_frozen_pages"]
        .iter()
        .any(|part| symbol.windows(part.len()).any(|window| window == *part))
}

fn sentence(snapshot: &Snapshot, part: &KernelMemory) -> String {
    let size = snapshot.host.page_size;
    let stack = part
        .stack
        .and_then(|id| snapshot.stacks.iter().find(|stack| stack.id == id));
    let functions: Vec<String> = stack
        .iter()
        .flat_map(|stack| &stack.frames)
        .filter_map(|frame| frame.symbol.as_ref())
        .skip_while(|symbol| is_the_allocator(symbol.as_bytes()))
        .take(FUNCTIONS)
        .map(|symbol| escape::text(symbol.as_bytes()).into_owned())
        .collect();
    let functions = if functions.is_empty() {
        "a stack without names (/proc/kallsyms hides them without CAP_SYSLOG)".to_owned()
    } else {
        functions.join(" < ")
    };
    format!(
        "{} MiB, {} MiB of it remote: {functions}",
        number::mib(Some(part.pages), size),
        number::mib(Some(part.remote_pages), size)
    )
}
