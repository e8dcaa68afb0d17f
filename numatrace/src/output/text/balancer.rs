//! NUMA balancing of the process that the session was about, else of the whole system, and whether
//! it helped.

use std::cmp::Reverse;

use super::processes;
use crate::model::matrix::share;
use crate::model::quantity::headers::BALANCING;
use crate::model::{BalancerVerdict, BalancerWork, Balancing, Snapshot, number};
use crate::output::escape;
use crate::output::format::{name, page::Page, table::Table, tone::Tone};

/// Threads in the table, most time first.
const THREADS: usize = 10;

/// Most slices of time on the line of shares.
const SHARES: usize = 12;

/// Writes the section; nothing where balancing did nothing.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let focus = snapshot.focus();
    let (subject, balancing) = match (focus, &snapshot.system) {
        (Some(process), _) => (processes::with_pid(process), process.balancer.as_ref()),
        (None, Some(system)) => ("the whole system".to_owned(), system.balancer.as_ref()),
        (None, None) => return,
    };
    let Some(balancing) = balancing.filter(|balancing| is_active(balancing)) else {
        return;
    };
    let (verdict, tone) = match balancing.verdict {
        Some(BalancerVerdict::Helping) => ("helping", Tone::Good),
        Some(BalancerVerdict::Neutral) => ("neutral", Tone::Plain),
        Some(BalancerVerdict::Hurting) => ("hurting", Tone::Bad),
        None => ("no verdict", Tone::Plain),
    };
    page.section(&format!("NUMA balancing of {subject}: {verdict}"));
    for sentence in &balancing.evidence {
        page.item(tone, &escape::text(sentence.as_bytes()));
    }
    if let Some(shares) = shares(balancing) {
        page.item(Tone::Plain, &shares);
    }
    if let Some(skipped) = skipped(&balancing.work) {
        page.item(Tone::Plain, &skipped);
    }
    let Some(process) = focus else { return };
    let mut threads: Vec<_> = process
        .threads
        .iter()
        .filter_map(|thread| Some((thread.balancer.as_ref()?, thread)))
        .filter(|(work, _)| work.time_ns().unwrap_or(0) > 0)
        .collect();
    threads.sort_by_key(|(work, thread)| (Reverse(work.time_ns()), thread.tid));
    threads.truncate(THREADS);
    if threads.is_empty() {
        return;
    }
    let names = threads
        .iter()
        .map(|(_, thread)| format!("{} ({})", name::short(&thread.comm), thread.tid));
    let mut table = Table::new(1);
    table.left("thread", names.collect());
    let cells: [fn(&BalancerWork) -> String; 5] = [
        |work| number::count(work.scans),
        |work| brief(work.scan_ns),
        |work| number::count(work.pte_updates),
        |work| brief(work.fault_ns),
        |work| brief(work.migrate_ns),
    ];
    for (part, cell) in BALANCING.into_iter().zip(cells) {
        table.right(
            part.header,
            threads.iter().map(|(work, _)| cell(work)).collect(),
        );
    }
    page.table(&table);
}

fn brief(ns: Option<u64>) -> String {
    ns.map_or_else(|| number::UNKNOWN.into(), number::brief)
}

fn is_active(balancing: &Balancing) -> bool {
    let faults: u64 = balancing.slices.iter().map(|slice| slice.faults).sum();
    faults > 0 || balancing.work.scans.unwrap_or(0) > 0
}

/// Lists the share of remote accesses over time; `None` with fewer than two slices.
fn shares(balancing: &Balancing) -> Option<String> {
    let with_faults: Vec<_> = balancing
        .slices
        .iter()
        .filter(|slice| slice.faults > 0)
        .collect();
    let step = with_faults.len().div_ceil(SHARES).max(1);
    let shares: Vec<String> = with_faults
        .chunks(step)
        .filter_map(|chunk| {
            let faults: u64 = chunk.iter().map(|slice| slice.faults).sum();
            let remote: u64 = chunk.iter().map(|slice| slice.remote).sum();
            let share = number::percent_sign(Some(share(remote, faults)?));
            let until = chunk.last()?.until_s;
            Some(format!("{share} until {until:.0} s"))
        })
        .collect();
    (shares.len() > 1).then(|| format!("remote access over time: {}", shares.join(", ")))
}

/// Lists mappings that scans skipped by reason, most first.
fn skipped(work: &BalancerWork) -> Option<String> {
    let mut reasons: Vec<_> = work.vmas_skipped.as_ref()?.iter().collect();
    reasons.sort_by_key(|(_, times)| Reverse(**times));
    let words: Vec<String> = reasons
        .into_iter()
        .map(|(reason, times)| {
            format!(
                "{} {}",
                escape::text(reason.as_bytes()),
                number::grouped(*times)
            )
        })
        .collect();
    (!words.is_empty()).then(|| format!("mappings skipped by scans: {}", words.join(", ")))
}
