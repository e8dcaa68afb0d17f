//! Processes ranked by remote allocations, and the threads of the one that a session was about.

use unicode_width::UnicodeWidthChar as _;

use super::columns;
use super::figures::Figures;
use super::page::Page;
use super::table::Table;
use crate::model::number;
use crate::model::{Name, Process, ProcessKind, Snapshot};
use crate::output::escape;

/// Columns of a name. The kernel keeps 15 bytes; only escapes make it longer.
const NAME: usize = 20;

/// One row: what it is called, and its quantities.
pub struct Row {
    /// Its number, empty where it has none.
    pub id: String,
    /// Its name, as it goes into a cell.
    pub name: String,
    /// Its quantities.
    pub figures: Figures,
}

/// Writes the ranking: the first `limit` processes, the others in one row, the buckets, the total.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let remote = snapshot.alloc_total().and_then(|alloc| alloc.remote());
    page.section(match remote {
        // Then the ranking's next key decides.
        Some(0) => "Processes by memory allocated; no allocation was remote",
        _ => "Processes by remote allocations",
    });
    if snapshot.processes.is_empty() {
        page.item(None, "No allocation was traced.");
        return;
    }
    let (buckets, named): (Vec<&Process>, Vec<&Process>) = snapshot
        .ranked()
        .into_iter()
        .partition(|process| process.kind == ProcessKind::Other);
    let mut rows: Vec<Row> = named.into_iter().map(of_process).collect();
    fold_rest(&mut rows, limit);
    rows.extend(buckets.into_iter().map(of_process));
    let total = Figures::sum(rows.iter().map(|row| &row.figures));
    rows.push(Row {
        id: String::new(),
        name: "total".into(),
        figures: total,
    });
    write_rows(page, snapshot, "PID", "process", rows);
}

/// Writes the threads of the process the session was about, when it has more than one.
pub fn write_threads(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let Some(process) = snapshot.focus().filter(|process| process.threads.len() > 1) else {
        return;
    };
    page.section(&format!(
        "Threads of {} ({})",
        name(&process.comm),
        process.pid
    ));
    let mut threads: Vec<_> = process.threads.iter().collect();
    threads.sort_by_cached_key(|thread| thread.rank_key());
    let mut rows: Vec<Row> = threads
        .into_iter()
        .map(|thread| Row {
            id: thread.tid.to_string(),
            name: name(&thread.comm),
            figures: Figures::of_thread(thread),
        })
        .collect();
    fold_rest(&mut rows, limit);
    write_rows(page, snapshot, "TID", "thread", rows);
}

/// A row for each process and bucket, in the ranking's order.
pub fn named_rows(snapshot: &Snapshot) -> Vec<Row> {
    snapshot.ranked().into_iter().map(of_process).collect()
}

fn of_process(process: &Process) -> Row {
    let bucket = matches!(process.kind, ProcessKind::Other | ProcessKind::Irq);
    Row {
        id: if bucket {
            String::new()
        } else {
            process.pid.to_string()
        },
        name: name(&process.comm),
        figures: Figures::of_process(process),
    }
}

/// Sums what is beyond `limit` in one row. One row is not worth replacing by another.
pub fn fold_rest(rows: &mut Vec<Row>, limit: Option<usize>) {
    let Some(limit) = limit.filter(|limit| rows.len() > limit + 1) else {
        return;
    };
    let rest = rows.split_off(limit);
    let figures = Figures::sum(rest.iter().map(|row| &row.figures));
    rows.push(Row {
        id: String::new(),
        name: format!("{} others", number::grouped(rest.len() as u64)),
        figures,
    });
}

fn write_rows(page: &mut Page<'_>, snapshot: &Snapshot, id: &str, what: &str, rows: Vec<Row>) {
    let mut ids = Vec::with_capacity(rows.len());
    let mut names = Vec::with_capacity(rows.len());
    let mut figures = Vec::with_capacity(rows.len());
    for row in rows {
        ids.push(row.id);
        names.push(row.name);
        figures.push(row.figures);
    }
    let mut table = Table::new(2);
    table.right(id, ids);
    table.left(what, names);
    let legends = columns::add(&mut table, &figures, &snapshot.host);
    // The legend of the ranking explains the threads' columns too.
    columns::write(page, &table, if id == "PID" { &legends } else { &[] });
}

/// A name for a cell: escaped, in quotes where spaces would hide in the table, and cut with `…` where that made it too long.
pub fn name(name: &Name) -> String {
    let mut whole = escape::text(name.as_bytes());
    if whole.is_empty()
        || whole.starts_with(char::is_whitespace)
        || whole.ends_with(char::is_whitespace)
    {
        whole = format!("\"{whole}\"").into();
    }
    let mut used = 0;
    let mut cut = String::new();
    for c in whole.chars() {
        used += c.width().unwrap_or(0);
        if used > NAME {
            cut.pop();
            cut.push('…');
            return cut;
        }
        cut.push(c);
    }
    cut
}
