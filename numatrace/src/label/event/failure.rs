//! Lines of `numatrace events` for what failed.

use numatrace_common::event::{hugetlb_failed::HugetlbRequest, oom_kill::OomConstraint};

use super::{EventLines, thread};
use crate::{
    decode::{
        count::{ReclaimKey, ReclaimKind},
        policy_refused::errno_name,
    },
    enrich::{Charged, Enrich, facts::Facts},
    fold::{
        Tally,
        live::{LiveFailure, WhatFailed},
    },
    ids::Pid,
    label::values::millis,
    model::{
        Name,
        event::{Event, Kind},
        failure::{Constraint, PolicyCall, Request},
    },
};

impl EventLines {
    /// The line of a failure; `None` when nobody wants it.
    pub(super) fn failure<F: Facts>(
        &mut self,
        time_ns: u64,
        failure: &LiveFailure,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let kind = match failure.what {
            WhatFailed::Killed { .. } => Kind::OomKill,
            WhatFailed::Hugetlb { .. } => Kind::HugetlbFailed,
            WhatFailed::Refused { .. } => Kind::PolicyRefused,
            WhatFailed::Alloc => Kind::AllocFailed,
        };
        let mut event = match failure.process {
            Some(process) => {
                let whose = (time_ns, process, failure.thread.map(thread));
                self.begin(kind, failure.nodes, None, whose, enrich)?
            }
            None => {
                let interrupts = (Pid(0), None, Name::from("[irq]"));
                self.of_nobody(kind, time_ns, failure.nodes, interrupts)?
            }
        };
        match failure.what {
            WhatFailed::Killed { constraint, asker } => {
                event.reason = constraint.map(|why| Constraint::from(why).name().to_owned());
                event.asked_by = Some(asker);
            }
            WhatFailed::Hugetlb {
                request,
                errno,
                page_kb,
                pages,
            } => {
                event.reason = request.map(|request| Request::from(request).name().to_owned());
                event.errno = Some(errno_name(errno));
                event.page_kb = Some(page_kb);
                event.count = Some(pages);
            }
            WhatFailed::Refused { call, errno, why } => {
                event.reason = Some(errno_name(errno));
                event.call = call.map(|call| PolicyCall::from(call).name().to_owned());
                event.errno = Some(errno_name(errno));
                event.why = why.map(|why| why.in_words().to_owned());
            }
            WhatFailed::Alloc => {}
        }
        Some(event)
    }

    /// The line of searches for memory since the last sweep.
    pub(super) fn reclaim<F: Facts>(
        &mut self,
        time_ns: u64,
        charged: Charged,
        key: &ReclaimKey,
        tally: Tally,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let to = key.limit.map_or(key.cpu_node, |limit| limit.node);
        let nodes = (key.cpu_node, to);
        let Charged::Thread {
            process,
            tid,
            start_ns,
        } = charged
        else {
            return None;
        };
        let whose = (time_ns, process, Some((tid, start_ns)));
        let mut event = self.begin(Kind::Reclaim, nodes, None, whose, enrich)?;
        event.reason = key.kind.map(|kind| reclaim_name(kind).to_owned());
        event.count = Some(tally.count);
        event.took_ms = Some(millis(tally.amount));
        Some(event)
    }

    fn of_nobody(
        &self,
        kind: Kind,
        time_ns: u64,
        nodes: (crate::ids::NodeId, crate::ids::NodeId),
        (pid, tid, comm): (Pid, Option<crate::ids::Tid>, Name),
    ) -> Option<Event> {
        let wanted = self.wants(kind, nodes, &comm);
        wanted.then(|| Event::new(self.wall(time_ns), kind, nodes, pid, tid, comm))
    }
}

/// The word for a way to look for memory.
pub(super) fn reclaim_name(kind: ReclaimKind) -> &'static str {
    match kind {
        ReclaimKind::Direct => "direct",
        ReclaimKind::Node => "node_reclaim",
        ReclaimKind::Compaction => "compaction",
    }
}

impl From<OomConstraint> for Constraint {
    fn from(constraint: OomConstraint) -> Self {
        match constraint {
            OomConstraint::None => Self::None,
            OomConstraint::Cpuset => Self::Cpuset,
            OomConstraint::MemoryPolicy => Self::MemoryPolicy,
            OomConstraint::Memcg => Self::Memcg,
        }
    }
}

impl From<HugetlbRequest> for Request {
    fn from(request: HugetlbRequest) -> Self {
        match request {
            HugetlbRequest::Fault => Self::Fault,
            HugetlbRequest::Reserve => Self::Reserve,
            HugetlbRequest::Kernel => Self::Kernel,
        }
    }
}

impl From<numatrace_common::event::policy_refused::PolicyCall> for PolicyCall {
    fn from(call: numatrace_common::event::policy_refused::PolicyCall) -> Self {
        use numatrace_common::event::policy_refused::PolicyCall as Wire;
        match call {
            Wire::Mbind => Self::Mbind,
            Wire::SetMempolicy => Self::SetMempolicy,
            Wire::SetMempolicyHomeNode => Self::SetMempolicyHomeNode,
            Wire::MovePages => Self::MovePages,
            Wire::MigratePages => Self::MigratePages,
            Wire::SchedSetaffinity => Self::SchedSetaffinity,
        }
    }
}
