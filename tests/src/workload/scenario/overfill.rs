//! `overfill`: a child that is bound to a node writes memory there, as much as wanted or until the
//! kernel kills it.

use anyhow::Result;
use serde_json::json;

use crate::workload::memory::Region;
use crate::workload::policy::{self, Mode};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// Bytes of a MiB in base pages.
const PER_MIB: usize = 256;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node that the child is bound to
    #[arg(long)]
    node: u32,
    /// MiB that it writes; more than the node has, to have it killed
    #[arg(long)]
    mib: usize,
    /// Bind the memory by mbind(2) instead of the thread by set_mempolicy(2)
    #[arg(long)]
    mbind: bool,
    /// Do it in this very process, which tells nothing when it is killed
    #[arg(long)]
    alone: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    let mut truth = scene.begin("overfill")?;
    if args.alone {
        fill(args)?;
        Scene::end(&mut truth)?;
        return Ok(truth);
    }
    let helper = Helper::fork(|| fill(args))?;
    let pid = helper.pid()?;
    let signal = helper.end()?;
    Scene::end(&mut truth)?;
    truth.detail("child", pid);
    truth.detail("node", node);
    truth.detail("signal", signal.map_or(json!(null), |signal| json!(signal)));
    Ok(truth)
}

/// The child's part.
fn fill(args: &Args) -> Result<(), Trouble> {
    // The process that fills the node is to be killed, and nobody else on it.
    std::fs::write("/proc/self/oom_score_adj", "1000")?;
    let region = Region::anonymous(args.mib * PER_MIB)?;
    if args.mbind {
        policy::set(&region, Mode::Bind, &[args.node])?;
    } else {
        policy::set_thread(Mode::Bind, &[args.node])?;
    }
    region.write_all(0..args.mib * PER_MIB);
    Ok(())
}
