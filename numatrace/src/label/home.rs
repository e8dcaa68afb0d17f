//! Home nodes in the report, and the CPU time that threads spent away from there.

use crate::{
    fold::home,
    ids::NodeId,
    model::{PerNode, Process, ProcessKind},
};

/// Finds the home node of a process by all that the report knows of its memory, and the CPU time
/// that its threads spent away from there. `nodes` are in the report's order.
pub fn fill(process: &mut Process, nodes: &[NodeId]) {
    // A bucket of many processes has no home.
    if !matches!(process.kind, ProcessKind::User | ProcessKind::Kthread) {
        return;
    }
    let pages = process.pages();
    let position = pages.and_then(|pages| home::home(pages.0.iter().copied().enumerate()));
    if let Some(position) = position {
        process.home_node = nodes.get(position).copied();
        fill_away(process, position);
    }
}

/// Gives a process its home node, the one at `position` in the report's order, and the CPU time
/// that its threads spent away from there.
pub fn fill_at(process: &mut Process, home: NodeId, position: usize) {
    process.home_node = Some(home);
    fill_away(process, position);
}

fn fill_away(process: &mut Process, position: usize) {
    let away = |run_ns: &PerNode| run_ns.total().saturating_sub(run_ns.at(position));
    process.away_ns = process.run_ns.as_ref().map(away);
    for thread in &mut process.threads {
        thread.away_ns = thread.run_ns.as_ref().map(away);
    }
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
            file_system: None,
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

    #[test]
    fn time_away_is_what_ran_elsewhere_than_at_home() {
        let mut process = Process::new(Pid(7), 5, "app", ProcessKind::User);
        process.run_ns = Some(PerNode(vec![30, 70]));
        fill_at(&mut process, NodeId(4), 1);
        assert_eq!(
            (process.home_node, process.away_ns),
            (Some(NodeId(4)), Some(30))
        );
        process.run_ns = None;
        fill_at(&mut process, NodeId(4), 1);
        assert_eq!(process.away_ns, None, "time that was not measured");
    }
}
