//! Headers and legends: each quantity has one header in every table and one sentence behind it.
//!
//! Numbers that only a part of a report has are [`Part`]s: they have a header and a meaning, but
//! `--fail-if` cannot ask for them. All other headers of tables are in [`IDENTIFYING`].

use super::{ALL, Quantity, Unit};

/// A number of a part of a report: of a mapping, a file, a class of allocations, a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Header of the column.
    pub header: &'static str,
    /// Meaning, for legends.
    pub what: &'static str,
}

const fn part(header: &'static str, what: &'static str) -> Part {
    Part { header, what }
}

/// Memory of a node.
pub const NODE_MEMORY: Part = part("memory MiB", "memory of the node");
/// Free memory of a node.
pub const NODE_FREE: Part = part("free", "free memory of the node");
/// Memory that reclaim can free.
pub const NODE_RECLAIMABLE: Part = part("reclaimable", "memory that reclaim can free without swap");
/// Pages of a mapping that went back and forth.
pub const MOVED_BACK: Part = part(
    "moved back MiB",
    "pages migrated back to a node they had come from, counted each time",
);
/// Page cache filled by a process.
pub const FILLED: Part = part(
    "filled MiB",
    "page cache that this process brought in; it stays for later users of the file",
);
/// Part of [`FILLED`].
pub const FILLED_BY_CALLS: Part = part("by calls MiB", "by read(2), write(2) and read-ahead");
/// Part of [`FILLED`].
pub const FILLED_BY_FAULTS: Part = part("by faults MiB", "by page faults in mappings");
/// Allocations by size and use, in the order of [`ByClass::named`](crate::model::ByClass::named).
pub const CLASSES: [Part; 6] = [
    part("4K", "one base page for a user or the page cache"),
    part("large", "a larger folio"),
    part("THP", "a transparent huge page"),
    part("hugetlb", "a huge page for the hugetlb pool"),
    part("page tables", "page tables of users"),
    part("kernel", "slabs, stacks and buffers of the kernel"),
];
/// Work of NUMA balancing in a thread: scans, their time, page table entries, time in faults, and
/// the part of it that migrated pages.
pub const BALANCING: [Part; 5] = [
    part("scans", "scans of memory"),
    part("scan time", "time of the scans"),
    part("PTEs changed", "page table entries made to fault"),
    part("fault time", "time in hint faults, including migration"),
    part(
        "migration time",
        "part of the fault time that migrated pages",
    ),
];
/// Columns of the audit.
pub const AUDIT: [Part; 3] = [
    part("by kernel", "growth of the kernel's counter"),
    part("traced", "counted by numatrace"),
    part("residual", "kernel minus traced"),
];
/// Columns of a comparison of one quantity.
pub const COMPARISON: [Part; 6] = [
    part("before", "value in the first report"),
    part("after", "value in the second report"),
    part("change", "after minus before"),
    part("verdict", "meaning of the change"),
    part("p", "probability of such a change by chance"),
    part("samples", "events behind the two values"),
];
/// Size of a mapping.
pub const SIZE: Part = part("size MiB", "size of the mapping");
/// Start of an absence.
pub const LEFT_AT: Part = part("at s", "seconds since the session began");
/// Length of an absence.
pub const AWAY: Part = part("away ms", "length of the absence");
/// Memory of the process on the node that a thread left.
pub const LEFT_BEHIND: Part = part("left MiB", "memory of the process on the node it left");
/// CPU time of a thread on each node.
pub const CPU_BY_NODE: Part = part(
    "CPU % by node",
    "CPU time on each node; 100 is one CPU, all the time",
);
/// Share of a node's allocations that preferred it.
pub const HIT_SHARE: Part = part("hit %", "share of a node's allocations that preferred it");
/// Distance from an even distribution over nodes.
pub const IMBALANCE: Part = part(
    "imbalance",
    "share of the allocations that would have to move to a different node for all nodes to serve \
     equally many",
);

/// Every part.
pub fn parts() -> impl Iterator<Item = Part> {
    [
        NODE_MEMORY,
        NODE_FREE,
        NODE_RECLAIMABLE,
        MOVED_BACK,
        FILLED,
        FILLED_BY_CALLS,
        FILLED_BY_FAULTS,
        SIZE,
        LEFT_AT,
        AWAY,
        LEFT_BEHIND,
        CPU_BY_NODE,
        HIT_SHARE,
        IMBALANCE,
    ]
    .into_iter()
    .chain(CLASSES)
    .chain(BALANCING)
    .chain(AUDIT)
    .chain(COMPARISON)
}

/// Headers of columns that identify a row or say something in words, without a number of their own.
/// A column per node has the node's number in addition: `on 0`, `now on 0`, `% on 0`, `node 0`.
pub const IDENTIFYING: [&str; 25] = [
    "",
    "PID",
    "TID",
    "process",
    "thread",
    "node",
    "nodes",
    "CPUs",
    "mapping",
    "at",
    "file",
    "by",
    "counter",
    "quantity",
    "row",
    "column",
    "on",
    "now on",
    "% on",
    "mostly on",
    "used from",
    "why remote",
    "reason",
    "back",
    "time",
];

impl Quantity {
    /// Returns the header of a column of values: pages are shown in MiB.
    #[must_use]
    pub fn header(&self) -> String {
        match self.unit {
            Unit::Pages => format!("{} MiB", self.header),
            _ => self.header.to_owned(),
        }
    }

    /// Returns the header of a column of rates per second. Rates of pages are in pages; the rate of
    /// CPU time is in percent of one CPU.
    #[must_use]
    pub fn header_per_s(&self) -> String {
        match self.header {
            "CPU s" => "CPU %".to_owned(),
            header => format!("{header}/s"),
        }
    }
}

/// Returns the header of a quantity by name, as [`Quantity::header`].
#[must_use]
pub fn header(name: &str) -> String {
    super::find(name).map_or_else(|| name.to_owned(), Quantity::header)
}

/// Returns the header of a quantity's rate by name, as [`Quantity::header_per_s`].
#[must_use]
pub fn header_per_s(name: &str) -> String {
    super::find(name).map_or_else(|| name.to_owned(), Quantity::header_per_s)
}

/// Explains columns in one sentence: `remote: …; remote %: …`.
#[must_use]
pub fn legend(names: &[&str]) -> String {
    let known = names.iter().filter_map(|name| super::find(name));
    let words: Vec<String> = known
        .map(|quantity| format!("{}: {}", quantity.header, quantity.what))
        .collect();
    words.join("; ")
}

/// Explains columns of parts in one sentence.
#[must_use]
pub fn legend_of_parts(parts: &[Part]) -> String {
    let words: Vec<String> = parts
        .iter()
        .map(|part| format!("{}: {}", part.header, part.what))
        .collect();
    words.join("; ")
}

/// Returns whether a table may have this header: it is a quantity's, a part's, or identifies rows.
#[must_use]
pub fn is_known(header: &str) -> bool {
    // A column per node ends in the node's number.
    let plain = header.trim_end_matches(|c: char| c.is_ascii_digit());
    let per_node = plain.len() < header.len() && plain.ends_with(' ');
    let identifying = if per_node { plain.trim_end() } else { header };
    IDENTIFYING.contains(&identifying)
        || parts().any(|part| part.header == header)
        || ALL
            .iter()
            .any(|quantity| quantity.header() == header || quantity.header_per_s() == header)
}
