//! One thread fills the memory of all, and NUMA balancing, whose samples would show who uses it, is
//! switched off.
//!
//! Sources: serial first touch puts the whole heap on one node,
//! <https://github.com/chapel-lang/chapel/pull/17405>; users switch balancing off for its stalls,
//! <https://github.com/redis/redis/issues/8774>.

use numatrace_tests::harness::balancer::Balancer;

use super::attached;
use crate::two_nodes_or_skip;

#[test]
fn first_touch_elsewhere_is_told_by_cpu_time_where_nothing_is_sampled() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let (init, users) = (format!("--init-node={b}"), format!("--use-node={a}"));
    let (report, pid) = attached(&[
        "first-touch",
        &init,
        &users,
        "--pages=12288",
        "--threads=2",
        "--secs=4",
    ]);
    report.says(&format!("critical: workload ({pid}) touched"));
    report.says(&format!("MiB on node {b} first, and it ran"));
    report.says(&format!("% of its CPU time on node {a}"));
    report.says("no sampled accesses (NUMA balancing is off)");
    report.says("called by init (first_touch.rs:");
}
