//! Processes ranked by remote allocations, and the threads of the process that a session was about.

use super::columns;
use super::figures::Figures;
use crate::model::number;
use crate::model::{Process, ProcessKind, Snapshot, TouchedBy};
use crate::output::format::{name, page::Page, table::Table, tone::Tone};

/// One row of a ranking.
pub struct Row {
    /// PID or TID, empty for buckets and sums.
    pub id: String,
    /// Name, fit for a cell.
    pub name: String,
    /// Quantities.
    pub figures: Figures,
}

/// Writes the ranking: the first `limit` processes, one row for the others, buckets, total.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let remote = snapshot.alloc_total().and_then(|alloc| alloc.remote());
    let misplaced = snapshot
        .ranked()
        .first()
        .is_some_and(|first| first.is_misplaced());
    page.section(match remote {
        _ if misplaced => "Processes by CPU time on memory of other nodes",
        // The ranking then depends on its next keys.
        Some(0) => "Processes by memory allocated; no allocation was remote",
        _ => "Processes by remote allocations",
    });
    if snapshot.processes.is_empty() {
        page.item(Tone::Plain, "No allocation was traced.");
        return;
    }
    let (buckets, named): (Vec<&Process>, Vec<&Process>) = snapshot
        .ranked()
        .into_iter()
        .partition(|process| process.is_bucket());
    let mut rows: Vec<Row> = named.into_iter().map(of_process).collect();
    fold_rest(&mut rows, limit);
    rows.extend(buckets.into_iter().map(of_process));
    add_total(&mut rows);
    write_rows(page, snapshot, "PID", "process", rows);
}

/// Writes the threads of the process that the session was about, when it has several.
pub fn write_threads(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let Some(process) = snapshot.focus().filter(|process| process.threads.len() > 1) else {
        return;
    };
    page.section(&format!("Threads of {}", with_pid(process)));
    let mut threads: Vec<_> = process.threads.iter().collect();
    threads.sort_by_cached_key(|thread| thread.rank_key());
    let mut rows: Vec<Row> = threads
        .into_iter()
        .map(|thread| Row {
            id: thread.tid.to_string(),
            name: name::short(&thread.comm),
            figures: Figures::of_thread(thread),
        })
        .collect();
    fold_rest(&mut rows, limit);
    write_rows(page, snapshot, "TID", "thread", rows);
}

/// Names a process in a title: `app (4242)`.
pub fn with_pid(process: &Process) -> String {
    format!("{} ({})", name::short(&process.comm), process.pid)
}

/// Names a process that touched memory of a different one: `writer (77)`; by its PID alone when it
/// ended before its name could be read.
pub fn toucher(by: &TouchedBy) -> String {
    match &by.comm {
        Some(comm) => format!("{} ({})", name::short(comm), by.pid),
        None => format!("PID {}", by.pid),
    }
}

/// Names the thread of a process with this TID: `worker (4243)`; `-` when it is not in the report.
pub fn thread(process: &Process, tid: Option<crate::ids::Tid>) -> String {
    let mut threads = process.threads.iter();
    let thread = tid.and_then(|tid| threads.find(|thread| thread.tid == tid));
    thread.map_or_else(
        || number::UNKNOWN.into(),
        |thread| format!("{} ({})", name::short(&thread.comm), thread.tid),
    )
}

/// Returns a row for each process and bucket, in the order of the ranking.
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
        name: name::short(&process.comm),
        figures: Figures::of_process(process),
    }
}

/// Sums up the rows beyond `limit` in one row. A single row is not worth that.
pub fn fold_rest(rows: &mut Vec<Row>, limit: Option<usize>) {
    let Some(limit) = limit.filter(|limit| rows.len() > limit.saturating_add(1)) else {
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

/// Adds a row with the sum of all rows.
pub fn add_total(rows: &mut Vec<Row>) {
    let figures = Figures::sum(rows.iter().map(|row| &row.figures));
    rows.push(Row {
        id: String::new(),
        name: "total".into(),
        figures,
    });
}

fn write_rows(page: &mut Page<'_>, snapshot: &Snapshot, id: &str, noun: &str, rows: Vec<Row>) {
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
    table.left(noun, names);
    let legends = columns::add(&mut table, &figures, &snapshot.host);
    // The legend of the processes explains the columns of the threads too.
    columns::write(page, &table, if id == "PID" { &legends } else { &[] });
}
