//! The kernel's own counters, read independently of the tracer: `/proc/vmstat`, per-node
//! `numastat`, `schedstat`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// The counters of one file by name, in the unit that the kernel uses for that name.
pub type Counters = BTreeMap<String, u64>;

/// Parses lines of `name value`, as in `/proc/vmstat` and `nodeN/numastat`. Lines of a different
/// shape are skipped.
#[must_use]
pub fn parse(text: &str) -> Counters {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        })
        .collect()
}

/// Returns `/proc/vmstat`: events and states of the whole system since boot.
///
/// # Errors
/// The file cannot be read.
pub fn vmstat() -> Result<Counters> {
    read(Path::new("/proc/vmstat"))
}

/// Returns `nodeN/numastat`: allocations (not pages) since boot. Each read folds the kernel's
/// per-CPU counters, so keep reads rare.
///
/// # Errors
/// The node does not exist.
pub fn numastat(node: u32) -> Result<Counters> {
    read(&Path::new("/sys/devices/system/node").join(format!("node{node}/numastat")))
}

/// The thread is gone. field of its `schedstat`).
///
/// # Errors
/// When the thread is gone.
pub fn run_ns(pid: u32, tid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/task/{tid}/schedstat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text
        .split_whitespace()
        .next()
        .with_context(|| format!("{path} is empty"))?;
    first
        .parse()
        .with_context(|| format!("{path} begins with {first:?}, which is no number"))
}

/// How much each counter grew from `before` to `after`; a counter that went backwards (it was
/// reset) is left out.
#[must_use]
pub fn growth(before: &Counters, after: &Counters) -> Counters {
    after
        .iter()
        .filter_map(|(name, now)| {
            Some((
                name.clone(),
                now.checked_sub(before.get(name).copied().unwrap_or(0))?,
            ))
        })
        .collect()
}

fn read(path: &Path) -> Result<Counters> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_number_are_skipped() {
        let counters = parse("numa_hit 12\nnr_free_pages\n\nnuma_miss x\nlocal_node 7\n");
        assert_eq!(
            counters,
            Counters::from([("numa_hit".into(), 12), ("local_node".into(), 7)])
        );
    }

    #[test]
    fn growth_counts_from_zero_for_new_names_and_drops_resets() {
        let before = Counters::from([("a".into(), 5), ("reset".into(), 9)]);
        let after = Counters::from([("a".into(), 8), ("new".into(), 2), ("reset".into(), 1)]);
        assert_eq!(
            growth(&before, &after),
            Counters::from([("a".into(), 3), ("new".into(), 2)])
        );
    }
}
