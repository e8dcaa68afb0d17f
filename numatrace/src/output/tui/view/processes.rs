//! Processes by the sorted column, as rates per second of the last interval.

use super::{Row, cells, plain};
use crate::{
    model::{Process, ProcessKind, frame::ScreenFrame, number},
    output::tui::{app::App, column::Column, theme::Tone},
};

/// Columns of a process id.
const ID: usize = 7;

/// Fewest and most columns of a name; on a tiny terminal even fewer.
const NAME: std::ops::RangeInclusive<usize> = 8..=40;
const TINY_NAME: usize = 3;

pub fn rows(app: &App, look: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let seconds = look.snapshot.session.duration_s;
    let processes = app.processes();
    let columns = columns(app.sort, &processes, width);
    let name = name_width(&columns, width);
    let mut rows = vec![head(app, &columns, name)];
    // Head, total, legend.
    let legend = height >= 6;
    let room = height.saturating_sub(2).saturating_sub(usize::from(legend));
    let first = cells::first(app.cursor, room, processes.len());
    for (row, process) in processes.iter().enumerate().skip(first).take(room) {
        let chosen = row == app.cursor;
        rows.push(one(process, &columns, name, seconds, chosen));
    }
    if processes.is_empty() {
        let text = if app.filter.is_empty() {
            "  nothing happened"
        } else {
            "  no process has that in its name or number"
        };
        rows.push(plain(Tone::Faint, text));
    }
    rows.resize(
        height.saturating_sub(1 + usize::from(legend)).max(1),
        Row::new(),
    );
    rows.push(total(&processes, &columns, name, seconds));
    if legend {
        rows.push(plain(Tone::Faint, app.sort.legend()));
    }
    rows
}

/// The columns that fit: those that nobody has measured go first, then those of least interest, the sorted one never.
fn columns(sort: Column, processes: &[&Process], width: usize) -> Vec<Column> {
    let measured = |column: &Column| {
        let mut counts = processes.iter().map(|process| column.count(process));
        counts.any(|count| count.is_some())
    };
    let unmeasured: Vec<Column> = Column::ALL
        .into_iter()
        .filter(|column| !measured(column))
        .collect();
    let mut columns = Column::ALL.to_vec();
    let used = |columns: &[Column]| -> usize {
        ID + 1 + NAME.start() + columns.iter().map(|c| c.width() + 1).sum::<usize>()
    };
    while used(&columns) > width {
        let last = |wanted: &dyn Fn(&Column) -> bool| {
            columns.iter().rposition(|one| *one != sort && wanted(one))
        };
        let Some(drop) = last(&|one| unmeasured.contains(one)).or_else(|| last(&|_| true)) else {
            break;
        };
        columns.remove(drop);
    }
    columns
}

fn name_width(columns: &[Column], width: usize) -> usize {
    let others: usize = ID + 1 + columns.iter().map(|c| c.width() + 1).sum::<usize>();
    width.saturating_sub(others).clamp(TINY_NAME, *NAME.end())
}

fn head(app: &App, columns: &[Column], name: usize) -> Row {
    let mut row = vec![(Tone::Strong, format!("{:>ID$} {:<name$}", "PID", "process"))];
    for column in columns {
        let sorted = *column == app.sort;
        let tone = if sorted { Tone::Cursor } else { Tone::Strong };
        row.push((Tone::Plain, " ".into()));
        row.push((tone, cells::right(column.head(), column.width())));
    }
    row
}

fn one(process: &Process, columns: &[Column], name: usize, seconds: f64, chosen: bool) -> Row {
    let bucket = matches!(process.kind, ProcessKind::Other | ProcessKind::Irq);
    let id = if bucket {
        String::new()
    } else {
        process.pid.to_string()
    };
    let tone = match (chosen, bucket) {
        (true, _) => Tone::Cursor,
        (false, true) => Tone::Faint,
        (false, false) => Tone::Plain,
    };
    let mut text = format!(
        "{id:>ID$} {}",
        cells::left(&cells::name(&process.comm), name)
    );
    for column in columns {
        let cell = column.cell(column.count(process), seconds);
        text.push(' ');
        text.push_str(&cells::right(&cell, column.width()));
    }
    vec![(tone, text)]
}

/// The sum of the rows that pass the filter; unknown where none knows.
fn total(processes: &[&Process], columns: &[Column], name: usize, seconds: f64) -> Row {
    let what = format!("total ({})", number::grouped(processes.len() as u64));
    let mut text = format!("{:>ID$} {}", "", cells::left(&what, name));
    for column in columns {
        let known = processes.iter().filter_map(|process| column.count(process));
        let sum = known.fold(None, |sum: Option<u64>, count| {
            Some(sum.unwrap_or(0).saturating_add(count))
        });
        text.push(' ');
        text.push_str(&cells::right(&column.cell(sum, seconds), column.width()));
    }
    vec![(Tone::Strong, text)]
}
