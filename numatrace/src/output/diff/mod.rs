//! A comparison as text: headline, differences that the program did not cause, findings, mappings,
//! machine, nodes, processes.
//!
//! Pure: a comparison and options in, text out. Names are escaped where they enter a cell.

mod cells;
mod findings;
mod header;
mod machine;
mod mappings;
mod subjects;

use super::format::page::{Page, TextOptions};
use crate::model::diff::Diff;

/// Renders the whole comparison, with a newline at its end.
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
