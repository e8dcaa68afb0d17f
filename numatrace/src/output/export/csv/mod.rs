//! A report as one tidy CSV table: one value per line; the first column, `table`, has the kind of
//! value.
//!
//! Any spreadsheet or data frame can pivot it. A value that was not measured has no line. Names are
//! made safe for spreadsheets by [`text`](crate::output::csv::text).

mod events;
mod lines;
mod processes;
mod session;

use lines::Lines;

use crate::model::Snapshot;

/// The columns. A cell without a meaning for a line is empty.
pub const HEADER: &str = "table,interval,at_s,pid,comm,tid,mapping,node,to_node,name,value\n";

/// The tables in the order of the output, each with the meaning of its lines.
pub const TABLES: [(&str, &str); 14] = [
    (
        "session",
        "session and machine: `name` is a field of `session`, `host`, `coverage` or `cost`",
    ),
    ("node", "a node's memory and number of CPUs"),
    ("hook", "`name` is a hook, `value` its state"),
    (
        "audit",
        "`name` is `COUNTER.kernel`, `COUNTER.traced` or `COUNTER.residual`, by `node`; \
         `verdict` and `unexplained` have no node",
    ),
    (
        "machine",
        "a quantity of docs/fail-if.md, of the whole machine",
    ),
    ("process", "a quantity of docs/fail-if.md, of a process"),
    (
        "process_node",
        "a numastat counter, `pages` or `run_ns` of a process, by `node` of the page or CPU",
    ),
    (
        "process_matrix",
        "first touches, hinting faults, page migrations, task moves of a process, from `node` to \
         `to_node`",
    ),
    (
        "task_move",
        "cross-node moves of a process; `name` is the reason",
    ),
    (
        "thread",
        "a numastat counter, `pages` or `run_ns` of a thread, by `node`",
    ),
    (
        "mapping",
        "a mapping: `start`, `end`, `kind`, and its quantities",
    ),
    (
        "mapping_thread",
        "pages that a thread touched first in a mapping (`pages`, `remote_pages`) and its sampled \
         accesses there (`hint_faults`, `remote_hint_faults`)",
    ),
    (
        "incident",
        "a thread that left its memory at `at_s`, from `node` to `to_node`",
    ),
    ("finding", "`name` is the diagnosis, `value` its title"),
];

/// Returns the lines of a report, without the header.
#[must_use]
pub fn lines(snapshot: &Snapshot) -> String {
    let mut lines = Lines::of(snapshot);
    session::write(&mut lines, snapshot);
    processes::write(&mut lines, snapshot);
    events::write(&mut lines, snapshot);
    lines.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_a_name_of_its_own() {
        let mut names: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLES.len());
    }
}
