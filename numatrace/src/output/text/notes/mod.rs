//! Losses: hooks that are not attached, records that were lost, counts without a process.
//!
//! Collected once. A loss that changes the meaning of a ranking is serious and comes before the
//! ranking; the others come at the end.

mod losses;
mod tables;

use crate::model::{Hook, HookState, Snapshot, Verdict};
use crate::output::escape;
use crate::output::format::{name, page::Page, tone::Tone};

/// Smallest share lost or unattributed that changes the meaning of a ranking.
const SERIOUS_SHARE: f64 = 0.01;

/// One loss.
#[derive(Debug)]
pub struct Note {
    serious: bool,
    text: String,
}

impl Note {
    fn serious(text: impl Into<String>) -> Self {
        Self {
            serious: true,
            text: text.into(),
        }
    }

    fn minor(text: impl Into<String>) -> Self {
        Self {
            serious: false,
            text: text.into(),
        }
    }

    /// A loss that is serious when its share of the whole is.
    fn by_share(share: Option<f64>, text: impl Into<String>) -> Self {
        Self {
            serious: share.is_some_and(|share| share >= SERIOUS_SHARE),
            text: text.into(),
        }
    }
}

/// Returns all losses, the most important first.
pub fn collect(snapshot: &Snapshot) -> Vec<Note> {
    let mut notes = Vec::new();
    if snapshot.audit.verdict == Verdict::Failed {
        notes.push(Note::serious(
            "The audit FAILED: these counts do not add up to the kernel's. \
             Do not rely on them; see Audit below.",
        ));
    }
    if let Some(why) = &snapshot.coverage.incomplete {
        notes.push(Note::serious(format!(
            "Incomplete: {}.",
            escape::text(why.as_bytes())
        )));
    }
    let mut reasons = Vec::new();
    let wanted = snapshot.hooks.iter().filter(|hook| !hook.is_left_out());
    notes.extend(wanted.filter_map(|one| hook(one, &mut reasons)));
    notes.extend(left_out(snapshot));
    losses::collect(snapshot, &mut notes);
    notes.extend(memory_not_read(snapshot));
    let view = snapshot.host.view.iter();
    notes.extend(
        view.map(|sentence| Note::minor(format!("{}.", escape::text(sentence.as_bytes())))),
    );
    notes
}

/// Names the processes whose memory could not be looked at, the first in the ranking.
fn memory_not_read(snapshot: &Snapshot) -> Vec<Note> {
    /// Processes named.
    const NAMED: usize = 3;
    let ranked = snapshot.ranked().into_iter();
    let gaps =
        ranked.filter_map(|process| Some((process, process.residency.as_ref()?.gap.as_ref()?)));
    let notes = gaps.take(NAMED).map(|(process, gap)| {
        Note::minor(format!(
            "Memory of {} ({}): {}.",
            name::short(&process.comm),
            process.pid,
            escape::text(gap.as_bytes())
        ))
    });
    notes.collect()
}

/// Describes a hook that is reduced or not attached. Only the allocation hook is serious: every
/// ranking depends on it. A machine that refuses one hook refuses many with one reason, which is
/// written once; `reasons` has those written so far.
fn hook<'a>(hook: &'a Hook, reasons: &mut Vec<&'a str>) -> Option<Note> {
    let state = match (hook.state, &hook.via) {
        (HookState::Attached, _) => return None,
        (HookState::Fallback, Some(via)) => {
            format!("uses a reduced hook, {}", escape::text(via.as_bytes()))
        }
        (HookState::Fallback, None) => "uses a reduced hook".into(),
        (HookState::Absent, _) => "is not attached".into(),
    };
    let name = escape::text(hook.hook.as_bytes());
    let why = hook.reason.as_deref().unwrap_or("no reason recorded");
    // `fentry handle_mm_fault: this machine refuses …`: the attempt, and why it failed.
    let (tried, failed) = why.split_once(": ").unwrap_or(("", why));
    // A serious note comes first on the page, before the reason is written anywhere else.
    let serious = hook.hook == "page_alloc";
    let mut text = if reasons.contains(&failed) && !serious {
        let tried = match tried {
            "" => String::new(),
            tried => format!(" ({})", escape::text(tried.as_bytes())),
        };
        format!("{name} {state}, for the same reason{tried}.")
    } else {
        reasons.push(failed);
        let why = escape::text(why.trim_end_matches('.').as_bytes());
        format!("{name} {state}: {why}.")
    };
    if let Some(lost) = &hook.lost {
        let lost = escape::text(lost.trim_end_matches('.').as_bytes());
        text.push_str(&format!(" Lost: {lost}."));
    }
    Some(Note { serious, text })
}

/// Names the hooks that `--hooks` left out, in one note.
fn left_out(snapshot: &Snapshot) -> Option<Note> {
    let names: Vec<_> = snapshot
        .hooks
        .iter()
        .filter(|hook| hook.is_left_out())
        .map(|hook| escape::text(hook.hook.as_bytes()))
        .collect();
    let names = names.join(", ");
    (!names.is_empty())
        .then(|| Note::minor(format!("Left out on request, so not measured: {names}.")))
}

/// Writes the losses that must be known before any ranking is read.
pub fn write_serious(page: &mut Page<'_>, notes: &[Note]) {
    let serious: Vec<&Note> = notes.iter().filter(|note| note.serious).collect();
    if serious.is_empty() {
        return;
    }
    page.section("Read this first");
    for note in serious {
        page.item(Tone::Bad, &note.text);
    }
}

/// Writes the other losses, or that there are none.
pub fn write_rest(page: &mut Page<'_>, snapshot: &Snapshot, notes: &[Note]) {
    page.section("Missing or lost");
    for note in notes.iter().filter(|note| !note.serious) {
        page.item(Tone::Warn, &note.text);
    }
    if notes.iter().any(|note| note.serious) {
        page.item(Tone::Plain, "See also \"Read this first\" above.");
    }
    if notes.is_empty() {
        let text = if snapshot.hooks.is_empty() {
            "No record was lost."
        } else {
            "Nothing: every hook is attached and no record was lost."
        };
        page.item(Tone::Good, text);
    }
}
