//! The head of a report: scope, time, length, machine.

use crate::model::number;
use crate::model::{EndedBy, Session, Snapshot};
use crate::output::escape;
use crate::output::format::{page::Page, scope::scope, tone::Tone};

/// Writes two lines: the session and the machine.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let session = &snapshot.session;
    let interval = session
        .interval
        .map(|interval| format!(", interval {interval}"))
        .unwrap_or_default();
    let part = session.part.map_or_else(String::new, |part| {
        format!(", seconds {:.1} to {:.1} of it", part.from_s, part.to_s)
    });
    page.wrapped(
        Tone::Strong,
        "",
        "  ",
        &format!(
            "numatrace {}: {}, {}{}{interval}{part}",
            escape::text(session.command.as_bytes()),
            scope(session),
            number::duration(session.duration_s),
            end(session),
        ),
    );

    let host = &snapshot.host;
    let balancing = match host.numa_balancing {
        None => "not in this kernel",
        Some(0) => "off",
        Some(1) => "on",
        Some(2) => "memory tiering only",
        Some(_) => "on, with memory tiering",
    };
    // Mentioned only where it is not the usual size.
    let pages = match host.page_size {
        4096 => String::new(),
        bytes => format!(", pages of {} KiB", number::grouped(bytes / 1024)),
    };
    page.wrapped(
        Tone::Plain,
        "",
        "  ",
        &format!(
            "{}, Linux {} {}, {}{pages}, NUMA balancing {balancing}",
            session.start.strftime("%Y-%m-%d %H:%M:%S UTC"),
            escape::text(host.kernel.as_bytes()),
            escape::text(host.arch.as_bytes()),
            number::plural(host.nodes.len(), "node"),
        ),
    );
}

/// Says what ended the session, where that is not its planned length.
fn end(session: &Session) -> String {
    match (session.ended_by, session.exit_status) {
        (Some(EndedBy::Signal), None) => ", ended by a signal".to_owned(),
        (Some(EndedBy::Signal), Some(status)) => {
            format!(", ended by a signal, exit status {status}")
        }
        (Some(EndedBy::Exit), None) => ", until the process ended".to_owned(),
        (_, Some(status)) => format!(", exit status {status}"),
        (Some(EndedBy::Duration) | None, None) => String::new(),
    }
}
