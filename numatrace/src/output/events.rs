//! The text of `numatrace events`: one line per event. Pure; `stream.rs` writes the lines.

use std::fmt::Write as _;

use super::escape;
use crate::model::{
    event::{Event, Kind, Line, Lost},
    number,
};

/// The headers of the columns of [`text`].
pub const HEADER: &str = "TIME (UTC)      KIND            FROM    TO     PAGES     PID     TID  \
                          REASON               COMM             DETAIL";

/// Returns a line for people, with its newline.
#[must_use]
pub fn text(line: &Line, page_size: u64) -> String {
    match line {
        // Messages about hooks go to stderr.
        Line::Session(_) => format!("{HEADER}\n"),
        Line::Event(event) => row(event, page_size),
        Line::Lost(lost) => gap(lost),
    }
}

fn row(event: &Event, page_size: u64) -> String {
    let dash = || number::UNKNOWN.to_owned();
    let count = |value: Option<u64>| value.map_or_else(dash, |value| value.to_string());
    let tid = event.tid.map_or_else(dash, |tid| tid.to_string());
    let reason = event.reason.as_deref().unwrap_or(number::UNKNOWN);
    let mut line = format!(
        "{} {:<14} {:>5} {:>5} {:>9} {:>7} {:>7}  {:<20} {:<16}",
        event.time.strftime("%H:%M:%S%.6f"),
        event.kind.name(),
        event.from,
        event.to,
        count(event.pages),
        event.pid,
        tid,
        escape::text(reason.as_bytes()),
        escape::text(event.comm.as_bytes()),
    );
    let details = details(event, page_size);
    if !details.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, " {}", details.join(", "));
    }
    let mut line = line.trim_end().to_owned();
    line.push('\n');
    line
}

/// Returns the details that only some kinds have.
fn details(event: &Event, page_size: u64) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(wanted) = event.wanted {
        details.push(format!("wanted node {wanted}"));
    }
    if let Some([from, to]) = event.cpus {
        details.push(format!("CPU {from} to {to}"));
    }
    if let Some(count) = event.count {
        let noun = match event.kind {
            Kind::HintFault => "fault",
            Kind::Reclaim => "search",
            Kind::HugetlbFailed => "huge page",
            _ => "allocation",
        };
        details.push(number::plural(count, noun));
    }
    if let Some(asker) = event.moved_by.filter(|asker| *asker != event.pid) {
        details.push(format!("requested by {asker}"));
    }
    if let Some(toucher) = event.touched_by {
        details.push(format!("touched by {toucher}"));
    }
    if let Some(migrated) = event.migrated.filter(|pages| *pages > 0) {
        let mib = number::mib(Some(migrated), page_size);
        details.push(match event.away_ms {
            Some(_) => format!("{mib} MiB followed"),
            None => format!("{migrated} migrated"),
        });
    }
    if let Some(away_ms) = event.away_ms {
        details.push(match &event.back {
            Some(back) => format!("back after {away_ms:.1} ms ({back})"),
            None => format!("ended there after {away_ms:.1} ms"),
        });
    }
    details.extend(failed(event));
    if let Some(place) = &event.mapping {
        let name = place
            .name
            .as_ref()
            .map(|name| escape::text(name.as_bytes()));
        let kind = place
            .kind
            .and_then(|kind| serde_json::to_value(kind).ok())
            .and_then(|kind| kind.as_str().map(str::to_owned));
        let what = name
            .map(std::borrow::Cow::into_owned)
            .or(kind)
            .unwrap_or_else(|| "memory".to_owned());
        details.push(format!("{what} at {:#x}", place.low.0));
    }
    details
}

/// Returns the details that only failures have.
fn failed(event: &Event) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(asker) = event.asked_by {
        details.push(if asker == event.pid {
            "for an allocation of its own".to_owned()
        } else {
            format!("for an allocation of {asker}")
        });
    }
    details.extend(event.call.clone());
    details.extend(event.why.clone());
    if let Some(page_kb) = event.page_kb {
        details.push(format!("of {}", number::page_size(page_kb)));
        details.extend(event.errno.clone());
    }
    if let Some(took_ms) = event.took_ms {
        details.push(format!("took {took_ms:.1} ms"));
    }
    details
}

fn gap(lost: &Lost) -> String {
    format!(
        "{} lost           {}: {}\n",
        lost.time.strftime("%H:%M:%S%.6f"),
        number::plural(lost.count, "event"),
        lost.reason.in_words(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{CpuId, NodeId, Pid, Tid},
        model::{
            Name,
            event::{LostKind, LostReason},
        },
    };

    fn json(line: &Line) -> String {
        crate::output::json::to_line(line).unwrap()
    }

    fn moved(comm: &[u8]) -> Event {
        let time = "2026-01-02T03:04:05.000678Z".parse().unwrap();
        let (nodes, tid) = ((NodeId(0), NodeId(1)), Some(Tid(4243)));
        Event {
            reason: Some("wakeup".into()),
            cpus: Some([CpuId(1), CpuId(3)]),
            ..Event::new(
                time,
                Kind::TaskMove,
                nodes,
                Pid(4242),
                tid,
                Name::from(comm),
            )
        }
    }

    #[test]
    fn columns_stand_under_their_headers() {
        let line = text(&Line::Event(Box::new(moved(b"postgres"))), 4096);
        assert_eq!(
            line,
            "03:04:05.000678 task_move          0     1         -    4242    4243  \
             wakeup               postgres         CPU 1 to 3\n"
        );
        for (word, value) in [
            ("REASON", "wakeup"),
            ("COMM", "postgres"),
            ("DETAIL", "CPU"),
        ] {
            assert_eq!(HEADER.find(word), line.find(value), "{word}");
        }
    }

    #[test]
    fn a_hostile_name_stays_in_its_line() {
        let line = text(&Line::Event(Box::new(moved(b"a\n\x1b[2Jb"))), 4096);
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(!line.contains('\x1b'), "{line:?}");
        let line = json(&Line::Event(Box::new(moved(b"a\nb\xff"))));
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let back: Line = serde_json::from_str(&line).unwrap();
        assert!(matches!(back, Line::Event(event) if event.reason.as_deref() == Some("wakeup")));
    }

    #[test]
    fn lost_events_have_a_line_of_their_own() {
        let lost = Line::Lost(Lost {
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            kind: LostKind::Lost,
            reason: LostReason::SlowReader,
            count: 12_345,
            by_kind: [("alloc".to_owned(), 12_345)].into(),
        });
        assert_eq!(
            text(&lost, 4096),
            "03:04:05.000000 lost           12,345 events: the reader was too slow\n"
        );
        let value: serde_json::Value = serde_json::from_str(&json(&lost)).unwrap();
        assert_eq!(
            (value["kind"].as_str(), value["count"].as_u64()),
            (Some("lost"), Some(12_345))
        );
        assert_eq!(serde_json::from_value::<Line>(value).unwrap(), lost);
    }
}
