//! Arguments of `numatrace topology`.

use clap::Args;

use super::Format;

/// Show nodes, CPUs, memory, distances and the NUMA settings in force.
///
/// The first lines are those of `numactl -H`. Nodes without CPUs or without memory are named as
/// such, and each setting says in a few words what its value implies. Needs no privileges; facts
/// that only root may read are listed as missing.
#[derive(Args, Clone, Debug, Default)]
pub struct TopologyArgs {
    /// Output format: text, or one JSON document of schema numatrace.topology/1
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Show what this process may use instead of numatrace's own limits: affinity, allowed nodes,
    /// cpuset
    #[arg(short, long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Print CPUs as ranges (0-3,8) instead of one by one
    #[arg(long)]
    pub cpu_compress: bool,
}
