//! Full tables: each loses something different. Only the table of totals has an overflow bucket.

use crate::model::number;
use crate::output::escape;

/// Says what a table without room lost, `times` times. The names are those of
/// [`Coverage::full_tables`](crate::model::Coverage::full_tables).
pub fn full(table: &str, times: u64) -> String {
    let many = |noun: &str| number::plural(times, noun);
    let lost = match table {
        "totals" => format!(
            "{} counted in [overflow], without their process",
            many("event")
        ),
        "scope" => format!(
            "{} to take a child process into the scope failed, and its events count as \
             [out of scope]",
            many("attempt")
        ),
        "movers" => format!(
            "{} of threads not remembered. Moves are counted, but ping-pong and reasons such as \
             exec, affinity and NUMA balancing may be missing",
            many("event")
        ),
        "parked faults" => format!(
            "{} forgotten when the task was switched out. Pages made afterwards do not count as \
             touched",
            many("page fault")
        ),
        "balancer times" => format!(
            "{} of NUMA balancing neither counted nor timed",
            many("scan or hint fault")
        ),
        "mapping names" => format!("{} without a name", many("mapping")),
        "readings of memory" => format!(
            "{} of where a process's memory lies not kept",
            many("reading")
        ),
        _ => format!("no room for {} more", number::grouped(times)),
    };
    format!(
        "The table of {} was full: {lost}.",
        escape::text(table.as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_totals_have_an_overflow_bucket() {
        for table in [
            "totals",
            "scope",
            "movers",
            "parked faults",
            "balancer times",
            "mapping names",
            "readings of memory",
            "some other",
        ] {
            let text = full(table, 1_234);
            assert_eq!(text.contains("[overflow]"), table == "totals", "{text}");
            assert!(text.contains("1,234"), "{text}");
        }
    }
}
