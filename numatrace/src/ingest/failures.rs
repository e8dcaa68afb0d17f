//! Records of failures on their way into the accumulator, with the facts that each makes worth
//! asking for.

use super::Ingest;
use crate::{
    decode::{
        count::{CountKind, Owner},
        event::{Body, Event},
        failure::lowest,
    },
    enrich::{Charged, Enrich, Observation, facts::Facts},
    fold::{
        failures::Failures,
        live::{LiveEvent, LiveFailure, WhatFailed},
    },
};

/// KiB of a base page, as on x86: records count pages.
const PAGE_KB: u64 = 4;

/// Takes in an event if it is a failure. Returns what a listener hears of it.
pub(super) fn apply<F: Facts>(
    event: &Event,
    enrich: &mut Enrich<F>,
    failures: &mut Failures,
) -> Option<LiveEvent> {
    let at_ns = event.time_ns;
    let failure = match &event.body {
        Body::OomKill(kill) => {
            let Enrich {
                processes, facts, ..
            } = enrich;
            let process = processes.of_thread(kill.victim, facts);
            let late = || facts.free_memory();
            failures.killed(process, kill, at_ns, PAGE_KB, late);
            LiveFailure {
                process: Some(process),
                thread: Some(kill.victim),
                nodes: (kill.cpu_node, lowest(&kill.nodes, kill.cpu_node)),
                what: WhatFailed::Killed {
                    constraint: kill.constraint,
                    asker: kill.asker.pid,
                },
            }
        }
        Body::HugetlbFailed(failed) => {
            let process = enrich.code_of(failed.thread);
            let pools = || enrich.facts.huge_pages(failed.page_kb);
            failures.hugetlb(process, failed, at_ns, pools);
            LiveFailure {
                process: Some(process),
                thread: Some(failed.thread),
                nodes: (failed.cpu_node, lowest(&failed.nodes, failed.cpu_node)),
                what: WhatFailed::Hugetlb {
                    request: failed.request,
                    errno: failed.errno,
                    page_kb: failed.page_kb,
                    pages: failed.pages,
                },
            }
        }
        Body::PolicyRefused(refused) => {
            let process = enrich.code_of(refused.thread);
            failures.refused(process, refused, at_ns);
            LiveFailure {
                process: Some(process),
                thread: Some(refused.thread),
                nodes: (refused.cpu_node, refused.cpu_node),
                what: WhatFailed::Refused {
                    call: refused.call,
                    errno: refused.errno,
                    why: refused.why,
                },
            }
        }
        Body::AllocFailed(failed) => {
            let thread = match failed.owner {
                Owner::Thread(thread) => Some(thread),
                _ => None,
            };
            let process = thread.map(|thread| {
                let Enrich {
                    processes, facts, ..
                } = &mut *enrich;
                processes.of_thread(thread, facts)
            });
            failures.alloc(process, failed.stack, at_ns);
            LiveFailure {
                process,
                thread,
                nodes: (failed.cpu_node, failed.cpu_node),
                what: WhatFailed::Alloc,
            }
        }
        Body::NodeShortage(shortage) => {
            let free = || enrich.facts.free_memory();
            failures.shortages.add(shortage, at_ns, PAGE_KB, free);
            return None;
        }
        _ => return None,
    };
    Some(LiveEvent::Failure(failure))
}

impl<F: Facts> Ingest<F> {
    /// Notes what memory is free when a sweep tells that processes looked for some on some nodes
    /// only. Asks once for all of them: a sweep comes once a second.
    pub(super) fn read_free_memory(&mut self, seen: &[Observation]) {
        let mut free = None;
        for observation in seen {
            let (CountKind::Reclaim(key), Charged::Thread { process, .. }) =
                (observation.what, observation.charged)
            else {
                continue;
            };
            if key.limit.is_none() {
                continue;
            }
            let facts = &mut self.enrich.facts;
            let free = free.get_or_insert_with(|| facts.free_memory());
            self.failures.looked_for_memory(process, free);
        }
    }
}
