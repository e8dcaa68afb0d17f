//! Node×node tables: first touches, hint faults, page migrations, node moves. Tables of zeros are
//! left out.

use std::cmp::Reverse;

use super::processes;
use crate::model::distance;
use crate::model::number;
use crate::model::{FirstTouch, Host, Matrix, PageMigrations, Snapshot};
use crate::output::escape;
use crate::output::format::{page::Page, table::Table};

/// Largest number of nodes whose matrix is shown as a square; with more, the largest pairs of
/// different nodes are listed.
const SQUARE: usize = 8;

/// Pairs listed for a large matrix.
const PAIRS: usize = 10;

/// Writes the tables of the process that the session was about, else those of the whole system.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let host = &snapshot.host;
    let (of, touch, hints, migrations, moves) = match (snapshot.focus(), &snapshot.system) {
        (Some(process), _) => (
            format!(" of {}", processes::with_pid(process)),
            process.first_touch.as_ref(),
            process.hint_faults.as_ref(),
            process.page_migrations.as_ref(),
            process.task_moves.as_ref(),
        ),
        (None, Some(system)) => (
            ", whole system".to_owned(),
            system.first_touch.as_ref(),
            system.hint_faults.as_ref(),
            system.page_migrations.as_ref(),
            system.task_moves.as_ref(),
        ),
        (None, None) => return,
    };
    let page_size = host.page_size;
    let mib = move |pages| number::mib(Some(pages), page_size);
    let mut write = |title: &str,
                     matrix: Option<&Matrix>,
                     cell: &dyn Fn(u64) -> String,
                     reasons: Option<String>| {
        match (matrix, reasons) {
            (Some(matrix), reasons) if matrix.total() > 0 => {
                page.section(title);
                one(page, host, matrix, cell);
                if let Some(reasons) = reasons {
                    page.legend(&reasons);
                }
            }
            // A reduced hook may measure amounts and reasons without nodes.
            (None, Some(reasons)) => {
                page.section(title.split(':').next().unwrap_or(title));
                page.legend(&format!("{reasons} Nodes were not measured."));
            }
            _ => {}
        }
    };
    write(
        &format!("First touch{of}: MiB from the thread's node (row) on the page's node (column)"),
        touch.and_then(|touch| touch.pages.as_ref()),
        &mib,
        touch.and_then(|touch| about_touch(touch, &mib)),
    );
    write(
        &format!("Hint faults{of}: from the thread's node (row) to the page's node (column)"),
        hints.and_then(|hints| hints.matrix.as_ref()),
        &number::grouped,
        None,
    );
    write(
        &format!("Page migrations{of}: MiB from node (row) to node (column)"),
        migrations.and_then(|migrations| migrations.matrix.as_ref()),
        &mib,
        migrations.and_then(|migrations| {
            reasons(
                migrations
                    .by_reason
                    .as_ref()?
                    .iter()
                    .map(|(reason, pages)| (reason.as_str().to_owned(), *pages)),
                &mib,
                "MiB by reason",
            )
            .map(|reasons| format!("{reasons}{}", latency_and_failures(migrations)))
        }),
    );
    write(
        &format!("Node moves{of}: threads from node (row) to node (column)"),
        moves.and_then(|moves| moves.matrix.as_ref()),
        &number::grouped,
        moves.and_then(|moves| {
            reasons(
                moves
                    .by_reason
                    .as_ref()?
                    .iter()
                    .map(|(reason, count)| (reason.name().to_owned(), *count)),
                &number::grouped,
                "By reason",
            )
            .map(|reasons| match moves.cross_node_per_s {
                Some(rate) => format!("{rate:.1} per second. {reasons}"),
                None => reasons,
            })
        }),
    );
}

/// Returns what a legend says about first touches: how far remote pages are, and the other
/// processes that touched them.
fn about_touch(touch: &FirstTouch, mib: &dyn Fn(u64) -> String) -> Option<String> {
    let far = touch.remote_by_distance.as_ref();
    let far = far.map(|counts| format!("Remote MiB: {}.", distance::sentence(counts, mib)));
    let others: Vec<String> = touch
        .by_others
        .iter()
        .take(PAIRS)
        .map(|by| format!("{} {}", processes::toucher(by), mib(by.pages)))
        .collect();
    let others = (!others.is_empty())
        .then(|| format!("MiB touched by other processes: {}.", others.join(", ")));
    let said: Vec<String> = [far, others].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(" "))
}

/// Writes a square for few nodes, the largest pairs for many.
fn one(page: &mut Page<'_>, host: &Host, matrix: &Matrix, cell: &dyn Fn(u64) -> String) {
    let nodes: Vec<String> = host
        .nodes
        .iter()
        .map(|node| format!("node {}", node.node))
        .collect();
    // Rows and columns of empty nodes would be zeros; the table of nodes names them.
    let empty = host.empty_nodes();
    let shown: Vec<usize> = (0..nodes.len())
        .filter(|at| !empty.contains(at) || has_counts(matrix, *at))
        .collect();
    if shown.len() <= SQUARE {
        let mut table = Table::new(1);
        table.left("", shown.iter().map(|at| nodes[*at].clone()).collect());
        for to in &shown {
            table.right(
                nodes[*to].clone(),
                shown
                    .iter()
                    .map(|from| cell(matrix.at(*from, *to)))
                    .collect(),
            );
        }
        page.table(&table);
        return;
    }
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (from, row) in matrix.0.iter().enumerate() {
        pairs.extend(
            row.0
                .iter()
                .enumerate()
                .filter(|(to, count)| from != *to && **count > 0)
                .map(|(to, count)| (*count, from, to)),
        );
    }
    pairs.sort_by_key(|(count, from, to)| (Reverse(*count), *from, *to));
    let rest = pairs.split_off(pairs.len().min(PAIRS));
    let name = |position: usize| {
        nodes
            .get(position)
            .cloned()
            .unwrap_or_else(|| number::UNKNOWN.into())
    };
    let mut from: Vec<String> = pairs.iter().map(|(_, from, _)| name(*from)).collect();
    let mut to: Vec<String> = pairs.iter().map(|(.., to)| name(*to)).collect();
    let mut counts: Vec<String> = pairs.iter().map(|(count, ..)| cell(*count)).collect();
    if !rest.is_empty() {
        from.push(number::plural(rest.len(), "other"));
        to.push(String::new());
        counts.push(cell(
            rest.iter()
                .fold(0, |sum, (count, ..)| sum.saturating_add(*count)),
        ));
    }
    from.push("same node".into());
    to.push(String::new());
    counts.push(cell(matrix.diagonal()));
    let mut table = Table::new(3);
    table.left("row", from).left("column", to).right("", counts);
    page.table(&table);
}

fn has_counts(matrix: &Matrix, at: usize) -> bool {
    (0..matrix.0.len()).any(|other| matrix.at(at, other) > 0 || matrix.at(other, at) > 0)
}

/// Says how long folios took to copy, and how many pages could not be migrated.
fn latency_and_failures(migrations: &PageMigrations) -> String {
    let mut words = String::new();
    let latency = &migrations.latency_us;
    if let (Some(p50), Some(p99), Some(max)) = (latency.p50, latency.p99, latency.max) {
        let [p50, p99, max] = [p50, p99, max].map(number::micros);
        words = format!(" Time per folio: median {p50}, p99 {p99}, longest {max}.");
    }
    let failed = migrations.failed.filter(|pages| *pages > 0);
    if let Some(failed) = failed {
        let noun = if failed == 1 { "page" } else { "pages" };
        words += &format!(" {} {noun} could not be migrated", number::grouped(failed));
        words += &match migrations.failed_by_cause {
            Some(causes) => format!(
                ": {} busy, {} for other reasons.",
                number::grouped(causes.busy),
                number::grouped(causes.other)
            ),
            None => ".".to_owned(),
        };
    }
    words
}

/// Lists reasons, largest first: `By reason: wakeup 12, affinity 3.`; `None` without reasons.
fn reasons(
    counts: impl Iterator<Item = (String, u64)>,
    cell: &dyn Fn(u64) -> String,
    heading: &str,
) -> Option<String> {
    let mut counts: Vec<(String, u64)> = counts.filter(|(_, count)| *count > 0).collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let parts: Vec<String> = counts
        .iter()
        .map(|(reason, count)| format!("{} {}", escape::text(reason.as_bytes()), cell(*count)))
        .collect();
    (!parts.is_empty()).then(|| format!("{heading}: {}.", parts.join(", ")))
}
