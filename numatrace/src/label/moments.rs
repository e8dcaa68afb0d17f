//! All cross-node moves of one process's threads and pages in order of time, for `--timeline`.

use super::{
    activity::{reason, reason_name},
    values::seconds,
};
use crate::{
    enrich::timeline_event::{TimelineEvent, TimelineKind},
    model::{Moment, MomentKind},
};

/// Returns events as the report has them. `began_ns` is when the session began, ns since boot;
/// `migrate_reasons` are the kernel's names of reasons for page migrations, by number.
pub fn moments(events: &[TimelineEvent], began_ns: u64, migrate_reasons: &[String]) -> Vec<Moment> {
    let at = |ns: u64| seconds(ns.saturating_sub(began_ns));
    let moment = |event: &TimelineEvent| Moment {
        at_s: at(event.time_ns),
        from: event.nodes.0,
        to: event.nodes.1,
        what: match event.what {
            TimelineKind::Move {
                tid, reason: why, ..
            } => MomentKind::TaskMove {
                tid,
                reason: reason(why),
            },
            TimelineKind::Pages {
                asker,
                reason: why,
                pages,
                until_ns,
            } => MomentKind::PageMigration {
                moved_by: asker,
                pages,
                reason: reason_name(migrate_reasons, why),
                until_s: Some(at(until_ns)),
            },
        },
    };
    events.iter().map(moment).collect()
}
