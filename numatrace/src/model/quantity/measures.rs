//! The plain sums that quantities are read from: of a report, a node, some processes, or a mapping.

use crate::ids::Pid;
use crate::model::{
    Alloc, FirstTouch, HintFaults, Mapping, Matrix, PageMigrations, PerNode, Process, Severity,
    Snapshot, TaskMoves,
};

/// Sums; `None` is not measured. Fields have the names of their quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the list of quantities documents each")]
pub struct Measures {
    pub numa_hit: Option<u64>,
    pub numa_miss: Option<u64>,
    pub numa_foreign: Option<u64>,
    pub interleave_hit: Option<u64>,
    pub local_node: Option<u64>,
    pub other_node: Option<u64>,
    pub pages: Option<u64>,
    pub remote_by_policy: Option<u64>,
    pub remote_by_fallback: Option<u64>,
    pub remote_by_cpuset: Option<u64>,
    pub remote_by_memoryless: Option<u64>,
    pub remote_by_kernel_node: Option<u64>,
    pub remote_by_task_moved: Option<u64>,
    pub first_touch_pages: Option<u64>,
    pub remote_first_touch_pages: Option<u64>,
    pub surprise_pages: Option<u64>,
    pub hint_faults: Option<u64>,
    pub remote_hint_faults: Option<u64>,
    pub migrated_pages: Option<u64>,
    pub failed_migrations: Option<u64>,
    pub task_moves: Option<u64>,
    pub cross_llc_moves: Option<u64>,
    pub cross_node_moves: Option<u64>,
    pub ping_pong: Option<u64>,
    pub run_ns: Option<u64>,
    pub away_ns: Option<u64>,
    pub placed_ns: Option<u64>,
    pub misplaced_ns: Option<u64>,
    pub findings: Option<u64>,
    pub records_lost: Option<u64>,
    pub unexplained: Option<u64>,
}

impl Measures {
    /// Sums up the whole machine.
    #[must_use]
    pub fn of_machine(snapshot: &Snapshot) -> Self {
        let mut sums = Self::default();
        let system = snapshot.system.as_ref();
        sums.activity(
            system.and_then(|system| system.first_touch.as_ref()),
            system.and_then(|system| system.hint_faults.as_ref()),
            system.and_then(|system| system.page_migrations.as_ref()),
            system.and_then(|system| system.task_moves.as_ref()),
            system.and_then(|system| system.run_ns.as_ref()),
        );
        // A report without a sum of the system has it in its processes, as far as the scope
        // reaches.
        let all: Vec<&Process> = snapshot.processes.iter().collect();
        let mut of_processes = Self::of_processes(snapshot, &all);
        for (sum, of_processes) in sums.fields().into_iter().zip(of_processes.fields()) {
            *sum = sum.or(*of_processes);
        }
        // Sums of allocations cover all processes or are unknown: a process that does not know its
        // misses may have had some.
        if let Some(alloc) = snapshot.alloc_total() {
            sums.alloc(&alloc, |counts| Some(counts.total()));
        }
        sums.findings = Some(worth_a_warning(snapshot, |_| true));
        sums.records_lost = snapshot.coverage.records_lost;
        sums.unexplained = snapshot.audit.unexplained;
        sums
    }

    /// Sums up the node at a position of `host.nodes`.
    #[must_use]
    pub fn of_node(snapshot: &Snapshot, position: usize) -> Self {
        let mut sums = Self::default();
        let here = |counts: &PerNode| counts.0.get(position).copied();
        if let Some(alloc) = snapshot.alloc_total() {
            sums.alloc(&alloc, here);
        }
        let matrix = |of_system: Option<&Matrix>, of_process: fn(&Process) -> Option<&Matrix>| {
            of_system
                .cloned()
                .or_else(|| sum_matrices(snapshot.processes.iter().filter_map(of_process)))
        };
        let system = snapshot.system.as_ref();
        let touched = matrix(
            system.and_then(|system| system.first_touch.as_ref()?.pages.as_ref()),
            |process| process.first_touch.as_ref()?.pages.as_ref(),
        );
        let hints = matrix(
            system.and_then(|system| system.hint_faults.as_ref()?.matrix.as_ref()),
            |process| process.hint_faults.as_ref()?.matrix.as_ref(),
        );
        let migrated = matrix(
            system.and_then(|system| system.page_migrations.as_ref()?.matrix.as_ref()),
            |process| process.page_migrations.as_ref()?.matrix.as_ref(),
        );
        let moves = matrix(
            system.and_then(|system| system.task_moves.as_ref()?.matrix.as_ref()),
            |process| process.task_moves.as_ref()?.matrix.as_ref(),
        );
        let arrived = |matrix: Option<&Matrix>| Some(matrix?.by_to().at(position));
        let from_elsewhere = |matrix: Option<&Matrix>| {
            let matrix = matrix?;
            Some(
                matrix
                    .by_to()
                    .at(position)
                    .saturating_sub(matrix.at(position, position)),
            )
        };
        sums.first_touch_pages = arrived(touched.as_ref());
        sums.remote_first_touch_pages = from_elsewhere(touched.as_ref());
        sums.hint_faults = arrived(hints.as_ref());
        sums.remote_hint_faults = from_elsewhere(hints.as_ref());
        sums.migrated_pages = from_elsewhere(migrated.as_ref());
        sums.cross_node_moves = from_elsewhere(moves.as_ref());
        sums.surprise_pages = used_remotely(snapshot.processes.iter(), Some(position));
        let run = system.and_then(|system| system.run_ns.as_ref());
        sums.run_ns = match run {
            Some(run) => here(run),
            None => sum_known(
                snapshot
                    .processes
                    .iter()
                    .map(|process| here(process.run_ns.as_ref()?)),
            ),
        };
        sums
    }

    /// Sums up some processes. A quantity that one of them did not measure is summed over the
    /// others.
    #[must_use]
    pub fn of_processes(snapshot: &Snapshot, processes: &[&Process]) -> Self {
        let mut sums = Self::default();
        for process in processes {
            sums.add(&Self::of_process(process));
        }
        sums.surprise_pages = used_remotely(processes.iter().copied(), None);
        let pids: Vec<_> = processes.iter().map(|process| process.pid).collect();
        sums.findings = Some(worth_a_warning(snapshot, |pid| {
            pid.is_some_and(|pid| pids.contains(&pid))
        }));
        sums
    }

    fn of_process(process: &Process) -> Self {
        let mut sums = Self::default();
        if let Some(alloc) = &process.alloc {
            sums.alloc(alloc, |counts| Some(counts.total()));
            sums.causes(alloc);
        }
        sums.activity(
            process.first_touch.as_ref(),
            process.hint_faults.as_ref(),
            process.page_migrations.as_ref(),
            process.task_moves.as_ref(),
            process.run_ns.as_ref(),
        );
        sums.away_ns = process.away_ns;
        sums.misplaced_ns = process.misplaced_ns();
        sums.placed_ns = sums.run_ns.filter(|_| sums.misplaced_ns.is_some());
        sums
    }

    /// Sums up one mapping.
    #[must_use]
    pub fn of_mapping(mapping: &Mapping) -> Self {
        let mut sums = Self::default();
        let touched = mapping.touches();
        sums.first_touch_pages = touched.map(Matrix::total);
        sums.remote_first_touch_pages = touched.map(Matrix::off_diagonal);
        sums.activity(None, mapping.hint_faults.as_ref(), None, None, None);
        sums.surprise_pages = mapping.surprise_pages;
        sums
    }

    /// Returns all allocations, local and remote.
    #[must_use]
    pub fn allocations(&self) -> Option<u64> {
        Some(self.local_node?.saturating_add(self.other_node?))
    }

    fn alloc(&mut self, alloc: &Alloc, of: impl Fn(&PerNode) -> Option<u64>) {
        let of = |counts: &Option<PerNode>| counts.as_ref().and_then(&of);
        self.numa_hit = of(&alloc.numa_hit);
        self.numa_miss = of(&alloc.numa_miss);
        self.numa_foreign = of(&alloc.numa_foreign);
        self.interleave_hit = of(&alloc.interleave_hit);
        self.local_node = of(&alloc.local_node);
        self.other_node = of(&alloc.other_node);
        self.pages = of(&alloc.pages);
    }

    fn causes(&mut self, alloc: &Alloc) {
        let Some(causes) = alloc.remote_by_cause else {
            return;
        };
        self.remote_by_policy = Some(causes.policy);
        self.remote_by_fallback = Some(causes.fallback);
        self.remote_by_cpuset = Some(causes.cpuset);
        self.remote_by_memoryless = Some(causes.memoryless);
        self.remote_by_kernel_node = Some(causes.kernel_node);
        self.remote_by_task_moved = Some(causes.task_moved);
    }

    fn activity(
        &mut self,
        first_touch: Option<&FirstTouch>,
        hint_faults: Option<&HintFaults>,
        page_migrations: Option<&PageMigrations>,
        task_moves: Option<&TaskMoves>,
        run_ns: Option<&PerNode>,
    ) {
        if let Some(pages) = first_touch.and_then(|touch| touch.pages.as_ref()) {
            self.first_touch_pages = Some(pages.total());
            self.remote_first_touch_pages = Some(pages.off_diagonal());
        }
        let hints = hint_faults.and_then(|hints| hints.matrix.as_ref());
        self.hint_faults = hints.map(Matrix::total);
        self.remote_hint_faults = hints.map(Matrix::off_diagonal);
        let migrated = page_migrations.and_then(|moved| moved.matrix.as_ref());
        self.migrated_pages = migrated.map(Matrix::off_diagonal);
        self.failed_migrations = page_migrations.and_then(|moved| moved.failed);
        self.task_moves = task_moves.and_then(|moves| moves.total);
        self.cross_llc_moves = task_moves.and_then(|moves| moves.cross_llc);
        self.cross_node_moves = task_moves.and_then(|moves| moves.cross_node);
        self.ping_pong = task_moves.and_then(|moves| moves.ping_pong);
        self.run_ns = run_ns.map(PerNode::total);
    }

    /// Adds the known sums of another.
    fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (sum, more) in self.fields().into_iter().zip(other.fields()) {
            *sum = sum_known([*sum, *more]);
        }
    }

    fn fields(&mut self) -> [&mut Option<u64>; 31] {
        let Self {
            numa_hit,
            numa_miss,
            numa_foreign,
            interleave_hit,
            local_node,
            other_node,
            pages,
            remote_by_policy,
            remote_by_fallback,
            remote_by_cpuset,
            remote_by_memoryless,
            remote_by_kernel_node,
            remote_by_task_moved,
            first_touch_pages,
            remote_first_touch_pages,
            surprise_pages,
            hint_faults,
            remote_hint_faults,
            migrated_pages,
            failed_migrations,
            task_moves,
            cross_llc_moves,
            cross_node_moves,
            ping_pong,
            run_ns,
            away_ns,
            placed_ns,
            misplaced_ns,
            findings,
            records_lost,
            unexplained,
        } = self;
        [
            numa_hit,
            numa_miss,
            numa_foreign,
            interleave_hit,
            local_node,
            other_node,
            pages,
            remote_by_policy,
            remote_by_fallback,
            remote_by_cpuset,
            remote_by_memoryless,
            remote_by_kernel_node,
            remote_by_task_moved,
            first_touch_pages,
            remote_first_touch_pages,
            surprise_pages,
            hint_faults,
            remote_hint_faults,
            migrated_pages,
            failed_migrations,
            task_moves,
            cross_llc_moves,
            cross_node_moves,
            ping_pong,
            run_ns,
            away_ns,
            placed_ns,
            misplaced_ns,
            findings,
            records_lost,
            unexplained,
        ]
    }

    /// Puts one number into every field, for tests.
    #[cfg(test)]
    pub(super) fn fill(&mut self, number: u64) {
        for field in self.fields() {
            *field = Some(number);
        }
    }
}

/// Returns the sum of the known numbers; `None` when none is known.
fn sum_known(parts: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    parts.into_iter().flatten().reduce(u64::saturating_add)
}

/// Returns the sum of matrices; `None` when there is none.
fn sum_matrices<'a>(parts: impl IntoIterator<Item = &'a Matrix>) -> Option<Matrix> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next()?.clone();
    for part in parts {
        sum.add(part);
    }
    Some(sum)
}

/// Returns the pages of processes that are used remotely, all or those on the node at a position.
/// `None` where neither first touch nor accesses of any of them were measured.
fn used_remotely<'a>(
    processes: impl IntoIterator<Item = &'a Process>,
    at: Option<usize>,
) -> Option<u64> {
    sum_known(processes.into_iter().map(|process| {
        if process.mappings.is_empty() {
            let measured = process.first_touch.is_some() && process.hint_faults.is_some();
            return measured.then_some(0);
        }
        sum_known(process.mappings.iter().map(|mapping| {
            let here = at.is_none_or(|at| mapping.home() == Some(at));
            mapping
                .surprise_pages
                .map(|pages| if here { pages } else { 0 })
        }))
    }))
}

/// Counts the findings that are warnings or critical, of the chosen processes.
fn worth_a_warning(snapshot: &Snapshot, chosen: impl Fn(Option<Pid>) -> bool) -> u64 {
    let findings = snapshot.findings.iter();
    let counted =
        findings.filter(|finding| finding.severity != Severity::Info && chosen(finding.pid));
    u64::try_from(counted.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quantity::{ALL, Measured, Of, find};

    const EXAMPLE: &str = include_str!("../../../../tests/contract/example.json");

    fn value(measures: &Measures, name: &str) -> Option<f64> {
        (find(name).expect(name).read)(measures).and_then(Measured::value)
    }

    #[test]
    fn nodes_add_up_to_the_machine() {
        let snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        let machine = Measures::of_machine(&snapshot);
        let nodes: Vec<Measures> = (0..snapshot.host.nodes.len())
            .map(|position| Measures::of_node(&snapshot, position))
            .collect();
        let mut counted = 0;
        for quantity in ALL
            .iter()
            .filter(|quantity| quantity.of.contains(&Of::Node))
        {
            let whole = (quantity.read)(&machine);
            let Some(Measured::Count(whole)) = whole else {
                continue;
            };
            let sum = sum_known(nodes.iter().map(|node| match (quantity.read)(node) {
                Some(Measured::Count(count)) => Some(count),
                _ => None,
            }));
            assert_eq!(sum, Some(whole), "{}", quantity.name);
            counted += 1;
        }
        assert!(counted > 8, "{counted} quantities were compared");
    }

    #[test]
    fn a_ragged_report_is_no_panic() {
        let mut snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        snapshot.host.nodes.truncate(1);
        for process in &mut snapshot.processes {
            process.run_ns = Some(PerNode(vec![u64::MAX; 5]));
            process.first_touch = Some(FirstTouch {
                pages: Some(Matrix(vec![PerNode(vec![u64::MAX]), PerNode::default()])),
                ..FirstTouch::default()
            });
        }
        for position in 0..4 {
            let node = Measures::of_node(&snapshot, position);
            assert!(value(&node, "local_share").is_none_or(|share| share <= 1.0));
        }
        assert!(value(&Measures::of_machine(&snapshot), "run_s").is_some());
    }

    #[test]
    fn misses_of_the_machine_are_unknown_when_one_process_does_not_know_its_own() {
        let mut snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        assert!(value(&Measures::of_machine(&snapshot), "numa_miss").is_some());
        if let Some(alloc) = snapshot
            .processes
            .first_mut()
            .and_then(|p| p.alloc.as_mut())
        {
            alloc.numa_miss = None;
        }
        assert_eq!(value(&Measures::of_machine(&snapshot), "numa_miss"), None);
    }
}
