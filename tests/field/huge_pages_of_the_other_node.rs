//! A task fails although the machine has free huge pages: they are in the pool of another node.
//!
//! Sources: "the task failed to start due to the inability to allocate hugepages. Possibly due to
//! insufficient hugepages on a certain numa node", <https://github.com/Atoptool/atop/pull/287>;
//! SIGBUS with 2,048 pages in the pool,
//! <https://github.com/cloud-hypervisor/cloud-hypervisor/issues/7387>.

use super::launched;
use crate::two_nodes_or_skip;

#[test]
fn a_bus_error_names_the_empty_pool_and_the_one_with_free_pages() {
    let (a, b) = two_nodes_or_skip!();
    let (node, other) = (format!("--node={b}"), format!("--other={a}"));
    let report = launched(&[
        "hugetlb-empty",
        &node,
        "--pool=0",
        &other,
        "--other-pool=12",
        "--count=4",
    ]);
    report.says(&format!("pool of node {b} was empty: 1 fault of"));
    report.says(&format!("failed (SIGBUS); node {a} had 12 free"));
}
