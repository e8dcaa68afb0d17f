//! Kernel memory of the process that a session was about, by allocating code.

use super::processes;
use crate::model::number;
use crate::model::{KernelMemory, Snapshot};
use crate::output::escape;
use crate::output::format::{page::Page, tone::Tone};

/// Stacks that are shown; the JSON report has all.
const STACKS: usize = 5;

/// Functions of each stack, from the one that called the page allocator outwards.
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
        "Kernel memory of {} by kernel stack (sampled)",
        processes::with_pid(process)
    ));
    for part in parts.iter().take(STACKS) {
        page.item(Tone::Plain, &sentence(snapshot, part));
    }
    let rest = parts.iter().skip(STACKS);
    let (count, pages) = rest.fold((0_u64, 0), |(count, pages), part| {
        (count + 1, pages + part.pages)
    });
    if count > 0 {
        page.legend(&format!(
            "and {} with {} MiB",
            number::plural(count, "more stack"),
            number::mib(Some(pages), snapshot.host.page_size)
        ));
    }
}

/// Returns whether the function is an entry point of the page allocator, which every stack has:
/// `alloc_pages_mpol`, `__alloc_frozen_pages_noprof` …
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
