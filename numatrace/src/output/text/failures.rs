//! Failures: kills, huge pages, refused calls, allocations, and the time lost in searches for
//! memory.

use crate::{
    ids::Pid,
    model::{Snapshot, failure::sentence, finding::sees_filters, number},
    output::{
        escape,
        format::{page::Page, tone::Tone},
    },
};

/// Entries of each kind that are listed; JSON has all.
const EACH: usize = 5;

/// Processes with a seccomp filter that are named.
const FILTERED: usize = 3;

/// Less time than this in searches for memory, over all, is no news: 1 ms.
const WORTH_SHOWING_NS: u64 = 1_000_000;

const LEGEND: &str = "direct reclaim: an allocation found no free page on the nodes it may use, \
    and its thread looked for pages to give back itself; over the whole machine.";

/// Writes the section, when something failed or took time.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(failures) = &snapshot.failures else {
        return;
    };
    let reclaims = failures.reclaim.as_ref().filter(|reclaims| {
        let parts = [reclaims.direct, reclaims.node_reclaim, reclaims.compaction];
        parts.iter().map(|part| part.ns).sum::<u64>() >= WORTH_SHOWING_NS
    });
    if !failures.any() && reclaims.is_none() {
        return;
    }
    page.section("Failures");
    let of = |pid: Pid| sentence::process(snapshot, pid);
    let kills = failures.oom_kills.iter().flatten().map(|kill| {
        let name = format!("{} ({})", kill.comm.to_utf8(), kill.pid);
        let free = kill.free.as_deref();
        let free = free.map_or_else(String::new, |free| {
            let when = if kill.free_read_late {
                "after it"
            } else {
                "then"
            };
            format!("; free {when}: {}", sentence::free(free))
        });
        format!("{name} {}{free}", sentence::killed(kill))
    });
    list(page, "kill", &kills.collect::<Vec<_>>());
    let hugetlb = failures.hugetlb.iter().flatten();
    let hugetlb =
        hugetlb.map(|failed| format!("{}: {}", of(failed.pid), sentence::hugetlb(failed)));
    list(page, "pool request", &hugetlb.collect::<Vec<_>>());
    let refused = failures.refused.iter().flatten();
    let refused =
        refused.map(|call| format!("{}: {}", of(call.pid), sentence::refused(snapshot, call)));
    list(page, "refused call", &refused.collect::<Vec<_>>());
    let allocs = failures.alloc_failed.iter().flatten().map(|failed| {
        let from = sentence::caller(snapshot, failed.stack);
        let from = from.map_or_else(String::new, |function| format!(", from {function}"));
        let whose = if failed.pid == Pid(0) {
            "an interrupt".to_owned()
        } else {
            of(failed.pid)
        };
        format!(
            "{whose}: an allocation failed {}{from}",
            sentence::times(failed.count)
        )
    });
    list(page, "failed allocation", &allocs.collect::<Vec<_>>());
    if let Some(reclaims) = reclaims {
        for text in sentence::reclaims(reclaims, snapshot.host.page_size) {
            page.item(Tone::Plain, &escape::text(text.as_bytes()));
        }
        most(page, snapshot);
        page.legend(LEGEND);
    }
    if failures.refused.is_some() {
        filtered(page, snapshot);
    }
}

/// Names the processes whose refused calls may be missing.
fn filtered(page: &mut Page<'_>, snapshot: &Snapshot) {
    let processes = snapshot.processes.iter();
    let unseen = !sees_filters(snapshot);
    let mut names = processes
        .filter(|process| unseen && process.seccomp == Some(true))
        .map(|process| sentence::process(snapshot, process.pid));
    let shown: Vec<String> = names.by_ref().take(FILTERED).collect();
    if shown.is_empty() {
        return;
    }
    let more = match names.count() {
        0 => String::new(),
        more => format!(" and {}", number::plural(more, "more process")),
    };
    let text = format!(
        "A seccomp filter checks the calls of {}{more}: those that it refuses are seen with \
         --hooks +policy_seccomp only.",
        shown.join(", ")
    );
    page.legend(&escape::text(text.as_bytes()));
}

fn list(page: &mut Page<'_>, noun: &str, sentences: &[String]) {
    for text in sentences.iter().take(EACH) {
        page.item(Tone::Bad, &escape::text(text.as_bytes()));
    }
    let rest = sentences.len().saturating_sub(EACH);
    if rest > 0 {
        page.item(
            Tone::Plain,
            &format!("and {}", number::plural(rest, &format!("more {noun}"))),
        );
    }
}

/// The processes that lost most time.
fn most(page: &mut Page<'_>, snapshot: &Snapshot) {
    let time = |process: &crate::model::Process| {
        let reclaims = process.failures.as_ref()?.reclaim.as_ref()?;
        let parts = [reclaims.direct, reclaims.node_reclaim, reclaims.compaction];
        Some(parts.iter().map(|part| part.ns).sum::<u64>())
    };
    let mut losers: Vec<(u64, &crate::model::Process)> = snapshot
        .processes
        .iter()
        .filter_map(|process| Some((time(process)?, process)))
        .filter(|(ns, _)| *ns >= WORTH_SHOWING_NS)
        .collect();
    losers.sort_by_key(|(ns, process)| (u64::MAX - ns, process.pid));
    let names = losers.iter().take(EACH).map(|(ns, process)| {
        let name = escape::text(process.comm.as_bytes()).into_owned();
        format!("{name} ({}) {}", process.pid, number::brief(*ns))
    });
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        page.item(
            Tone::Plain,
            &format!("most time lost: {}", names.join(", ")),
        );
    }
}
