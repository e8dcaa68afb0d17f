//! The audit in a few lines: traced counts compared with the kernel's counters, and whether known
//! causes explain the difference.

mod cross_check;

use std::cmp::Reverse;

use crate::ids::NodeId;
use crate::model::number;
use crate::model::quantity::headers::AUDIT;
use crate::model::{Audit, AuditNode, Cause, Counter, CounterAudit, Snapshot, Verdict};
use crate::output::escape;
use crate::output::format::{page::Page, table::Table, tone::Tone};

/// Most nodes that are shown counter by counter; with more, sums over nodes and the nodes that
/// differ.
const NODES: usize = 4;

/// Nodes with a difference that are shown on a large machine.
const DIFFERING: usize = 8;

/// Writes the section: verdict first, then the numbers behind it.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let audit = &snapshot.audit;
    page.section("Audit: traced counts compared with the kernel's numastat, over this session");
    let (tone, verdict) = verdict(audit);
    page.wrapped(tone, " ", " ", &verdict);
    if audit.nodes.is_empty() {
        return;
    }
    if audit.nodes.len() <= NODES {
        page.table(&table(
            "node",
            audit.nodes.iter().map(|node| (node.node.to_string(), node)),
        ));
    } else {
        let sums = AuditNode::new(NodeId(0), |counter| sum(&audit.nodes, counter));
        page.table(&table("nodes", std::iter::once(("all".to_owned(), &sums))));
        differing(page, &audit.nodes);
    }
    cross_check::write(page, audit);
}

/// Returns the verdict in words, with the counted causes.
pub fn verdict(audit: &Audit) -> (Tone, String) {
    let (tone, word) = match audit.verdict {
        Verdict::Exact => (
            Tone::Good,
            "exact: every counter of every node equals the kernel's",
        ),
        Verdict::WithinMisses => (
            Tone::Good,
            "within misses: known causes explain every difference",
        ),
        Verdict::Approximate => (Tone::Warn, "approximate"),
        Verdict::Failed => (Tone::Bad, "FAILED"),
        Verdict::Unavailable => (Tone::Warn, "unavailable"),
    };
    let mut text = word.to_owned();
    if let Some(why) = &audit.why {
        text.push_str(": ");
        text.push_str(&escape::text(why.trim_end_matches('.').as_bytes()));
    }
    text.push('.');
    // A cause without a count is a lost hook, which `why` names.
    let causes: Vec<String> = audit
        .explained
        .iter()
        .filter_map(|explained| Some((explained, explained.count.filter(|count| *count > 0)?)))
        .map(|(explained, count)| {
            let hook = explained
                .hook
                .as_deref()
                .map(|hook| format!(" ({})", escape::text(hook.as_bytes())));
            format!(
                "{} {}{}",
                number::grouped(count),
                in_words(explained.cause),
                hook.unwrap_or_default()
            )
        })
        .collect();
    if !causes.is_empty() {
        text.push_str(&format!(" Explained: {}.", causes.join("; ")));
    }
    if let Some(unexplained) = audit.unexplained.filter(|count| *count > 0) {
        text.push_str(&format!(" Unexplained: {}.", number::grouped(unexplained)));
    }
    (tone, text)
}

/// Returns a cause as the rest of a sentence that begins with its count.
fn in_words(cause: Cause) -> &'static str {
    match cause {
        Cause::RecursionMisses => {
            "skipped by the kernel because our program was running on that CPU (recursion misses)"
        }
        Cause::SnapshotEdge => "in flight while the kernel's counters were read",
        Cause::CpuChanged => "by tasks that changed their CPU between the kernel's count and ours",
        Cause::HookLost => "not seen because a hook is reduced or not attached",
    }
}

/// Makes rows of node and counter; counters that are 0 on both sides are left out.
fn table<'a>(key: &str, nodes: impl Iterator<Item = (String, &'a AuditNode)>) -> Table {
    let mut rows: Vec<(String, &'static str, CounterAudit)> = Vec::new();
    for (name, node) in nodes {
        let mut name = Some(name);
        for counter in Counter::ALL {
            let compared = node.counter(counter);
            if compared.kernel.unwrap_or(0) > 0 || compared.traced.unwrap_or(0) > 0 {
                rows.push((name.take().unwrap_or_default(), counter.name(), compared));
            }
        }
        if let Some(name) = name {
            rows.push((name, "nothing counted", CounterAudit::new(Some(0), Some(0))));
        }
    }
    let mut table = Table::new(2);
    table.right(key, rows.iter().map(|(node, ..)| node.clone()).collect());
    table.left(
        "counter",
        rows.iter()
            .map(|(_, counter, _)| (*counter).to_owned())
            .collect(),
    );
    let cells: [fn(&CounterAudit) -> String; 3] = [
        |compared| number::count(compared.kernel),
        |compared| number::count(compared.traced),
        |compared| number::signed(compared.residual),
    ];
    for (part, cell) in AUDIT.into_iter().zip(cells) {
        table.right(
            part.header,
            rows.iter().map(|(.., compared)| cell(compared)).collect(),
        );
    }
    table
}

/// Sums one counter over nodes; unknown when it is unknown on one.
fn sum(nodes: &[AuditNode], counter: Counter) -> CounterAudit {
    let add = |side: fn(CounterAudit) -> Option<u64>| {
        nodes.iter().try_fold(0_u64, |sum, node| {
            Some(sum.saturating_add(side(node.counter(counter))?))
        })
    };
    CounterAudit::new(
        add(|compared| compared.kernel),
        add(|compared| compared.traced),
    )
}

/// Shows the nodes whose counters differ: differences can cancel out in sums.
fn differing(page: &mut Page<'_>, nodes: &[AuditNode]) {
    let mut differing: Vec<(u64, &AuditNode)> = nodes
        .iter()
        .map(|node| {
            let residual = |counter| node.counter(counter).residual.unwrap_or(0).unsigned_abs();
            (
                Counter::ALL.into_iter().map(residual).max().unwrap_or(0),
                node,
            )
        })
        .filter(|(largest, _)| *largest > 0)
        .collect();
    differing.sort_by_key(|(largest, node)| (Reverse(*largest), node.node));
    let rest = differing.split_off(differing.len().min(DIFFERING));
    if differing.is_empty() {
        page.legend("No counter of a node that is known on both sides differs.");
        return;
    }
    page.table(&table(
        "node",
        differing
            .iter()
            .map(|(_, node)| (node.node.to_string(), *node)),
    ));
    if !rest.is_empty() {
        page.legend(&format!(
            "{} with a difference, none larger than the last one shown.",
            number::plural(rest.len(), "more node")
        ));
    }
}
