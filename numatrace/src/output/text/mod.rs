//! The report as text: the sections that decide come first, and losses that affect a ranking come
//! before it.
//!
//! Order: session, serious losses, then the sections of `model/section`, of which the first screen
//! has those that answer.
//! Pure: a snapshot and options in, text out. Names are escaped where they enter a cell.

mod audit;
mod balancer;
mod classes;
mod columns;
mod failures;
mod figures;
mod findings;
mod footer;
mod header;
mod incidents;
mod kernel_memory;
mod mappings;
mod matrices;
mod nodes;
mod notes;
mod page_cache;
mod processes;
mod stacks;
mod summary;
mod verify;

use super::format::{page::Page, tone::Tone};
use crate::model::Snapshot;
use crate::model::section::{Section, Sections};

pub use super::format::page::TextOptions;

/// Renders a report, with a newline at its end: head, serious losses, and the sections of
/// `options`. Names the sections that are left out and would say something.
#[must_use]
pub fn render(snapshot: &Snapshot, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    let notes = notes::collect(snapshot);
    header::write(&mut page, snapshot);
    notes::write_serious(&mut page, &notes);
    let mut left_out = Vec::new();
    for section in Section::ALL {
        if options.sections.has(section) {
            write(&mut page, section, snapshot, options.rows, &notes);
        } else if options.sections == Sections::Answer {
            let mut other = page.another();
            write(&mut other, section, snapshot, options.rows, &notes);
            left_out.extend((!other.is_empty()).then(|| section.name()));
        }
    }
    if !left_out.is_empty() {
        page.gap();
        let names = left_out.join(", ");
        page.wrapped(
            Tone::Faint,
            "",
            "  ",
            &format!("Not shown: {names}. See --full, or --section NAME,…"),
        );
    }
    page.finish()
}

/// Writes a section, if there is something for it to say.
fn write(
    page: &mut Page<'_>,
    section: Section,
    snapshot: &Snapshot,
    rows: Option<usize>,
    notes: &[notes::Note],
) {
    match section {
        Section::Findings => {
            let whole = page.sections() != &Sections::Answer;
            findings::write(page, snapshot, whole);
        }
        Section::Summary => summary::write(page, snapshot),
        Section::Failures => failures::write(page, snapshot),
        Section::Memory => mappings::write(page, snapshot, rows),
        Section::Stacks => stacks::write(page, snapshot),
        Section::PageCache => page_cache::write(page, snapshot),
        Section::KernelMemory => kernel_memory::write(page, snapshot),
        Section::Nodes => nodes::write(page, snapshot),
        Section::Processes => processes::write(page, snapshot, rows),
        Section::Threads => processes::write_threads(page, snapshot, rows),
        Section::Classes => classes::write(page, snapshot, rows),
        Section::Matrices => matrices::write(page, snapshot),
        Section::Incidents => incidents::write(page, snapshot),
        Section::Balancing => balancer::write(page, snapshot),
        Section::Timeline => incidents::write_timeline(page, snapshot),
        Section::Verification => verify::write(page, snapshot),
        Section::Audit => audit::write(page, snapshot),
        Section::Losses => notes::write_rest(page, snapshot, notes),
        Section::Cost => footer::write(page, snapshot),
    }
}

/// Renders the audit alone, for `--audit-only`.
#[must_use]
pub fn render_audit(snapshot: &Snapshot, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    header::write(&mut page, snapshot);
    audit::write(&mut page, snapshot);
    page.finish()
}
