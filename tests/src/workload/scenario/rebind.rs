//! `rebind`: a worker touches its memory on one node, binds itself to a different one, and uses the
//! memory from there.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::unistd::gettid;

use crate::workload::memory::Region;
use crate::workload::nodes::Nodes;
use crate::workload::policy;
use crate::workload::scene::{Scene, now_ns};
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node it touches on
    #[arg(long)]
    from: u32,
    /// Node it binds itself to
    #[arg(long)]
    to: u32,
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Seconds of use afterwards
    #[arg(long)]
    secs: u64,
    /// Give the memory a policy for the new node first, by mbind(2), which moves nothing
    #[arg(long)]
    mbind: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.memory(args.from)?;
    let region = Region::anonymous(args.pages)?;
    // The worker begins on that node because it inherits the mask, not because it binds itself.
    scene.nodes.run_on(args.from)?;
    let nodes = &scene.nodes;
    let mut truth = scene.begin("rebind")?;
    let worked = thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("rebinder".into())
            .spawn_scoped(scope, || work(nodes, args, &region))?;
        worker.join().map_err(|_| anyhow!("a thread panicked"))?
    })?;
    Scene::end(&mut truth)?;
    truth.span("region", &region);
    truth.tids.push(worked.tid);
    truth.detail("worker_tid", worked.tid);
    truth.detail("bound_after_ns", worked.bound_ns);
    truth.detail("bound_before_ns", worked.bound_by_ns);
    Ok(truth)
}

struct Worked {
    tid: u32,
    /// Boot time right before and right after the worker bound itself.
    bound_ns: u64,
    bound_by_ns: u64,
}

fn work(nodes: &Nodes, args: &Args, region: &Region) -> Result<Worked> {
    region.write_all(0..region.pages());
    let bound_ns = now_ns()?;
    if args.mbind {
        policy::set(region, policy::Mode::Bind, &[args.to])
            .map_err(|trouble| anyhow!("cannot set a policy: {trouble:?}"))?;
    }
    nodes
        .run_on(args.to)
        .map_err(|trouble| anyhow!("cannot run on node {}: {trouble:?}", args.to))?;
    let bound_by_ns = now_ns()?;
    let end = Instant::now() + Duration::from_secs(args.secs);
    while Instant::now() < end {
        for page in 0..region.pages() {
            region.write(page, region.read(page).wrapping_add(1));
        }
    }
    Ok(Worked {
        tid: u32::try_from(gettid().as_raw())?,
        bound_ns,
        bound_by_ns,
    })
}
