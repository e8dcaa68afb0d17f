//! The answer in five lines: who, how much was remote, where the memory lies, whether the counts
//! add up, and the cost; one more where hooks are missing. Each line is about the process that the
//! session was about, else about the one at the top of the ranking.

use super::{audit, footer, processes::with_pid};
use crate::model::matrix::share;
use crate::model::number::{self, grouped, mib, percent_sign};
use crate::model::{Alloc, HookState, PerNode, Process, ProcessKind, Snapshot};
use crate::output::format::{cause, page::Page, tone::Tone};

/// Smallest share of memory or CPU time that a node is named for.
const NAMED: f64 = 0.01;

/// Writes the lines.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.section("In short");
    let process = subject(snapshot);
    let mut line = |label: &str, tone: Tone, text: &str| {
        page.wrapped(tone, &format!(" {label:<8}"), "         ", text);
    };
    line("who", Tone::Plain, &who(snapshot, process));
    line("remote", Tone::Plain, &remote(snapshot, process));
    line("memory", Tone::Plain, &memory(snapshot, process));
    let (tone, verdict) = audit::verdict(&snapshot.audit);
    line("audit", tone, &verdict);
    if let Some(reduced) = reduced(snapshot) {
        line("hooks", Tone::Warn, &reduced);
    }
    line("cost", Tone::Faint, &footer::cost(snapshot));
}

/// Says how many hooks this machine reduces or refuses; nothing when none.
fn reduced(snapshot: &Snapshot) -> Option<String> {
    let wanted = snapshot.hooks.iter().filter(|hook| !hook.is_left_out());
    let (mut fallback, mut absent) = (0_u64, 0_u64);
    for hook in wanted {
        match hook.state {
            HookState::Attached => {}
            HookState::Fallback => fallback += 1,
            HookState::Absent => absent += 1,
        }
    }
    (fallback + absent > 0).then(|| {
        format!(
            "reduced: {} on fallback, {absent} not attached; numatrace doctor says why",
            number::plural(fallback, "hook")
        )
    })
}

/// Returns the process that the lines are about.
fn subject(snapshot: &Snapshot) -> Option<&Process> {
    let ranked = snapshot.ranked().into_iter();
    let first = || {
        let mut programs = ranked.filter(|process| process.kind == ProcessKind::User);
        programs.next()
    };
    snapshot.focus().or_else(first)
}

fn who(snapshot: &Snapshot, process: Option<&Process>) -> String {
    let Some(process) = process else {
        return "no program allocated memory".to_owned();
    };
    let name = with_pid(process);
    let all = snapshot.alloc_total();
    let all = all.as_ref().and_then(Alloc::allocations);
    let own = process.alloc.as_ref().and_then(Alloc::allocations);
    match own.zip(all) {
        Some((own, all)) => format!(
            "{name}: {} of the {} allocations of the machine ({})",
            grouped(own),
            grouped(all),
            percent_sign(share(own, all))
        ),
        None => format!("{name}; allocations were not measured"),
    }
}

fn remote(snapshot: &Snapshot, process: Option<&Process>) -> String {
    let total = snapshot.alloc_total();
    let own = process.and_then(|process| process.alloc.as_ref());
    let Some(alloc) = own.or(total.as_ref()) else {
        return "not measured".to_owned();
    };
    let (remote, all) = (alloc.remote(), alloc.allocations());
    let Some((remote, all)) = remote.zip(all) else {
        return "not measured".to_owned();
    };
    let mut text = format!(
        "{} of {} allocations ({})",
        grouped(remote),
        grouped(all),
        percent_sign(share(remote, all))
    );
    let causes = alloc.remote_by_cause.as_ref();
    let first = causes.and_then(|causes| causes.ranked().first().copied());
    let first = first.filter(|(_, count)| *count > 0);
    if let Some((why, count)) = first {
        let most = if count == remote { "" } else { "mostly " };
        text.push_str(&format!("; {most}{}", cause::in_words(why)));
    }
    if let (Some(_), Some(total)) = (own, &total) {
        let part = total.remote().zip(total.allocations());
        let part = part.and_then(|(remote, all)| share(remote, all));
        text.push_str(&format!("; whole machine: {}", percent_sign(part)));
    }
    text
}

fn memory(snapshot: &Snapshot, process: Option<&Process>) -> String {
    let Some(process) = process else {
        return "not looked at".to_owned();
    };
    let host = &snapshot.host;
    let nodes = |parts: &PerNode, text: &dyn Fn(u64) -> String| {
        let named = |(_, part): &(usize, &u64)| {
            share(**part, parts.total()).is_some_and(|part| part >= NAMED)
        };
        let parts = parts.0.iter().enumerate().filter(named);
        let parts = parts.filter_map(|(at, part)| {
            let node = host.nodes.get(at)?.node;
            Some(format!("{} on node {node}", text(*part)))
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    let lies = process
        .pages()
        .filter(|pages| pages.total() > 0)
        .map_or_else(
            || "not looked at".to_owned(),
            |pages| {
                let how = match process.resident() {
                    Some(_) => "",
                    None => ", as it was touched",
                };
                let size = |pages| format!("{} MiB", mib(Some(pages), host.page_size));
                format!("{}{how}", nodes(&pages, &size))
            },
        );
    let ran = process.run_ns.as_ref().filter(|run| run.total() > 0);
    let ran = ran.map_or_else(
        || "CPU time not measured".to_owned(),
        |run| {
            let part = |ns| percent_sign(share(ns, run.total()));
            format!(
                "{} s of CPU time: {}",
                number::seconds(Some(run.total())),
                nodes(run, &part)
            )
        },
    );
    format!("{lies}; {ran}")
}
