//! Absences of threads from their memory, and with `--timeline` all moves of one process in order
//! of time.

use crate::model::{Incident, Moment, MomentKind, MoveReason, Snapshot, number};
use crate::output::escape;
use crate::output::format::{page::Page, tone::Tone};

/// Absences in a report: the costliest.
const SHOWN: usize = 5;

/// Least length of an absence, ms, when no page followed it.
const SHORT_MS: f64 = 10.0;

/// Least memory left behind, base pages: 1 MiB of small ones, which any program has.
const LITTLE: u64 = 256;

/// Writes the costliest absences; nothing when there are none.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let matters = |incident: &&Incident| {
        let long = incident.away_ms >= SHORT_MS || incident.pages_followed > 0;
        long && incident.pages_left >= LITTLE
    };
    let incidents: Vec<&Incident> = snapshot.incidents.iter().filter(matters).collect();
    if incidents.is_empty() {
        return;
    }
    page.section("Absences: threads away from their memory, costliest first");
    for incident in incidents.iter().take(SHOWN) {
        page.item(Tone::Plain, &sentence(snapshot, incident));
    }
    if incidents.len() > SHOWN {
        page.legend(&format!(
            "and {} more in the JSON report; --timeline shows one process in order of time.",
            number::grouped((incidents.len() - SHOWN) as u64)
        ));
    }
}

/// Writes the timeline of the session's process, when it was asked for.
pub fn write_timeline(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(moments) = &snapshot.timeline else {
        return;
    };
    page.section("Timeline: seconds since the session began");
    if moments.is_empty() {
        page.legend("No thread and no page moved between nodes.");
    }
    for moment in moments {
        page.line(Tone::Plain, &line(snapshot, moment));
    }
}

fn sentence(snapshot: &Snapshot, incident: &Incident) -> String {
    let Incident {
        pid,
        tid,
        comm,
        from,
        to,
        reason,
        at_s,
        away_ms,
        run_ms,
        remote_hint_faults,
        pages_left,
        pages_left_least,
        pages_followed,
        back,
        ended,
    } = incident;
    let mib = |pages: u64| number::mib(Some(pages), snapshot.host.page_size);
    let stayed = pages_left.saturating_sub(*pages_followed);
    let least = pages_left_least.map_or(stayed, |least| least.saturating_sub(*pages_followed));
    let stayed = match least {
        0 if stayed > 0 => format!("at most {}", mib(stayed)),
        // A little more or less is no news.
        least if least < stayed - stayed / 10 => {
            format!("between {} and {}", mib(least), mib(stayed))
        }
        _ => mib(stayed),
    };
    let comm = escape::text(comm.as_bytes());
    let thread = if pid.0 == tid.0 {
        format!("{comm} ({pid})")
    } else {
        format!("thread {tid} ({comm}) of {pid}")
    };
    let mut text = format!(
        "{thread} left node {from} for node {to} at {at_s:.3} s ({}); {stayed} MiB of its memory \
         stayed",
        in_words(*reason),
    );
    if *pages_followed > 0 {
        text.push_str(&format!(", {} MiB followed", mib(*pages_followed)));
    }
    if let Some(faults) = remote_hint_faults {
        let faults = number::plural(*faults, "remote hint fault");
        text.push_str(&format!("; {faults}"));
    }
    if let Some(run) = run_ms {
        text.push_str(&format!("; ran {} there", length(*run)));
    }
    let away = length(*away_ms);
    match back {
        Some(reason) => text.push_str(&format!("; back after {away} ({}).", in_words(*reason))),
        None if *ended => text.push_str(&format!("; it ended there after {away}.")),
        None => text.push_str(&format!("; still away at the end, after {away}.")),
    }
    text
}

fn line(snapshot: &Snapshot, moment: &Moment) -> String {
    let what = match &moment.what {
        MomentKind::TaskMove { tid, reason } => {
            format!("thread {tid} moved: {}", in_words(*reason))
        }
        MomentKind::PageMigration {
            moved_by,
            pages,
            reason,
            until_s,
        } => {
            let mib = number::mib(Some(*pages), snapshot.host.page_size);
            let mut what = format!("{mib} MiB moved");
            if let Some(until) = until_s.filter(|until| until - moment.at_s >= SHORT_MS / 1000.0) {
                what.push_str(&format!(" until {until:.6}"));
            }
            if !reason.is_empty() {
                what.push_str(&format!(": {reason}"));
            }
            what.push_str(&format!(", requested by {moved_by}"));
            what
        }
    };
    format!(
        " {:>10.6}  node {} to {}  {what}",
        moment.at_s, moment.from, moment.to
    )
}

/// Formats milliseconds, in seconds from a thousand on.
fn length(ms: f64) -> String {
    if ms < 1_000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.3} s", ms / 1_000.0)
    }
}

/// Returns a reason in words.
fn in_words(reason: MoveReason) -> &'static str {
    match reason {
        MoveReason::Wakeup => "wake-up",
        MoveReason::LoadBalance => "load balancing",
        MoveReason::ActiveBalance => "active load balancing",
        MoveReason::NumaMove => "NUMA balancing",
        MoveReason::NumaSwap => "NUMA balancing, swap",
        MoveReason::Exec => "exec",
        MoveReason::Fork => "fork",
        MoveReason::Affinity => "sched_setaffinity",
        MoveReason::Cpuset => "change of the CPU mask",
        MoveReason::Hotplug => "CPU hotplug",
        MoveReason::RtDl => "real-time class",
        MoveReason::Unknown => "unknown reason",
        MoveReason::SchedExt => "sched_ext",
    }
}
