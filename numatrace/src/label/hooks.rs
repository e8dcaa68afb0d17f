//! The hook table of the report, and what the attached hooks measure.

use super::activity::Measured;
use crate::{
    attach::{
        catalog,
        hooks::{Hook as Attached, HookState},
    },
    model::{CrossCheck, CrossCheckKind, Hook},
};

/// The row of the hook table for the records that mappings are named from. No program of ours is
/// behind it.
const MAPPING_NAMES: &str = "mapping_names";

/// Returns a hook as the report has it.
pub fn hook(hook: &Attached) -> Hook {
    let reason = hook.reason.clone().unwrap_or_default();
    let via = hook.via.clone().unwrap_or_default();
    match hook.state {
        HookState::Attached => Hook::attached(hook.row.hook, via),
        HookState::Fallback => {
            Hook::fallback(hook.row.hook, via, reason, hook.row.lost_on_fallback)
        }
        HookState::Absent => Hook::absent(hook.row.hook, reason, hook.row.lost),
        HookState::LeftOut => Hook::left_out(hook.row.hook, hook.row.lost),
    }
}

/// Returns the whole hook table.
///
/// `interrupts_unknown` is why interrupts cannot be distinguished from tasks. `mapping_records`
/// tells whether the kernel's records of new mappings could be opened; `None` when they were not
/// wanted.
pub fn table(
    hooks: &[Attached],
    interrupts_unknown: Option<&str>,
    mapping_records: Option<Result<(), &str>>,
) -> Vec<Hook> {
    let mut table: Vec<Hook> = hooks.iter().map(hook).collect();
    if let Some(why) = interrupts_unknown {
        table.push(Hook::absent(
            "interrupts",
            why,
            "allocations by interrupts are charged to the task they interrupt",
        ));
    }
    match mapping_records {
        Some(Ok(())) => table.push(Hook::attached(MAPPING_NAMES, "perf_event_open mmap2")),
        Some(Err(why)) => table.push(Hook::fallback(
            MAPPING_NAMES,
            "/proc/PID/maps",
            why,
            "mappings of processes that end within some milliseconds have no name",
        )),
        None => {}
    }
    table
}

/// Returns whether a hook is attached in its exact form.
pub fn is_exact(hooks: &[Attached], name: &str) -> bool {
    state(hooks, name) == HookState::Attached
}

fn state(hooks: &[Attached], name: &str) -> HookState {
    hooks
        .iter()
        .find(|hook| hook.row.hook == name)
        .map_or(HookState::Absent, |hook| hook.state)
}

/// Returns the quantities that the attached hooks measure, without those that depend on the
/// machine; the kernel's names of reasons are left empty.
pub fn measured(hooks: &[Attached]) -> Measured {
    let exact = |name: &str| is_exact(hooks, name);
    let some = |name: &str| {
        let state = state(hooks, name);
        matches!(state, HookState::Attached | HookState::Fallback)
    };
    Measured {
        allocs: some(catalog::PAGE_ALLOC),
        first_touch: some(catalog::PAGE_FAULT),
        page_cache: some(catalog::PAGE_CACHE),
        touch_kinds: exact(catalog::PAGE_FAULT),
        hint_faults: exact(catalog::HINT_FAULT),
        page_migrations: some(catalog::PAGE_MIGRATION),
        migration_nodes: exact(catalog::PAGE_MIGRATION),
        task_moves: some(catalog::TASK_MOVE),
        run_ns: some(catalog::TASK_RUN),
        balancer: exact(catalog::BALANCER),
        vma_skips: exact(catalog::BALANCER_SKIP),
        oom_kills: some(catalog::OOM_KILL),
        reclaim: some(catalog::DIRECT_RECLAIM),
        alloc_failed: some(catalog::ALLOC_FAILED),
        hugetlb_failed: some(catalog::HUGETLB_FAILED),
        policy_refused: some(catalog::POLICY_REFUSED),
        cache_moves: false,
        migrate_reasons: Vec::new(),
        skip_reasons: Vec::new(),
    }
}

/// Returns the hooks that are missing for the totals to be the kernel's: name, and the events that
/// are lost.
pub fn missing_for_audit(hooks: &[Attached]) -> Vec<(String, String)> {
    hooks
        .iter()
        .filter(|hook| hook.row.accounts)
        .filter_map(|hook| {
            let lost = match hook.state {
                HookState::Attached => return None,
                HookState::Fallback => hook.row.lost_on_fallback,
                HookState::Absent | HookState::LeftOut => hook.row.lost,
            };
            Some((hook.row.hook.to_owned(), lost.to_owned()))
        })
        .collect()
}

/// Returns the bulk allocations that were not traced, where their hook is not in place: the pages
/// that the kernel counted and we did not.
pub fn bulk_unseen(cross_check: &[CrossCheck], hooks: &[Attached]) -> Option<u64> {
    let missing = hooks
        .iter()
        .any(|hook| hook.row.hook == catalog::ALLOC_BULK && hook.state != HookState::Attached);
    let pages = cross_check
        .iter()
        .find(|row| row.what == CrossCheckKind::Pages)?;
    let residual = pages.residual.filter(|_| missing)?;
    // The difference can be negative: compaction hands over pages that the kernel does not count.
    Some(u64::try_from(residual).unwrap_or(0))
}
