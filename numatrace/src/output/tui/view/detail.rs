//! One process: what it does now, its threads, where its memory lies and who put it there, and what there is to say about it.

use super::{Row, cells, findings, plain};
use crate::{
    model::{Alloc, Frame, Process, Thread, frame::ScreenFrame, matrix::share, number},
    output::{
        escape,
        tui::{
            app::App,
            column::Column,
            detail::Kept,
            rate::{per_second, short},
            theme::Tone,
        },
    },
};

/// Threads and mappings that are listed.
const THREADS: usize = 12;
const MAPPINGS: usize = 12;

/// Frames of a stack.
const FRAMES: usize = 4;

pub fn rows(app: &App, look: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    match app.detailed() {
        Some(process) => {
            rows.extend(about(process, look, width));
            rows.extend(threads(process, look));
        }
        None => {
            let pid = app.detail.map(|(pid, _)| pid.to_string());
            rows.push(plain(
                Tone::Warn,
                format!(
                    "process {} did nothing in the last interval, or has ended",
                    pid.unwrap_or_default()
                ),
            ));
        }
    }
    if let Some(detail) = app.detail.and_then(|process| app.details.of(process)) {
        rows.extend(mappings(&detail.mappings, look, width));
    }
    if let Some((pid, _)) = app.detail {
        let found: Vec<Row> = app
            .findings
            .of(pid)
            .flat_map(|kept| findings::one(kept, width))
            .collect();
        if !found.is_empty() {
            rows.push(Row::new());
            rows.push(plain(Tone::Strong, "findings"));
            rows.extend(found);
        }
    }
    findings::scrolled(rows, app.cursor, height)
}

fn about(process: &Process, look: &ScreenFrame, width: usize) -> Vec<Row> {
    let seconds = look.snapshot.session.duration_s;
    let mut rows = vec![vec![
        (Tone::Strong, cells::name(&process.comm)),
        (Tone::Plain, format!("  {}", process.pid)),
        (
            Tone::Faint,
            process
                .exe
                .as_ref()
                .map(|exe| format!("  {}", escape::text(exe.as_bytes())))
                .unwrap_or_default(),
        ),
    ]];
    let mut line = String::new();
    for column in Column::ALL {
        let cell = column.cell(column.count(process), seconds);
        line.push_str(&format!("{} {cell}  ", column.head()));
    }
    for text in cells::wrapped(&line, "  ", "  ", width) {
        rows.push(plain(Tone::Plain, text));
    }
    if let Some(home) = process.home_node {
        rows.push(plain(
            Tone::Plain,
            format!("  most of its memory since this began is on node {home}"),
        ));
    }
    let causes = process
        .alloc
        .as_ref()
        .and_then(|alloc| alloc.remote_by_cause)
        .filter(|causes| causes.total() > 0);
    if let Some(causes) = causes {
        let causes: Vec<String> = causes
            .ranked()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(cause, count)| format!("{cause} {}", short(per_second(Some(count), seconds))))
            .collect();
        rows.push(plain(
            Tone::Warn,
            format!("  why remote, per second: {}", causes.join(", ")),
        ));
    }
    rows
}

fn threads(process: &Process, look: &ScreenFrame) -> Vec<Row> {
    let seconds = look.snapshot.session.duration_s;
    let mut rows = vec![
        Row::new(),
        plain(
            Tone::Strong,
            format!(
                "{:>7} {:<16} {:>8} {:>8} {:>8} {:>7}  CPU % by node",
                "TID", "thread", "remote/s", "t-away/s", "h-far/s", "moves/s"
            ),
        ),
    ];
    let mut threads: Vec<&Thread> = process.threads.iter().collect();
    let ran = |thread: &Thread| thread.run_ns.as_ref().map(crate::model::PerNode::total);
    threads.sort_by_cached_key(|thread| {
        let remote = thread.alloc.as_ref().and_then(Alloc::remote);
        (std::cmp::Reverse((remote, ran(thread))), thread.tid)
    });
    let more = threads.len().saturating_sub(THREADS);
    for thread in threads.into_iter().take(THREADS) {
        let rate = |count| short(per_second(count, seconds));
        let off =
            |matrix: Option<&crate::model::Matrix>| matrix.map(crate::model::Matrix::off_diagonal);
        let touch = thread.first_touch.as_ref().and_then(|t| t.pages.as_ref());
        let hints = thread.hint_faults.as_ref().and_then(|h| h.matrix.as_ref());
        rows.push(plain(
            Tone::Plain,
            format!(
                "{:>7} {} {:>8} {:>8} {:>8} {:>7}  {}",
                thread.tid,
                cells::left(&cells::name(&thread.comm), 16),
                rate(thread.alloc.as_ref().and_then(Alloc::remote)),
                rate(off(touch)),
                rate(off(hints)),
                rate(thread.task_moves.as_ref().and_then(|m| m.cross_node)),
                by_node(thread, look),
            ),
        ));
    }
    if more > 0 {
        rows.push(plain(
            Tone::Faint,
            format!("  and {} more", number::plural(more, "thread")),
        ));
    }
    rows
}

/// `0:45.1 1:3.0`: the nodes a thread ran on.
fn by_node(thread: &Thread, look: &ScreenFrame) -> String {
    let Some(run) = &thread.run_ns else {
        return number::UNKNOWN.into();
    };
    let nodes = look.snapshot.host.nodes.iter().enumerate();
    let parts: Vec<String> = nodes
        .filter(|(position, _)| run.at(*position) > 0)
        .map(|(position, node)| {
            let cell = Column::Cpu.cell(Some(run.at(position)), look.snapshot.session.duration_s);
            format!("{}:{cell}", node.node)
        })
        .collect();
    if parts.is_empty() {
        "0".into()
    } else {
        parts.join(" ")
    }
}

fn mappings(all: &[Kept], look: &ScreenFrame, width: usize) -> Vec<Row> {
    let page_size = look.snapshot.host.page_size;
    let mut rows = vec![
        Row::new(),
        plain(
            Tone::Strong,
            format!(
                "{:>9} {:>7} {:>8} {:>7}  mapping, since this began",
                "MiB", "away %", "h-faults", "far %"
            ),
        ),
    ];
    for kept in all.iter().take(MAPPINGS) {
        let away = share(kept.touched.off_diagonal(), kept.touched.total());
        let far = share(kept.faults.off_diagonal(), kept.faults.total());
        let tone = match (away, far) {
            (Some(share), _) | (_, Some(share)) if share >= 0.5 => Tone::Warn,
            _ => Tone::Plain,
        };
        let touchers: Vec<String> = kept
            .by_tid
            .iter()
            .take(3)
            .map(|by| by.tid.to_string())
            .collect();
        let by = if touchers.is_empty() {
            String::new()
        } else {
            format!("  by {}", touchers.join(", "))
        };
        rows.push(plain(
            tone,
            format!(
                "{:>9} {:>7} {:>8} {:>7}  {}{by}",
                number::mib(Some(kept.touched.total()), page_size),
                number::percent(away),
                number::grouped(kept.faults.total()),
                number::percent(far),
                cells::name(&kept.name),
            ),
        ));
        for frame in kept.stack.iter().take(FRAMES) {
            let text = cells::cut(&format!("{:>36}{}", "", in_words(frame)), width);
            rows.push(plain(Tone::Faint, text));
        }
    }
    let more = all.len().saturating_sub(MAPPINGS);
    if more > 0 {
        rows.push(plain(
            Tone::Faint,
            format!("  and {} more", number::plural(more, "mapping")),
        ));
    }
    rows
}

fn in_words(frame: &Frame) -> String {
    let shown = |name: &crate::model::Name| escape::text(name.as_bytes()).into_owned();
    let what = match (&frame.symbol, &frame.module) {
        (Some(symbol), _) => shown(symbol),
        (None, Some(module)) => format!("{}+{:#x}", shown(module), frame.offset.unwrap_or(0)),
        (None, None) => format!("{:#x}", frame.addr.0),
    };
    match &frame.line {
        Some(line) => format!("{what}  {}", shown(line)),
        None => what,
    }
}
