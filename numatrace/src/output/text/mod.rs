//! The report as text: the sections that decide come first, and losses that affect a ranking come
//! before it.
//!
//! Order: session, serious losses, findings, failures, memory of the process that the session was
//! about, stacks, nodes, processes, threads, allocations by class, node×node tables, absences, NUMA
//! balancing, audit, other losses, cost.
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
mod verify;

use super::format::page::Page;
use crate::model::Snapshot;

pub use super::format::page::TextOptions;

/// Renders the whole report, with a newline at its end.
#[must_use]
pub fn render(snapshot: &Snapshot, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    let notes = notes::collect(snapshot);
    header::write(&mut page, snapshot);
    notes::write_serious(&mut page, &notes);
    findings::write(&mut page, snapshot);
    failures::write(&mut page, snapshot);
    mappings::write(&mut page, snapshot, options.rows);
    stacks::write(&mut page, snapshot);
    page_cache::write(&mut page, snapshot);
    kernel_memory::write(&mut page, snapshot);
    nodes::write(&mut page, snapshot);
    processes::write(&mut page, snapshot, options.rows);
    processes::write_threads(&mut page, snapshot, options.rows);
    classes::write(&mut page, snapshot, options.rows);
    matrices::write(&mut page, snapshot);
    incidents::write(&mut page, snapshot);
    balancer::write(&mut page, snapshot);
    incidents::write_timeline(&mut page, snapshot);
    verify::write(&mut page, snapshot);
    audit::write(&mut page, snapshot);
    notes::write_rest(&mut page, snapshot, &notes);
    footer::write(&mut page, snapshot);
    page.finish()
}

/// Renders the audit alone, for `--audit-only`.
#[must_use]
pub fn render_audit(snapshot: &Snapshot, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    header::write(&mut page, snapshot);
    audit::write(&mut page, snapshot);
    page.finish()
}
