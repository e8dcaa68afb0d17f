//! Processes, sorted by a column, with rates per second of the last interval.

use super::{Row, columns::Columns, line, plain};
use crate::{
    model::{Process, ProcessKind, frame::ScreenFrame, number},
    output::{
        format::{name::quoted, tone::Tone, wrap::wrap},
        tui::{app::App, column::Column},
    },
};

/// Columns of a PID.
const ID: usize = 7;

/// Fewest and most columns of a name; on a tiny terminal even fewer.
const NAME: std::ops::RangeInclusive<usize> = 8..=40;
const TINY_NAME: usize = 3;

/// Columns before the first number that are in [`head`].
const KEYS: usize = 2;

pub fn rows(app: &App, frame: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let seconds = frame.snapshot.session.duration_s;
    let processes = app.processes();
    let shown = columns(app.sort, &processes, width);
    let head = head(&shown, name_width(&shown, width));
    let marked = shown.iter().position(|column| *column == app.sort);
    let mut rows = head.head(marked.map(|at| at + KEYS));
    let mut legend = wrap(&app.sort.legend(), "", "", width);
    legend.truncate(height.saturating_sub(5).min(2));
    let room = height.saturating_sub(rows.len() + 1 + legend.len());
    let first = line::first(app.cursor, room, processes.len());
    for (row, process) in processes.iter().enumerate().skip(first).take(room) {
        let chosen = row == app.cursor;
        rows.push(one(process, &shown, &head, seconds, chosen));
    }
    if processes.is_empty() {
        let text = if app.filter.is_empty() {
            "  no activity in the last interval"
        } else {
            "  no process matches the filter"
        };
        rows.push(plain(Tone::Faint, text));
    }
    rows.resize(height.saturating_sub(1 + legend.len()).max(1), Row::new());
    rows.push(total(&processes, &shown, &head, seconds));
    rows.extend(legend.into_iter().map(|text| plain(Tone::Faint, text)));
    rows
}

/// Returns the headers of all columns.
pub fn headers() -> Columns {
    head(&Column::ALL, *NAME.start())
}

fn head(columns: &[Column], name: usize) -> Columns {
    let mut head = Columns::default();
    head.right("PID", ID).left("process", name);
    for column in columns {
        head.right(column.header(), column.width());
    }
    head
}

/// Returns the columns that fit. The first to go are those that were measured for no process, then
/// the last ones; the sorted one stays.
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

fn one(process: &Process, shown: &[Column], head: &Columns, seconds: f64, chosen: bool) -> Row {
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
    let numbers = shown
        .iter()
        .map(|column| column.format(&[process], seconds));
    let cells = [id, quoted(&process.comm)].into_iter().chain(numbers);
    vec![(tone, head.line(cells))]
}

/// Returns the sum of the rows that pass the filter.
fn total(processes: &[&Process], shown: &[Column], head: &Columns, seconds: f64) -> Row {
    let name = format!("total ({})", number::grouped(processes.len() as u64));
    let numbers = shown.iter().map(|column| column.format(processes, seconds));
    let cells = [String::new(), name].into_iter().chain(numbers);
    vec![(Tone::Strong, head.line(cells))]
}
