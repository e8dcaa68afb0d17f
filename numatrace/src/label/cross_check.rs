//! The cross-check: `/proc/vmstat` compared with the traced counts between its two readings.

use super::activity::Measured;
use crate::{
    capture::vm_counters::VmCounters,
    decode::count::BalancerWork,
    fold::{Accumulators, window::Window},
    model::{CounterAudit, CrossCheck, CrossCheckKind},
};

/// A row of `/proc/vmstat`; `None` where the kernel has none.
type Row = fn(VmCounters) -> Option<u64>;

/// Returns the comparisons that the kernel has rows for. A count that the session did not measure
/// is `None`.
pub fn cross_check(
    window: &Window,
    counted: &Accumulators,
    measured: &Measured,
) -> Vec<CrossCheck> {
    let Some((start, end)) = window
        .end
        .as_ref()
        .and_then(|end| Some((window.start.system?.1, end.system?.1)))
    else {
        return Vec::new();
    };
    let sum = counted.total();
    let rows: [(CrossCheckKind, Row, Option<u64>); 5] = [
        (
            CrossCheckKind::Pages,
            |counters| counters.pages,
            Some(counted.system_pages),
        ),
        (
            CrossCheckKind::HintFaults,
            |counters| counters.hint_faults,
            measured.hint_faults.then(|| sum.hint_faults.values().sum()),
        ),
        (
            CrossCheckKind::HintMigrated,
            |counters| counters.hint_migrated,
            measured.hint_faults.then_some(sum.hint_migrated),
        ),
        (
            CrossCheckKind::PteUpdates,
            |counters| counters.pte_updates,
            measured.balancer.then(|| {
                let updates = sum.balancer.get(&BalancerWork::Update);
                updates.map_or(0, |tally| tally.amount)
            }),
        ),
        (
            CrossCheckKind::PageMigrations,
            |counters| counters.migrated,
            measured
                .page_migrations
                .then(|| sum.page_migrations.values().sum()),
        ),
    ];
    rows.into_iter()
        .filter_map(|(what, row, traced)| {
            let kernel = row(end)?.checked_sub(row(start)?)?;
            let CounterAudit {
                kernel,
                traced,
                residual,
            } = CounterAudit::new(Some(kernel), traced);
            Some(CrossCheck {
                what,
                kernel,
                traced,
                residual,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::window::Boundary;

    #[test]
    fn rows_that_the_kernel_has_are_compared_and_a_count_that_was_not_measured_is_null() {
        let at = |pages, hint_faults| Boundary {
            system: Some((
                1,
                VmCounters {
                    pages: Some(pages),
                    hint_faults: Some(hint_faults),
                    ..VmCounters::default()
                },
            )),
            ..Boundary::default()
        };
        let mut window = Window::new(at(1000, 10));
        window.close(at(1700, 15));
        let counted = Accumulators {
            system_pages: 690,
            ..Accumulators::default()
        };
        let rows = cross_check(&window, &counted, &Measured::default());
        assert_eq!(rows.len(), 2, "the kernel has no other rows");
        assert_eq!((rows[0].kernel, rows[0].residual), (Some(700), Some(10)));
        assert_eq!((rows[1].kernel, rows[1].traced), (Some(5), None));
    }
}
