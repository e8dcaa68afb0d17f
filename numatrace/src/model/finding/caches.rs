//! Moves between the last-level caches of a node: evidence of the findings that say that NUMA is
//! not the problem. Such moves stay on the node and lose a cache all the same.

use super::fix::{self, Fix};
use super::moving;
use crate::ids::ranges;
use crate::model::cache::{Cache, splitting};
use crate::model::{Host, Snapshot, TaskMoves, number};

/// Least moves per second that advice is worth. A move leaves some MiB of cache behind, which take
/// about a millisecond to read again: ten a second cost a CPU about 1 %.
const RATE: f64 = 10.0;

/// Returns the evidence about moves between the caches of a node, and what to do about them.
/// Nothing where no node has several caches, or where such moves were not measured.
pub fn between(snapshot: &Snapshot, moves: Option<&TaskMoves>) -> Option<(String, Option<Fix>)> {
    let caches = split(&snapshot.host);
    let first = caches.first()?;
    let moves = moves?;
    let count = moves.cross_llc?;
    let level = caches.iter().all(|cache| cache.level == first.level);
    let kind = if level {
        format!("L{} domain", first.level)
    } else {
        "last-level cache".to_owned()
    };
    let those = match snapshot.host.nodes.len() {
        1 => "them",
        _ => "those of a node",
    };
    let counts = match (count, moves.total) {
        (0, _) => "there were none".to_owned(),
        (_, Some(total)) => format!(
            "{} of {} moves of threads between CPUs",
            number::grouped(count),
            number::grouped(total)
        ),
        (_, None) => number::plural(count, "move"),
    };
    let evidence = format!(
        "{}: moves between {those} still cost: {counts}",
        number::plural(caches.len(), &kind)
    );
    let fix = moving::is_frequent(snapshot, count, RATE).then(|| stay(snapshot, first, &kind));
    Some((evidence, fix))
}

/// Returns the caches that split nodes.
fn split(host: &Host) -> Vec<&Cache> {
    let caches = host.caches.as_deref().unwrap_or_default();
    let splits = |cache: &&Cache| {
        let mut nodes = cache.nodes.iter();
        nodes.any(|node| splitting(caches, *node).contains(cache))
    };
    caches.iter().filter(splits).collect()
}

/// Says how to keep a program within a cache: the one that the session is about, or any.
fn stay(snapshot: &Snapshot, cache: &Cache, kind: &str) -> Fix {
    let threads = number::plural(cache.cpus.len(), "busy thread");
    let text = format!("start a program with at most {threads} within one {kind}");
    let cpus = ranges(cache.cpus.iter().map(|cpu| cpu.0));
    fix::on_cpus(snapshot, snapshot.focus(), &cpus, &text)
        .expecting("its threads share one last-level cache, and no move leaves that")
}
