//! The clock of records and of process starts.

use std::time::Duration;

use anyhow::Context;
use nix::time::{ClockId, clock_gettime};

/// Returns the time of CLOCK_BOOTTIME, ns since boot. It includes time in suspend, as the start
/// times of processes do.
///
/// # Errors
/// clock_gettime(2) failed.
pub fn boot_ns() -> anyhow::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).context("cannot read the boot clock")?;
    Ok(u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
}
