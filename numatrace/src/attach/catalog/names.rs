//! Names of hooks, as reports and `--hooks` have them, and of the programs that other code looks
//! up.

/// Allocations one by one: most other hooks depend on it.
pub const PAGE_ALLOC: &str = "page_alloc";
/// The fallback program of [`PAGE_ALLOC`]. Also counts first touches where those use their
/// fallback.
pub const ALLOC_FALLBACK: &str = "page_alloc_fallback";
/// Names of processes, and scope.
pub const TASK_LIFE: &str = "task_life";
/// Bulk allocations.
pub const ALLOC_BULK: &str = "page_alloc_bulk";
/// Memory policies behind allocations.
pub const ALLOC_POLICY: &str = "page_alloc_policy";
/// First touches: user pages that page faults make.
pub const PAGE_FAULT: &str = "page_fault";
/// Fills of the page cache.
pub const PAGE_CACHE: &str = "page_cache";
/// Fills of tmpfs and other shared memory.
pub const SHMEM_FILL: &str = "shmem_fill";
/// Copies by userfaultfd.
pub const USERFAULT: &str = "userfault";
/// Pages that compaction captures.
pub const PAGE_CAPTURED: &str = "page_captured";
/// First touches from the hugetlb pool.
pub const HUGETLB_FAULT: &str = "page_fault_hugetlb";
/// NUMA hinting faults: accesses that the NUMA balancer samples.
pub const HINT_FAULT: &str = "hint_fault";
/// The cost of NUMA balancing.
pub const BALANCER: &str = "balancer";
/// Mappings that NUMA balancing skips.
pub const BALANCER_SKIP: &str = "balancer_skip";
/// Pages moved between nodes.
pub const PAGE_MIGRATION: &str = "page_migration";
/// Tasks that change their CPU.
pub const TASK_MOVE: &str = "task_move";
/// Threads that are bound.
pub const TASK_BIND: &str = "task_bind";
/// CPU time by node.
pub const TASK_RUN: &str = "task_run";
/// The program of [`TASK_RUN`] that userspace runs on each CPU.
pub const TASK_RUN_NOW: &str = "task_run_now";
/// Processes killed because memory is short.
pub const OOM_KILL: &str = "oom_kill";
/// Searches for memory by threads that need some.
pub const DIRECT_RECLAIM: &str = "direct_reclaim";
/// Allocations that fail for good.
pub const ALLOC_FAILED: &str = "alloc_failed";
/// Huge pages that a pool cannot give.
pub const HUGETLB_FAILED: &str = "hugetlb_failed";
/// Refused calls about memory policy and CPU affinity.
pub const POLICY_REFUSED: &str = "policy_refused";
/// Such calls that a seccomp filter refuses.
pub const POLICY_SECCOMP: &str = "policy_seccomp";
/// The instant of the kernel's own sums.
pub const NUMASTAT_FOLD: &str = "numastat_fold";
