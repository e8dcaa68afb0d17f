//! A report as one tidy table of CSV: one value a line, what kind of value in the leading column `table`.
//!
//! Any spreadsheet or data frame can pivot it. What was not measured has no line. Names are made safe for spreadsheets by
//! [`cell`](crate::output::csv::cell).

mod events;
mod lines;
mod processes;
mod session;

use lines::Lines;

use crate::model::Snapshot;

/// The columns. A cell that has no meaning for a line is empty.
pub const HEADER: &str = "table,interval,at_s,pid,comm,tid,mapping,node,to_node,name,value\n";

/// The tables, with what a line of each says; the order of the output.
pub const TABLES: [(&str, &str); 14] = [
    (
        "session",
        "the session and the machine: `name` is a field of `session`, `host`, `coverage` or `cost`",
    ),
    ("node", "a node's memory and number of CPUs"),
    ("hook", "`name` is a hook, `value` its state"),
    (
        "audit",
        "`name` is `COUNTER.kernel`, `COUNTER.traced` or `COUNTER.residual`, by `node`; `verdict` and `unexplained` without",
    ),
    (
        "machine",
        "a quantity of docs/fail-if.md, of the whole machine",
    ),
    ("process", "the same of a process"),
    (
        "process_node",
        "a numastat counter, `pages` or `run_ns` of a process, by `node` of the page or CPU",
    ),
    (
        "process_matrix",
        "first touches, hinting faults, page migrations, task moves of a process, from `node` to `to_node`",
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
        "what a thread touched first in a mapping (`pages`, `remote_pages`) and how it uses it (`hint_faults`, `remote_hint_faults`)",
    ),
    (
        "incident",
        "a thread that left its memory at `at_s`, from `node` to `to_node`",
    ),
    ("finding", "`name` is the diagnosis, `value` its title"),
];

/// The lines of a report, without the header.
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
    fn each_table_has_one_name() {
        let mut names: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLES.len());
    }
}
