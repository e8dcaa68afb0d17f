//! A finding says nothing that the report's own numbers contradict: nodes, amounts and shares in
//! titles are read back and compared with the counts, in reports that chance made up.

mod made_up;
mod sentence;

use std::collections::BTreeMap;

use numatrace::model::finding::diagnose;
use numatrace::model::{Finding, Mapping, MappingKind, PerNode, Process, Severity, Snapshot};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use sentence::{mib, nodes_in, percents, wrong_plural};

/// Rounding of a number of MiB in a sentence.
const ROUNDING: f64 = 0.051;

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

fn in_mib(pages: u64) -> f64 {
    pages as f64 / 256.0
}

/// Base pages on each node at the end, worked out anew.
fn at_end(mapping: &Mapping, nodes: usize) -> Vec<u64> {
    if let Some(pages) = &mapping.residency {
        return pages.0.clone();
    }
    let touched = mapping.touches().unwrap();
    let moved = mapping.page_migrations.as_ref();
    (0..nodes)
        .map(|node| {
            let others = || (0..nodes).filter(|other| *other != node);
            let flow = |from, to| moved.map_or(0, |moved| moved.matrix.at(from, to));
            let placed: u64 = (0..nodes).map(|from| touched.at(from, node)).sum();
            let came: u64 = others().map(|other| flow(other, node)).sum();
            let left: u64 = others().map(|other| flow(node, other)).sum();
            (placed + came).saturating_sub(left)
        })
        .collect()
}

/// Base pages that a mapping can have at the most.
fn known(mapping: &Mapping) -> u64 {
    let resident = mapping.residency.as_ref().map_or(0, PerNode::total);
    mapping.touched().max(resident)
}

fn own(process: &Process) -> impl Iterator<Item = &Mapping> {
    let mappings = process.mappings.iter();
    mappings.filter(|mapping| mapping.kind != MappingKind::File)
}

/// Returns why a finding contradicts the report that it is of; nothing when it does not.
fn contradiction(snapshot: &Snapshot, finding: &Finding) -> Option<String> {
    let title = &finding.title;
    for text in [title, &finding.fix].into_iter().chain(&finding.evidence) {
        for percent in percents(text) {
            if !(0.0..=100.0).contains(&percent) {
                return Some(format!("a share of {percent} %: {text}"));
            }
        }
        if let Some(words) = wrong_plural(text) {
            return Some(format!("{words:?} in: {text}"));
        }
    }
    let pid = finding.pid?;
    let process = snapshot.processes.iter().find(|one| one.pid == pid)?;
    let all: u64 = process.mappings.iter().map(known).sum();
    let all = all.max(process.pages().map_or(0, |pages| pages.total()));
    if let Some(size) = mib(title).filter(|size| *size > in_mib(all) + ROUNDING) {
        return Some(format!("{size} MiB of {}", in_mib(all)));
    }
    let nodes = snapshot.host.nodes.len();
    let ran = process.run_ns.as_ref()?;
    let pages = process.pages().unwrap_or_default();
    let named = nodes_in(title);
    let last = named.last().copied().unwrap_or(usize::MAX);
    let first = named.first().copied().unwrap_or(usize::MAX);
    let wrong = |is_wrong: bool, why: &str| is_wrong.then(|| why.to_owned());
    match finding.id.as_str() {
        "first-touch-elsewhere" if title.contains("CPU time") => {
            by_time(process, title, (first, last), nodes)
        }
        "first-touch-elsewhere" => sampled(process, title, (first, last)),
        "touched-before-bind" => before_bind(process, title, (first, last)),
        "ran-away-from-memory" => wrong(
            share(pages.at(last), pages.total()) <= 0.5
                || share(ran.total() - ran.at(last), ran.total()) < 0.2,
            "its memory is not there, or it ran there",
        ),
        "affinity-split" => wrong(
            share(pages.at(last), pages.total()) < 0.6 || named.len() < 3,
            "its memory is not there",
        ),
        "interleave-mismatch" => wrong(
            share(ran.at(last), ran.total()) < 0.9,
            "it does not run there",
        ),
        "page-cache-filled-elsewhere" | "shared-text-remote" => wrong(
            share(ran.at(first), ran.total()) < 0.8 || named[1..].contains(&first),
            "it does not run there",
        ),
        "remote-by-policy" if finding.severity != Severity::Info => {
            let remote = process.alloc.as_ref()?.other_node.as_ref()?;
            let holds = |node: &usize| share(remote.at(*node), remote.total()) >= 0.05;
            let its_own = ran.most().is_some_and(|most| named.contains(&most));
            wrong(
                !named.iter().all(holds) || title.ends_with("its CPUs") && its_own,
                "its memory is not there, or its CPUs are",
            )
        }
        "numa-is-not-your-problem" => {
            let apart = process.placement_mismatch.filter(|part| *part > 0.1);
            let apart = apart.map(|part| format!("memory and CPU time are {part} apart"));
            // All memory of a process that began in the session is what it touched, and programs
            // with a tenth of the CPU time may be unknown.
            let began_ns = snapshot.session.began_ns;
            let is_old = began_ns.is_none_or(|began| process.start_ns < began);
            let all = snapshot.processes.iter();
            let all: u64 = all
                .filter_map(|one| Some(one.run_ns.as_ref()?.total()))
                .sum();
            let unknown = process.placement_mismatch.is_none()
                && is_old
                && share(ran.total(), all) > 0.1
                && !title.starts_with("new alloc");
            let unknown = unknown.then(|| "nobody looked at its memory".to_owned());
            apart.or(unknown).or_else(|| acquitted(process, nodes))
        }
        _ => None,
    }
}

/// Memory on the first node that CPU time says is used from the second.
fn by_time(
    process: &Process,
    title: &str,
    (home, user): (usize, usize),
    nodes: usize,
) -> Option<String> {
    let mut lies = vec![0; nodes];
    for mapping in own(process) {
        for (sum, pages) in lies.iter_mut().zip(at_end(mapping, nodes)) {
            *sum += pages;
        }
    }
    let all: u64 = lies.iter().sum();
    if share(lies[home], all) < 0.6 || mib(title)? > in_mib(lies[home]) + ROUNDING {
        return Some(format!("{lies:?} pages"));
    }
    let touchers = |tid| {
        own(process).any(|mapping| {
            let touch = mapping.first_touch.as_ref().unwrap();
            touch.by_tid.iter().any(|entry| entry.tid == tid)
        })
    };
    let mut ran = vec![0; nodes];
    let others = title.contains("other threads");
    // Threads that touched a little only may be among the others: then those ran at least as much.
    let threads = process.threads.iter();
    for thread in threads.filter(|thread| !others || !touchers(thread.tid)) {
        for (sum, ns) in ran.iter_mut().zip(&thread.run_ns.as_ref().unwrap().0) {
            *sum += ns;
        }
    }
    let total: u64 = ran.iter().sum();
    let too_little = share(ran[user], total) < 0.6 || total < 100_000_000;
    if home == user || !others && too_little {
        return Some(format!("it ran {ran:?} ns"));
    }
    let says = percents(title)[0];
    (!others && (share(ran[user], total) * 100.0 - says).abs() > 0.101)
        .then(|| format!("{says} % of {ran:?}"))
}

/// Memory on the first node that sampled accesses say is used from the second.
fn sampled(process: &Process, title: &str, nodes: (usize, usize)) -> Option<String> {
    let (home, user) = nodes;
    let (mut pages, mut at_home, mut of_user, mut moved) = (0, 0, 0, 0);
    for mapping in own(process) {
        let Some(faults) = mapping.accesses().map(numatrace::model::Matrix::by_from) else {
            continue;
        };
        let placed = mapping.touches().unwrap().by_to();
        if placed.most() != Some(home) || faults.most() != Some(user) {
            continue;
        }
        pages += mapping.surprise_pages.unwrap();
        at_home += faults.at(home);
        of_user += faults.at(user);
        let flow = mapping.page_migrations.as_ref();
        moved += flow.map_or(0, |flow| flow.matrix.at(home, user));
    }
    if home == user || of_user <= at_home {
        return Some(format!("{of_user} samples from there, {at_home} at home"));
    }
    if mib(title)? > in_mib(pages) + ROUNDING {
        return Some(format!("{pages} pages are used remotely"));
    }
    let is_over = title.contains(" used ");
    (is_over && in_mib(moved) < mib(title)? * 0.8).then(|| format!("only {moved} pages have moved"))
}

/// Memory on the first node that was touched before a bind, and is used from the second.
fn before_bind(process: &Process, title: &str, (home, user): (usize, usize)) -> Option<String> {
    let late = |mapping: &&Mapping| {
        let touch = mapping.first_touch.as_ref().unwrap();
        let last = touch.by_tid.first().and_then(|entry| entry.last_ns);
        let binds = process.threads.iter().flat_map(|thread| &thread.binds);
        let placed = mapping.touches().unwrap().by_to();
        let used = mapping
            .accesses()
            .and_then(|faults| faults.by_from().most());
        last.is_some_and(|last| binds.clone().any(|bind| last <= bind.time_ns))
            && placed.most() == Some(home)
            && used != Some(home)
    };
    let mappings: Vec<&Mapping> = process.mappings.iter().filter(late).collect();
    let placed = mappings.iter().map(|mapping| {
        let touches = mapping.touches().unwrap();
        touches.by_to().at(home)
    });
    let placed: u64 = placed.sum();
    (home == user || mib(title)? > in_mib(placed) + ROUNDING)
        .then(|| format!("{placed} pages were touched on that node"))
}

/// A process that is told to look elsewhere.
fn acquitted(process: &Process, nodes: usize) -> Option<String> {
    let alloc = process.alloc.as_ref()?;
    let remote = share(alloc.remote()?, alloc.allocations()?);
    let faults = process.hint_faults.as_ref()?.matrix.as_ref()?;
    let used = share(faults.off_diagonal(), faults.total());
    let touched = process.first_touch.as_ref()?.pages.as_ref()?;
    let placed = share(touched.off_diagonal(), touched.total());
    for (part, total) in [
        (remote, alloc.allocations()?),
        (used, faults.total()),
        (placed, touched.total()),
    ] {
        if total >= 100 && part > 0.02 {
            return Some(format!("{part} of {total} are remote"));
        }
    }
    // Memory that was touched in the session and CPU time must not lie apart, unless accesses were
    // sampled or somebody looked where all of the memory lies.
    if process.placement_mismatch.is_some() {
        return None;
    }
    let elsewhere =
        |mapping: &Mapping| mapping.residency.is_some() || mapping.page_migrations.is_some();
    if own(process).any(elsewhere) {
        return None;
    }
    let ran = process.run_ns.as_ref()?;
    let mut lies = vec![0; nodes];
    for mapping in own(process) {
        for (sum, pages) in lies.iter_mut().zip(at_end(mapping, nodes)) {
            *sum += pages;
        }
    }
    let all: u64 = lies.iter().sum();
    let home = (0..nodes).find(|node| share(lies[*node], all) >= 0.75)?;
    let apart = ran.total() - ran.at(home) >= 100_000_000
        && ran.most() != Some(home)
        && share(ran.at(ran.most()?), ran.total()) >= 0.6
        && all >= 8_192
        && faults.total() == 0;
    apart.then(|| format!("it has {lies:?} pages and ran {:?}", ran.0))
}

/// Returns what is wrong with the findings of a report.
fn contradictions(snapshot: &Snapshot) -> Vec<String> {
    let findings = diagnose(snapshot);
    let mut wrong: Vec<String> = findings
        .iter()
        .filter_map(|finding| {
            let why = contradiction(snapshot, finding)?;
            Some(format!("{why}: {finding:#?}"))
        })
        .collect();
    let has = |pid, id: &str, says: &str| {
        let mut all = findings.iter();
        all.any(|one| one.pid == Some(pid) && one.id == id && one.title.contains(says))
    };
    for process in &snapshot.processes {
        if has(process.pid, "first-touch-elsewhere", "CPU time")
            && has(process.pid, "ran-away-from-memory", "")
        {
            wrong.push(format!("two causes for {}: {findings:#?}", process.pid));
        }
    }
    wrong
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn no_finding_contradicts_the_report_that_it_is_of(raw in made_up::raw()) {
        let wrong = contradictions(&raw.snapshot());
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The property would hold of reports without findings, too.
#[test]
fn the_reports_made_up_have_findings_of_each_kind_that_is_compared() {
    let mut runner = TestRunner::deterministic();
    let strategy = made_up::raw();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..3_000 {
        let snapshot = strategy.new_tree(&mut runner).unwrap().current().snapshot();
        for finding in diagnose(&snapshot) {
            let by_time = finding.title.contains("CPU time");
            let kind = if by_time { " by CPU time" } else { "" };
            *seen.entry(format!("{}{kind}", finding.id)).or_default() += 1;
        }
    }
    for id in [
        "first-touch-elsewhere",
        "first-touch-elsewhere by CPU time",
        "touched-before-bind",
        "ran-away-from-memory",
        "affinity-split",
        "interleave-mismatch",
        "page-cache-filled-elsewhere",
        "remote-by-policy",
        "thp-remote",
        "numa-is-not-your-problem",
    ] {
        let count = seen.get(id).copied().unwrap_or(0);
        eprintln!("{id} {count}");
        assert!(count >= 10, "{id}: {count} of {seen:#?}");
    }
}
