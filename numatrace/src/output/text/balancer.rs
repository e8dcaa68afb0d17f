//! What NUMA balancing did for the process the session was about, else for the whole system, and whether it helped.

use super::page::{Page, Tone};
use super::processes;
use super::table::Table;
use crate::model::{BalancerVerdict, BalancerWork, Balancing, Snapshot, number};
use crate::output::escape;

/// Threads that are shown, most time first.
const THREADS: usize = 10;

/// Slices of time that a line of shares has room for.
const SHARES: usize = 12;

/// Writes it; nothing where balancing did nothing.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let focus = snapshot.focus();
    let (whose, balancing) = match (focus, &snapshot.system) {
        (Some(process), _) => (
            format!("of {} ({})", processes::name(&process.comm), process.pid),
            process.balancer.as_ref(),
        ),
        (None, Some(system)) => ("of the whole system".to_owned(), system.balancer.as_ref()),
        (None, None) => return,
    };
    let Some(balancing) = balancing.filter(|balancing| did_something(balancing)) else {
        return;
    };
    let (verdict, tone) = match balancing.verdict {
        Some(BalancerVerdict::Helping) => ("helping", Some(Tone::Good)),
        Some(BalancerVerdict::Neutral) => ("neutral", None),
        Some(BalancerVerdict::Hurting) => ("hurting", Some(Tone::Bad)),
        None => ("no verdict", None),
    };
    page.section(&format!("NUMA balancing {whose}: {verdict}"));
    for sentence in &balancing.evidence {
        page.item(tone, &escape::text(sentence.as_bytes()));
    }
    if let Some(shares) = shares(balancing) {
        page.item(None, &shares);
    }
    if let Some(skipped) = skipped(&balancing.work) {
        page.item(None, &skipped);
    }
    if let Some(process) = focus {
        let mut threads: Vec<_> = process
            .threads
            .iter()
            .filter_map(|thread| Some((thread.balancer.as_ref()?, thread)))
            .filter(|(work, _)| work.time_ns().unwrap_or(0) > 0)
            .collect();
        threads.sort_by_key(|(work, thread)| (std::cmp::Reverse(work.time_ns()), thread.tid));
        threads.truncate(THREADS);
        if !threads.is_empty() {
            let column = |cell: &dyn Fn(&BalancerWork) -> String| -> Vec<String> {
                threads.iter().map(|(work, _)| cell(work)).collect()
            };
            let mut table = Table::new(1);
            table.left(
                "thread",
                threads
                    .iter()
                    .map(|(_, thread)| {
                        format!("{} ({})", processes::name(&thread.comm), thread.tid)
                    })
                    .collect(),
            );
            table.right("scans", column(&|work| number::count(work.scans)));
            table.right("scanning", column(&|work| brief(work.scan_ns)));
            table.right(
                "PTEs changed",
                column(&|work| number::count(work.pte_updates)),
            );
            table.right("in hint faults", column(&|work| brief(work.fault_ns)));
            table.right(
                "of that moving pages",
                column(&|work| brief(work.migrate_ns)),
            );
            page.table(&table);
        }
    }
}

fn brief(ns: Option<u64>) -> String {
    ns.map_or_else(|| number::UNKNOWN.into(), number::brief)
}

fn did_something(balancing: &Balancing) -> bool {
    let faults: u64 = balancing.slices.iter().map(|slice| slice.faults).sum();
    faults > 0 || balancing.work.scans.unwrap_or(0) > 0
}

/// The share of remote faults over time.
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
            let share = crate::model::matrix::share(remote, faults)?;
            let until = chunk.last()?.until_s;
            Some(format!(
                "{} % to {until:.0} s",
                number::percent(Some(share))
            ))
        })
        .collect();
    (shares.len() > 1).then(|| format!("remote share over time: {}", shares.join(", ")))
}

/// Mappings it left alone, most often skipped for first.
fn skipped(work: &BalancerWork) -> Option<String> {
    let mut reasons: Vec<_> = work.vmas_skipped.as_ref()?.iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
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
    (!words.is_empty()).then(|| format!("mappings that scans passed over: {}", words.join(", ")))
}
