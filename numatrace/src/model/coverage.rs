//! What the session saw, and what it knows it did not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of records and of losses. Totals do not depend on records: a lost record costs detail, not sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Records that reached us.
    pub records: Option<u64>,
    /// Records for which the ring had no room.
    pub records_lost: Option<u64>,
    /// Runs of our programs that the kernel skipped because one was active on that CPU.
    pub recursion_misses: Option<u64>,
    /// Records of mappings as they are made (`PERF_RECORD_MMAP2`) that were lost; `None` where there are none.
    #[serde(default)]
    pub mapping_records_lost: Option<u64>,
    /// Records that were malformed.
    pub rejected: Option<u64>,
    /// Pages whose process or mapping is unknown.
    pub unattributed: Option<u64>,
    /// `records_lost` by kind of record.
    #[serde(default)]
    pub lost_by_kind: BTreeMap<String, u64>,
    /// `unattributed` by reason.
    #[serde(default)]
    pub unattributed_by_reason: BTreeMap<String, u64>,
    /// Entries that a bounded table had no room for, by table; their counts are in `[overflow]`.
    #[serde(default)]
    pub full_tables: BTreeMap<String, u64>,
    /// Things that happened when the list of them was full: they are in no incident.
    #[serde(default)]
    pub untold: u64,
    /// Runs that the kernel skipped and a second copy of the program made up for.
    #[serde(default)]
    pub caught_by_twin: u64,
    /// Events counted with less than certainty, by what is uncertain.
    #[serde(default)]
    pub uncertain: BTreeMap<String, u64>,
    /// Why the recording that this is the report of holds less than its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

impl Coverage {
    /// Adds pages to those whose process or mapping is unknown, and says why.
    pub fn unattributed(&mut self, reason: &str, pages: u64) {
        if pages > 0 {
            *self.unattributed.get_or_insert(0) += pages;
            *self
                .unattributed_by_reason
                .entry(reason.into())
                .or_default() += pages;
        }
    }

    /// Everything measured, nothing seen, nothing lost. `Coverage::default()` is the opposite: nothing measured.
    #[must_use]
    pub fn zeros() -> Self {
        Self {
            records: Some(0),
            records_lost: Some(0),
            recursion_misses: Some(0),
            mapping_records_lost: Some(0),
            rejected: Some(0),
            unattributed: Some(0),
            ..Self::default()
        }
    }
}
