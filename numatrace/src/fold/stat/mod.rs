//! The arithmetic of `numatrace stat`: readings of /proc and /sys to the sections of a sample. No
//! I/O.

pub mod cgroup;
pub mod counters;
pub mod kinds;
pub mod meminfo;
pub mod placement;
pub mod pressure;
pub mod process;
pub mod room;
pub mod short;
pub mod since;
pub mod unexplained;

/// Returns a part as a share of the whole.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of sizes beyond 2^53 is right to 15 digits all the same"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
