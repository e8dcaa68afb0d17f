//! What the report lacks: hooks that are not in place, records that were lost, counts without a name.
//!
//! Collected once; what would change the reading of a ranking is serious and stands before it, the rest stands at the end.

use super::page::{Page, Tone};
use crate::model::matrix::share;
use crate::model::number;
use crate::model::{Alloc, Hook, HookState, Process, ProcessKind, Snapshot, Verdict};
use crate::output::escape;

/// Lost or unattributed above this share of the whole changes what a ranking means.
const SERIOUS_SHARE: f64 = 0.01;

/// One thing that is missing.
#[derive(Debug)]
pub struct Note {
    serious: bool,
    text: String,
}

impl Note {
    fn new(serious: bool, text: impl Into<String>) -> Self {
        Self {
            serious,
            text: text.into(),
        }
    }
}

/// Everything that is missing, in the order of its weight.
pub fn collect(snapshot: &Snapshot) -> Vec<Note> {
    let mut notes = Vec::new();
    if snapshot.audit.verdict == Verdict::Failed {
        notes.push(Note::new(
            true,
            "The audit FAILED: these counts do not add up to the kernel's. \
                 Do not build on them; see Audit below.",
        ));
    }
    if let Some(why) = &snapshot.coverage.incomplete {
        notes.push(Note::new(
            true,
            format!("Not whole: {}.", escape::text(why.as_bytes())),
        ));
    }
    let mut told = Vec::new();
    let wanted = snapshot.hooks.iter().filter(|hook| !hook.is_left_out());
    notes.extend(wanted.filter_map(|one| hook(one, &mut told)));
    notes.extend(left_out(snapshot));
    losses(snapshot, &mut notes);
    buckets(snapshot, &mut notes);
    notes
}

/// A hook that is on its fallback or absent. Only the allocation hook is serious: every ranking rests on it. A machine that refuses one
/// refuses many, in the same words: they are said once.
fn hook<'a>(hook: &'a Hook, told: &mut Vec<&'a str>) -> Option<Note> {
    let how = match (hook.state, &hook.via) {
        (HookState::Attached, _) => return None,
        (HookState::Fallback, Some(via)) => {
            format!("on its fallback {}", escape::text(via.as_bytes()))
        }
        (HookState::Fallback, None) => "on its fallback".into(),
        (HookState::Absent, _) => "not in place".into(),
    };
    let name = escape::text(hook.hook.as_bytes());
    let why = hook.reason.as_deref().unwrap_or("no reason recorded");
    // `fentry handle_mm_fault: this machine refuses …`: what was tried, and why it failed.
    let (tried, failed) = why.split_once(": ").unwrap_or(("", why));
    // A serious note stands first on the page, before whatever else was told.
    let serious = hook.hook == "page_alloc";
    let mut text = if told.contains(&failed) && !serious {
        format!(
            "{name} is {how}: {}, for the same reason.",
            escape::text(tried.as_bytes())
        )
    } else {
        told.push(failed);
        format!(
            "{name} is {how}: {}.",
            escape::text(why.trim_end_matches('.').as_bytes())
        )
    };
    if let Some(lost) = &hook.lost {
        text.push_str(&format!(
            " Lost: {}.",
            escape::text(lost.trim_end_matches('.').as_bytes())
        ));
    }
    Some(Note::new(serious, text))
}

/// The hooks that nobody wanted, in one note: no news to whoever left them out.
fn left_out(snapshot: &Snapshot) -> Option<Note> {
    let names: Vec<_> = snapshot
        .hooks
        .iter()
        .filter(|hook| hook.is_left_out())
        .map(|hook| escape::text(hook.hook.as_bytes()))
        .collect();
    (!names.is_empty()).then(|| {
        Note::new(
            false,
            format!(
                "Left out on request, so not measured: {}.",
                names.join(", ")
            ),
        )
    })
}

/// Losses between kernel and report.
fn losses(snapshot: &Snapshot, notes: &mut Vec<Note>) {
    let coverage = &snapshot.coverage;
    if let Some(lost) = coverage.records_lost.filter(|lost| *lost > 0) {
        let whole = coverage.records.unwrap_or(0).saturating_add(lost);
        let lost_share = share(lost, whole);
        let kinds: Vec<String> = coverage
            .lost_by_kind
            .iter()
            .map(|(kind, count)| {
                format!(
                    "{} {}",
                    escape::text(kind.as_bytes()),
                    number::grouped(*count)
                )
            })
            .collect();
        let kinds = if kinds.is_empty() {
            String::new()
        } else {
            format!(" ({})", kinds.join(", "))
        };
        notes.push(Note::new(
            lost_share.is_some_and(|lost| lost >= SERIOUS_SHARE),
            format!(
                "{} of {} records ({} %) were lost{kinds}: totals are whole, details of threads and \
                 mappings are short. Narrow the scope with -p, or leave hooks out.",
                number::grouped(lost), number::grouped(whole), number::percent(lost_share),
            ),
        ));
    }
    if let Some(lost) = coverage.mapping_records_lost.filter(|lost| *lost > 0) {
        notes.push(Note::new(
            false,
            format!(
                "{} of the kernel's records of new mappings were lost: some files that only short-lived processes had \
                 mapped may have no name. Counts are whole.",
                number::grouped(lost)
            ),
        ));
    }
    if let Some(rejected) = coverage.rejected.filter(|rejected| *rejected > 0) {
        notes.push(Note::new(
            true,
            format!(
                "{} records were malformed and left out: tracer and kernel program do not fit \
                 together; reinstall numatrace and report this.",
                number::grouped(rejected)
            ),
        ));
    }
    let short = snapshot.stacks.iter().filter(|stack| stack.short.is_some());
    match short.count() {
        0 => {}
        short => notes.push(Note::new(
            false,
            format!(
                "{} of {} stacks may be short: programs or libraries without frame pointers \
                 (-fno-omit-frame-pointer keeps them).",
                number::grouped(short as u64),
                number::grouped(snapshot.stacks.len() as u64)
            ),
        )),
    }
    if let Some(pages) = coverage.unattributed.filter(|pages| *pages > 0) {
        let reasons: Vec<String> = coverage
            .unattributed_by_reason
            .iter()
            .map(|(reason, count)| {
                format!(
                    "{} {}",
                    escape::text(reason.as_bytes()),
                    number::grouped(*count)
                )
            })
            .collect();
        let reasons = if reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", reasons.join(", "))
        };
        notes.push(Note::new(
            false,
            format!(
                "{} pages could not be given to a process or mapping{reasons}.",
                number::grouped(pages)
            ),
        ));
    }
    for (table, entries) in coverage
        .full_tables
        .iter()
        .filter(|(_, entries)| **entries > 0)
    {
        notes.push(Note::new(
            false,
            format!(
                "the table of {} was full: {} entries went to [overflow].",
                escape::text(table.as_bytes()),
                number::grouped(*entries)
            ),
        ));
    }
    for (what, events) in &coverage.uncertain {
        notes.push(Note::new(
            false,
            format!(
                "{} {} are not certain.",
                number::grouped(*events),
                escape::text(what.as_bytes())
            ),
        ));
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
        notes.push(Note::new(
            false,
            format!("not counted in this session: {}.", unmeasured.join(", ")),
        ));
    }
}

/// Allocations that no process could be charged with for want of room.
fn buckets(snapshot: &Snapshot, notes: &mut Vec<Note>) {
    let overflow = snapshot
        .processes
        .iter()
        .filter(|p| p.kind == ProcessKind::Other && p.comm == *"[overflow]");
    let overflow = Alloc::sum(overflow.filter_map(|process: &Process| process.alloc.as_ref()));
    let (Some(lost), Some(all)) = (
        overflow
            .and_then(|alloc| alloc.allocations())
            .filter(|count| *count > 0),
        snapshot.alloc_total().and_then(|alloc| alloc.allocations()),
    ) else {
        return;
    };
    let lost_share = share(lost, all);
    notes.push(Note::new(
        lost_share.is_some_and(|lost| lost >= SERIOUS_SHARE),
        format!(
            "{} allocations ({} %) are in [overflow]: more processes than the tables hold. \
             Totals are whole; narrow the scope with -p to see names.",
            number::grouped(lost),
            number::percent(lost_share),
        ),
    ));
}

/// What must be known before any ranking is read.
pub fn write_serious(page: &mut Page<'_>, notes: &[Note]) {
    let serious: Vec<&Note> = notes.iter().filter(|note| note.serious).collect();
    if serious.is_empty() {
        return;
    }
    page.section("Read this first");
    for note in serious {
        page.item(Some(Tone::Bad), &note.text);
    }
}

/// The rest, or the good news that there is none.
pub fn write_rest(page: &mut Page<'_>, snapshot: &Snapshot, notes: &[Note]) {
    page.section("Missing or lost");
    for note in notes.iter().filter(|note| !note.serious) {
        page.item(Some(Tone::Warn), &note.text);
    }
    if notes.iter().any(|note| note.serious) {
        page.item(None, "and what stands under \"Read this first\".");
    }
    if notes.is_empty() {
        let text = if snapshot.hooks.is_empty() {
            "No record was lost."
        } else {
            "Nothing: every hook is in place and no record was lost."
        };
        page.item(Some(Tone::Good), text);
    }
}
