//! Losses between kernel and report.

use super::{Note, tables};
use crate::model::matrix::share;
use crate::model::number;
use crate::model::{Alloc, Folded, Process, ProcessKind, Snapshot};
use crate::output::escape;

/// Adds all losses of a session to the notes.
pub fn collect(snapshot: &Snapshot, notes: &mut Vec<Note>) {
    notes.extend(records(snapshot));
    let coverage = &snapshot.coverage;
    if let Some(lost) = coverage.mapping_records_lost.filter(|lost| *lost > 0) {
        notes.push(Note::minor(format!(
            "Lost {} of new mappings: files that only short-lived processes mapped may have no \
             name. Counts are complete.",
            number::plural(lost, "record")
        )));
    }
    if let Some(rejected) = coverage.rejected.filter(|rejected| *rejected > 0) {
        notes.push(Note::serious(format!(
            "Ignored {}: this numatrace and its kernel programs do not fit together; reinstall \
             numatrace and report this.",
            number::plural(rejected, "malformed record")
        )));
    }
    notes.extend(short_stacks(snapshot));
    for (why, files) in &coverage.unnamed_files {
        notes.push(Note::minor(format!(
            "No names of functions from {}: {}.",
            number::plural(*files, "file"),
            escape::text(why.as_bytes())
        )));
    }
    if let Some(pages) = coverage.unattributed.filter(|pages| *pages > 0) {
        let reasons = listed(&coverage.unattributed_by_reason);
        notes.push(Note::minor(format!(
            "{} could not be assigned to a process, mapping or node{reasons}.",
            number::plural(pages, "page")
        )));
    }
    for (table, times) in coverage.full_tables.iter().filter(|(_, times)| **times > 0) {
        notes.push(Note::minor(tables::full(table, *times)));
    }
    notes.extend(coverage.folded.as_ref().map(folded));
    if coverage.unlisted_moves > 0 {
        notes.push(Note::minor(format!(
            "The list of moves was full, or their process is added up: {} of threads or pages in \
             no absence.",
            number::plural(coverage.unlisted_moves, "move")
        )));
    }
    for (what, events) in &coverage.uncertain {
        notes.push(Note::minor(format!(
            "Uncertain: {} {}.",
            number::grouped(*events),
            escape::text(what.as_bytes())
        )));
    }
    let unmeasured: Vec<&str> = [
        ("records", coverage.records),
        ("lost records", coverage.records_lost),
        ("recursion misses", coverage.recursion_misses),
        ("malformed records", coverage.rejected),
        ("unattributed pages", coverage.unattributed),
    ]
    .into_iter()
    .filter_map(|(name, count)| count.is_none().then_some(name))
    .collect();
    if !unmeasured.is_empty() {
        notes.push(Note::minor(format!(
            "Not counted in this session: {}.",
            unmeasured.join(", ")
        )));
    }
    notes.extend(overflow(snapshot));
}

/// Describes what ended and has no row of its own.
fn folded(folded: &Folded) -> Note {
    let Folded {
        keep,
        processes,
        threads,
    } = *folded;
    let parts = [(processes, "process"), (threads, "thread")].into_iter();
    let parts = parts.filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, noun)| number::plural(count, noun))
        .collect();
    Note::minor(format!(
        "{} that ended have no row of their own: they are added up in the row of their command, \
         [ended: COMMAND], or of their process. --keep-processes sets how many keep theirs \
         ({}).",
        parts.join(" and "),
        number::grouped(keep)
    ))
}

/// Describes records that the ring buffer had no room for.
fn records(snapshot: &Snapshot) -> Option<Note> {
    let coverage = &snapshot.coverage;
    let lost = coverage.records_lost.filter(|lost| *lost > 0)?;
    let whole = coverage.records.unwrap_or(0).saturating_add(lost);
    let part = share(lost, whole);
    let text = format!(
        "Lost {}{} of {}, {}: totals are complete, details of threads and mappings are not. \
         Narrow the scope with -p, or leave hooks out with --hooks.",
        number::grouped(lost),
        listed(&coverage.lost_by_kind),
        number::plural(whole, "record"),
        number::percent_sign(part)
    );
    Some(Note::by_share(part, text))
}

/// Describes stacks of code without frame pointers.
fn short_stacks(snapshot: &Snapshot) -> Option<Note> {
    let short = snapshot.stacks.iter().filter(|stack| stack.short.is_some());
    let short = u64::try_from(short.count()).unwrap_or(u64::MAX);
    (short > 0).then(|| {
        Note::minor(format!(
            "{} of {} may be incomplete: programs or libraries without frame pointers (build with \
             -fno-omit-frame-pointer).",
            number::grouped(short),
            number::plural(snapshot.stacks.len(), "stack")
        ))
    })
}

/// Describes allocations that are counted without their process.
fn overflow(snapshot: &Snapshot) -> Option<Note> {
    let overflow = snapshot
        .processes
        .iter()
        .filter(|p| p.kind == ProcessKind::Other && p.comm == *"[overflow]");
    let overflow = Alloc::sum(overflow.filter_map(|process: &Process| process.alloc.as_ref()));
    let lost = overflow?.allocations().filter(|count| *count > 0)?;
    let all = snapshot.alloc_total()?.allocations()?;
    let part = share(lost, all);
    let text = format!(
        "{} ({}) in [overflow]: more threads than the table of totals holds. Sums are complete; \
         narrow the scope with -p to see names.",
        number::plural(lost, "allocation"),
        number::percent_sign(part),
    );
    Some(Note::by_share(part, text))
}

/// Lists counts by name in parentheses: ` (touch_run 12, use_run 3)`; empty without counts.
fn listed<'a>(counts: impl IntoIterator<Item = (&'a String, &'a u64)>) -> String {
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(name, count)| {
            format!(
                "{} {}",
                escape::text(name.as_bytes()),
                number::grouped(*count)
            )
        })
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}
