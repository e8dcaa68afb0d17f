//! Causes of remote allocations in words.

/// Returns a cause, by its field name in a report, in words that are short enough for a cell.
#[must_use]
pub fn in_words(cause: &str) -> &'static str {
    match cause {
        "policy" => "policy",
        "fallback" => "node full",
        "cpuset" => "cpuset",
        "memoryless" => "memoryless node",
        "kernel_node" => "kernel's choice",
        "task_moved" => "task moved",
        _ => "unknown",
    }
}
