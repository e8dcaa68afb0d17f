//! An absence as reports and screens show it: with names, and times counted from the start of the
//! session.

use super::{
    activity::reason,
    values::{millis, seconds},
};
use crate::{
    fold::absence::Absence,
    ids::Pid,
    model::{Incident, Name},
};

/// The session of an absence: its times, and what it measured.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// When it began, ns since boot.
    pub began_ns: u64,
    /// When it ended, or what time it is now, ns since boot: an absence that goes on lasts up to
    /// then.
    pub until_ns: u64,
    /// CPU time was measured.
    pub run_time: bool,
    /// Hinting faults were measured.
    pub hint_faults: bool,
}

/// Returns an absence as an incident of a session.
pub fn incident(absence: &Absence, pid: Pid, comm: Name, context: Context) -> Incident {
    let Context {
        began_ns,
        until_ns,
        run_time,
        hint_faults,
    } = context;
    let until_ns = absence.ended_ns.unwrap_or(until_ns);
    // Both moves of a thread that came back report its CPU time, whatever was counted meanwhile.
    let run_time = run_time || absence.back.is_some();
    Incident {
        pid,
        tid: absence.thread.0,
        comm,
        from: absence.nodes.0,
        to: absence.nodes.1,
        reason: reason(absence.reason),
        at_s: seconds(absence.left_ns.saturating_sub(began_ns)),
        away_ms: millis(until_ns.saturating_sub(absence.left_ns)),
        run_ms: run_time.then(|| millis(absence.spent.ran_ns)),
        remote_hint_faults: hint_faults.then_some(absence.spent.remote_faults),
        pages_left: absence.pages_left,
        pages_left_least: Some(absence.pages_left_least)
            .filter(|least| *least < absence.pages_left),
        pages_followed: absence.pages_followed,
        back: absence.back.map(reason),
        ended: absence.ended_ns.is_some() && absence.back.is_none(),
    }
}
