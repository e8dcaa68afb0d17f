//! Time away from memory: how long threads ran on other nodes than the one that holds most of their process's memory.

use crate::{
    ids::NodeId,
    model::{PerNode, Process, ProcessKind},
};

/// Finds a process's home node and the time its threads spent elsewhere.
pub fn fill(process: &mut Process, nodes: &[NodeId]) {
    // What stands for many processes has no home.
    if !matches!(process.kind, ProcessKind::User | ProcessKind::Kthread) {
        return;
    }
    let Some(home) = home(process) else { return };
    process.home_node = nodes.get(home).copied();
    process.away_ns = process.run_ns.as_ref().map(|run| away(run, home));
    for thread in &mut process.threads {
        thread.away_ns = thread.run_ns.as_ref().map(|run| away(run, home));
    }
}

fn away(run_ns: &PerNode, home: usize) -> u64 {
    run_ns.total().saturating_sub(run_ns.at(home))
}

/// Position of the node with more than half of its memory.
fn home(process: &Process) -> Option<usize> {
    let pages = process.pages()?;
    let total = pages.total();
    pages
        .0
        .iter()
        .position(|here| here.saturating_mul(2) > total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::Pid,
        model::{Addr, FirstTouch, Mapping, MappingKind, Matrix, PageMigrations},
    };

    const NODES: [NodeId; 2] = [NodeId(0), NodeId(4)];

    fn process(touched: [u64; 2], moved: u64) -> Process {
        let mut pages = Matrix::zeros(2);
        pages.add_at(0, 0, touched[0]);
        pages.add_at(0, 1, touched[1]);
        let mut matrix = Matrix::zeros(2);
        matrix.add_at(0, 1, moved);
        let mut process = Process::new(Pid(1), 0, "app", ProcessKind::User);
        process.first_touch = Some(FirstTouch {
            pages: Some(pages),
            ..FirstTouch::default()
        });
        process.page_migrations = Some(PageMigrations {
            matrix: Some(matrix),
            ..PageMigrations::default()
        });
        process.run_ns = Some(PerNode(vec![700, 300]));
        fill(&mut process, &NODES);
        process
    }

    #[test]
    fn home_is_where_most_pages_are_after_all_moves() {
        let before = process([100, 10], 0);
        assert_eq!(
            (before.home_node, before.away_ns),
            (Some(NodeId(0)), Some(300))
        );
        let after = process([100, 10], 80);
        assert_eq!(
            (after.home_node, after.away_ns),
            (Some(NodeId(4)), Some(700))
        );
    }

    #[test]
    fn memory_of_before_the_session_counts_where_it_was_looked_at() {
        let mut old = process([100, 10], 0);
        let mapping = |kind, residency: [u64; 2]| Mapping {
            kind,
            residency: Some(PerNode(residency.to_vec())),
            start: Addr(0x1000),
            end: Addr(0x2000),
            name: "region".into(),
            first_touch: None,
            hint_faults: None,
            page_migrations: None,
            users: Vec::new(),
            surprise_pages: None,
            shared_elsewhere_pages: None,
        };
        old.mappings = vec![
            mapping(MappingKind::Anon, [100, 4_000]),
            mapping(MappingKind::File, [9_000, 0]),
        ];
        fill(&mut old, &NODES);
        assert_eq!((old.home_node, old.away_ns), (Some(NodeId(4)), Some(700)));
    }

    #[test]
    fn evenly_spread_memory_has_no_home() {
        let spread = process([100, 100], 0);
        assert_eq!((spread.home_node, spread.away_ns), (None, None));
    }
}
