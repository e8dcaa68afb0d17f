//! The report as text: what a person reads first stands first, and what would change reading it stands before any ranking.
//!
//! Order: session, serious losses, findings, memory of the process a session was about, nodes, processes, threads, what was allocated,
//! node×node tables, absences, NUMA balancing, audit, everything that is missing, cost.
//! Pure: a snapshot and options in, text out. Names are escaped where they enter a cell.

mod audit;
mod balancer;
mod classes;
mod columns;
mod figures;
mod findings;
mod footer;
pub mod header;
mod incidents;
mod kernel_memory;
mod mappings;
mod matrices;
mod nodes;
mod notes;
mod verify;

pub mod page;
mod page_cache;
mod processes;
pub mod table;

use crate::model::Snapshot;
use page::Page;

/// How the text is to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns to keep to; `None` is unlimited, for everything that is not a terminal.
    pub width: Option<usize>,
    /// Rows of processes and of threads; what is left is summed in one row. `None` shows all.
    pub rows: Option<usize>,
    /// ANSI colours.
    pub color: bool,
}

impl Default for TextOptions {
    /// For a file: unlimited width, no colour; twenty rows, which fit a screen with the rest.
    fn default() -> Self {
        Self {
            width: None,
            rows: Some(20),
            color: false,
        }
    }
}

/// The whole report, with a newline at its end.
#[must_use]
pub fn render(snapshot: &Snapshot, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    let notes = notes::collect(snapshot);
    header::write(&mut page, snapshot);
    notes::write_serious(&mut page, &notes);
    findings::write(&mut page, snapshot);
    mappings::write(&mut page, snapshot, options.rows);
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

/// The audit alone, for `--audit-only`.
#[must_use]
pub fn render_audit(snapshot: &Snapshot, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    header::write(&mut page, snapshot);
    audit::write(&mut page, snapshot);
    page.finish()
}
