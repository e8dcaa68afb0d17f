//! A comparison as text: the one number, what to know before comparing, what came and went, then mappings, machine, nodes, processes.
//!
//! Pure: a comparison and options in, text out. Names are escaped where they enter a cell.

mod cells;
mod findings;
mod header;
mod machine;
mod mappings;
mod subjects;

use super::text::{TextOptions, page::Page};
use crate::model::diff::Diff;

/// The whole comparison, with a newline at its end.
#[must_use]
pub fn render(diff: &Diff, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    header::write(&mut page, diff);
    findings::write(&mut page, diff);
    mappings::write(&mut page, diff, options.rows);
    machine::write(&mut page, diff);
    subjects::write_nodes(&mut page, diff);
    subjects::write_processes(&mut page, diff, options.rows);
    page.finish()
}
