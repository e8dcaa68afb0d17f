//! Incidents as short stories, and with `--timeline` everything that happened to one process in order of time.

use super::page::Page;
use crate::model::{Incident, Moment, MomentKind, MoveReason, Snapshot, number};
use crate::output::escape;

/// Stories of a report that is no timeline: the costliest say it.
const TOLD: usize = 5;

/// An absence shorter than this, ms, with nothing moved after it, is no story.
const SHORT_MS: f64 = 10.0;

/// Nor is one from less memory than this, base pages: 1 MiB of small ones, as any program has.
const LITTLE: u64 = 256;

/// Writes the costliest absences; nothing when there are none.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let worth = |incident: &&Incident| {
        let long = incident.away_ms >= SHORT_MS || incident.pages_followed > 0;
        long && incident.pages_left >= LITTLE
    };
    let told: Vec<&Incident> = snapshot.incidents.iter().filter(worth).collect();
    if told.is_empty() {
        return;
    }
    page.section("Threads away from their memory, costliest first");
    for incident in told.iter().take(TOLD) {
        page.item(None, &story(snapshot, incident));
    }
    if told.len() > TOLD {
        page.legend(&format!(
            "and {} more in the JSON report; --timeline shows one process in order of time.",
            number::grouped((told.len() - TOLD) as u64)
        ));
    }
}

/// Writes what happened to the process of the session, when that was asked for.
pub fn write_timeline(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(moments) = &snapshot.timeline else {
        return;
    };
    page.section("Timeline: seconds since the session began");
    if moments.is_empty() {
        page.legend("no thread changed its node, and no page.");
    }
    for moment in moments {
        page.line(None, &line(snapshot, moment));
    }
}

fn story(snapshot: &Snapshot, incident: &Incident) -> String {
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
        pages_followed,
        back,
        ended,
    } = incident;
    let mib = |pages: u64| number::mib(Some(pages), snapshot.host.page_size);
    let comm = escape::text(comm.as_bytes());
    let who = if pid.0 == tid.0 {
        format!("{comm} ({pid})")
    } else {
        format!("thread {tid} ({comm}) of {pid}")
    };
    let mut story = format!(
        "{who} went from node {from} to {to} at {at_s:.3} s, by {}; {} MiB of its memory stayed",
        because(*reason),
        mib(pages_left.saturating_sub(*pages_followed))
    );
    if *pages_followed > 0 {
        story.push_str(&format!(", {} MiB followed it", mib(*pages_followed)));
    }
    if let Some(faults) = remote_hint_faults {
        let faults = usize::try_from(*faults).unwrap_or(usize::MAX);
        story.push_str(&format!(
            "; {}",
            number::plural(faults, "remote hint fault")
        ));
    }
    if let Some(run) = run_ms {
        story.push_str(&format!("; it ran {} there", length(*run)));
    }
    let away = length(*away_ms);
    match back {
        Some(reason) => story.push_str(&format!("; back after {away}, by {}.", because(*reason))),
        None if *ended => story.push_str(&format!("; it ended there after {away}.")),
        None => story.push_str(&format!("; away to the end, {away}.")),
    }
    story
}

fn line(snapshot: &Snapshot, moment: &Moment) -> String {
    let what = match &moment.what {
        MomentKind::TaskMove { tid, reason } => {
            format!("thread {tid} moved by {}", because(*reason))
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
                what.push_str(&format!(", {reason}"));
            }
            what.push_str(&format!(", asked for by {moved_by}"));
            what
        }
    };
    format!(
        " {:>10.6}  node {} to {}  {what}",
        moment.at_s, moment.from, moment.to
    )
}

/// So many milliseconds, in seconds where they are thousands.
fn length(ms: f64) -> String {
    if ms < 1_000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.3} s", ms / 1_000.0)
    }
}

/// A reason as it stands in a sentence.
fn because(reason: MoveReason) -> &'static str {
    match reason {
        MoveReason::Wakeup => "a wake-up",
        MoveReason::LoadBalance => "load balancing",
        MoveReason::ActiveBalance => "active load balancing",
        MoveReason::NumaMove => "the NUMA balancer",
        MoveReason::NumaSwap => "the NUMA balancer (swap)",
        MoveReason::Exec => "exec",
        MoveReason::Fork => "fork",
        MoveReason::Affinity => "sched_setaffinity",
        MoveReason::Cpuset => "a change of its CPU mask",
        MoveReason::Hotplug => "CPU hotplug",
        MoveReason::RtDl => "the real-time class",
        MoveReason::Unknown => "an unknown cause",
    }
}
