//! NUMA hinting faults: sampled accesses, by node of the thread and node of the page.

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;

/// The kernel's own sample of memory accesses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintFaults {
    /// Faults, `[task node][page node before any migration]`; off the diagonal are remote accesses.
    pub matrix: Option<Matrix>,
    /// Base pages that NUMA balancing migrated because of these faults.
    #[serde(default)]
    pub migrated: Option<u64>,
}
