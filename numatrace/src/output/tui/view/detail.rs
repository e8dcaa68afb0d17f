//! One process: its rates, its threads, the placement of its memory, and its findings.

use super::{Row, columns::Columns, findings, plain};
use crate::{
    model::{
        Alloc, Frame, Matrix, Name, PerNode, Process, Thread,
        frame::ScreenFrame,
        matrix::share,
        number,
        quantity::{header, header_per_s, headers as parts},
    },
    output::{
        escape,
        format::{
            cause,
            name::quoted,
            percent,
            rate::{per_second, short},
            tone::Tone,
            width,
            wrap::{NO_BREAK, wrap},
        },
        tui::{app::App, column::Column, detail::KnownMapping},
    },
};

/// Threads and mappings that are listed.
const THREADS: usize = 12;
const MAPPINGS: usize = 12;

/// Frames of a stack.
const FRAMES: usize = 4;

/// Spaces before a frame, so that it stands below the name of the mapping.
const INDENT: usize = 37;

pub fn rows(app: &App, frame: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    match app.detailed() {
        Some(process) => {
            rows.extend(about(process, frame, width));
            rows.extend(threads(process, frame));
        }
        None => {
            let pid = app.detail.map(|(pid, _)| pid.to_string());
            rows.push(plain(
                Tone::Warn,
                format!(
                    "process {} had no activity in the last interval, or has ended",
                    pid.unwrap_or_default()
                ),
            ));
        }
    }
    if let Some(detail) = app.detail.and_then(|process| app.details.of(process)) {
        rows.extend(mappings(&detail.mappings, frame, width));
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

fn about(process: &Process, frame: &ScreenFrame, width: usize) -> Vec<Row> {
    let seconds = frame.snapshot.session.duration_s;
    let mut rows = vec![vec![
        (Tone::Strong, quoted(&process.comm)),
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
        let number = column.format(&[process], seconds);
        let pair = format!("{} {number}", column.header());
        // No line ends between a header and its number.
        line.push_str(&pair.replace(' ', &NO_BREAK.to_string()));
        line.push_str("  ");
    }
    for text in wrap(&line, "  ", "  ", width) {
        rows.push(plain(Tone::Plain, text));
    }
    if let Some(home) = process.home_node {
        rows.push(plain(
            Tone::Plain,
            format!("  most of the memory it touched since top began is on node {home}"),
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
            .map(|(cause, count)| {
                let rate = short(per_second(Some(count), seconds));
                format!("{} {rate}", cause::in_words(cause))
            })
            .collect();
        rows.push(plain(
            Tone::Warn,
            format!("  why remote, per second: {}", causes.join(", ")),
        ));
    }
    rows
}

/// Returns the headers of the table of threads.
pub fn headers_of_threads() -> Columns {
    let mut head = Columns::default();
    head.right("TID", 7).left("thread", 16);
    head.right(header_per_s("other_node"), 8);
    head.right(header_per_s("remote_first_touch_pages"), 7);
    head.right(header_per_s("remote_hint_faults"), 8);
    head.right(header_per_s("cross_node_moves"), 7);
    head.last(parts::CPU_BY_NODE.header);
    head
}

fn threads(process: &Process, frame: &ScreenFrame) -> Vec<Row> {
    let seconds = frame.snapshot.session.duration_s;
    let head = headers_of_threads();
    let mut rows = vec![Row::new()];
    rows.extend(head.head(None));
    let mut threads: Vec<&Thread> = process.threads.iter().collect();
    let ran = |thread: &Thread| thread.run_ns.as_ref().map(PerNode::total);
    threads.sort_by_cached_key(|thread| {
        let remote = thread.alloc.as_ref().and_then(Alloc::remote);
        (std::cmp::Reverse((remote, ran(thread))), thread.tid)
    });
    let more = threads.len().saturating_sub(THREADS);
    for thread in threads.into_iter().take(THREADS) {
        let rate = |count| short(per_second(count, seconds));
        let remote = |matrix: Option<&Matrix>| rate(matrix.map(Matrix::off_diagonal));
        let cells = [
            thread.tid.to_string(),
            quoted(&thread.comm),
            rate(thread.alloc.as_ref().and_then(Alloc::remote)),
            remote(thread.first_touch.as_ref().and_then(|t| t.pages.as_ref())),
            remote(thread.hint_faults.as_ref().and_then(|h| h.matrix.as_ref())),
            rate(thread.task_moves.as_ref().and_then(|m| m.cross_node)),
            by_node(thread, frame),
        ];
        rows.push(plain(Tone::Plain, head.line(cells)));
    }
    if more > 0 {
        let more = number::plural(more, "more thread");
        rows.push(plain(Tone::Faint, format!("  and {more}")));
    }
    rows
}

/// Formats the CPU time of a thread on each node: `0:45.1 1:3.0`.
fn by_node(thread: &Thread, frame: &ScreenFrame) -> String {
    let Some(run) = &thread.run_ns else {
        return number::UNKNOWN.into();
    };
    let seconds = frame.snapshot.session.duration_s;
    let nodes = frame.snapshot.host.nodes.iter().enumerate();
    let parts: Vec<String> = nodes
        .filter(|(position, _)| run.at(*position) > 0)
        .map(|(position, node)| {
            let time = percent::of_cpu(per_second(Some(run.at(position)), seconds));
            format!("{}:{time}", node.node)
        })
        .collect();
    if parts.is_empty() {
        "0".into()
    } else {
        parts.join(" ")
    }
}

/// Returns the headers of the table of mappings.
pub fn headers_of_mappings() -> Columns {
    let mut head = Columns::default();
    head.right(header("first_touch_pages"), 9);
    head.right(header("remote_first_touch_share"), 8);
    head.right(header("hint_faults"), 8);
    head.right(header("remote_access_share"), 8);
    head.last("mapping");
    head
}

fn mappings(all: &[KnownMapping], frame: &ScreenFrame, width: usize) -> Vec<Row> {
    let page_size = frame.snapshot.host.page_size;
    let head = headers_of_mappings();
    let mut rows = vec![
        Row::new(),
        plain(Tone::Plain, "Memory touched since top began"),
    ];
    rows.extend(head.head(None));
    for mapping in all.iter().take(MAPPINGS) {
        let remote_touch = share(mapping.touched.off_diagonal(), mapping.touched.total());
        let remote_access = share(mapping.faults.off_diagonal(), mapping.faults.total());
        let tone = match (remote_touch, remote_access) {
            (Some(share), _) | (_, Some(share)) if share >= 0.5 => Tone::Warn,
            _ => Tone::Plain,
        };
        let touchers: Vec<String> = mapping
            .by_tid
            .iter()
            .take(3)
            .map(|by| by.tid.to_string())
            .collect();
        let by = if touchers.is_empty() {
            String::new()
        } else {
            format!("  touched by {}", touchers.join(", "))
        };
        let cells = [
            number::mib(Some(mapping.touched.total()), page_size),
            number::percent(remote_touch),
            number::grouped(mapping.faults.total()),
            number::percent(remote_access),
            format!("{}{by}", quoted(&mapping.name)),
        ];
        rows.push(plain(tone, head.line(cells)));
        for frame in mapping.stack.iter().take(FRAMES) {
            let text = format!("{:INDENT$}{}", "", in_words(frame));
            rows.push(plain(Tone::Faint, width::shorten(&text, width)));
        }
    }
    let more = all.len().saturating_sub(MAPPINGS);
    if more > 0 {
        let more = number::plural(more, "more mapping");
        rows.push(plain(Tone::Faint, format!("  and {more}")));
    }
    rows
}

fn in_words(frame: &Frame) -> String {
    let shown = |name: &Name| escape::text(name.as_bytes()).into_owned();
    let what = match (&frame.symbol, &frame.module) {
        (Some(symbol), _) => shown(symbol),
        (None, Some(module)) => match frame.offset {
            Some(offset) => format!("{}+{offset:#x}", shown(module)),
            None => shown(module),
        },
        (None, None) => frame.address_in_words(),
    };
    match &frame.line {
        Some(line) => format!("{what}  {}", shown(line)),
        None => what,
    }
}
