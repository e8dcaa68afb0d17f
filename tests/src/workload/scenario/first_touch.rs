//! `first-touch`: one thread writes memory on one node, workers use it from a different one under
//! the default policy, so that the balancer may move it.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::counters;
use crate::workload::crew::{Shift, Worked, join, named, pin, tid};
use crate::workload::memory::Region;
use crate::workload::nodes::Nodes;
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node whose CPU writes first
    #[arg(long)]
    init_node: u32,
    /// Node whose CPUs use the memory
    #[arg(long)]
    use_node: u32,
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Threads that use it
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Threads that use it on the node of the first touch meanwhile
    #[arg(long, default_value_t = 0)]
    home_threads: usize,
    /// Seconds of use
    #[arg(long)]
    secs: u64,
    /// Let the workers run on any node once they have begun
    #[arg(long)]
    free: bool,
    /// Keep the pages where they are, so that the balancer has only the workers to move
    #[arg(long)]
    keep: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.memory(args.init_node)?;
    let region = Region::anonymous(args.pages)?;
    if args.keep {
        policy::set(&region, Mode::BindScanned, &[args.init_node])?;
    }

    // The prober reads pages that the balancer has marked: from a different node they would follow
    // it.
    scene.nodes.run_on(args.init_node)?;
    let nodes = &scene.nodes;

    let mut truth = scene.begin("first-touch")?;
    let init_tid = thread::scope(|scope| {
        join(named("init").spawn_scoped(scope, || init(nodes, args.init_node, &region))?)
    })?;
    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(args.init_node, &found);
    truth.expect_all_on("after the first touch", args.init_node, args.pages, &found);

    let before = counters::vmstat()?;
    let start = Barrier::new(args.threads + args.home_threads);
    let away = Shift {
        node: args.use_node,
        free: args.free,
        length: Duration::from_secs(args.secs),
    };
    let at_home = Shift {
        node: args.init_node,
        ..away
    };
    let shifts = std::iter::repeat_n(away, args.threads);
    let shifts = shifts.chain(std::iter::repeat_n(at_home, args.home_threads));
    let (start, region_of_all) = (&start, &region);
    let crew = thread::scope(|scope| -> Result<Vec<Worked>> {
        let workers = shifts
            .map(|shift| {
                let work = move || shift.work(nodes, start, region_of_all);
                Ok(named("worker").spawn_scoped(scope, work)?)
            })
            .collect::<Result<Vec<_>>>()?;
        workers.into_iter().map(join).collect()
    })?;
    Scene::end(&mut truth)?;
    let grown = counters::growth(&before, &counters::vmstat()?);

    let end = scene.prober.region(&region, 0..args.pages)?;
    truth.span("region", &region);
    truth.expect(end.present() == args.pages as u64, || {
        format!(
            "{} of {} pages are there at the end",
            end.present(),
            args.pages
        )
    });
    truth.tids.push(init_tid);
    truth.tids.extend(crew.iter().map(|worker| worker.tid));
    truth.detail("init_tid", init_tid);
    truth.detail("workers", serde_json::to_value(crew)?);
    truth.detail("placement_end", end.per_node);
    // Counters of the whole system, while the workers ran.
    for name in [
        "numa_hint_faults",
        "numa_hint_faults_local",
        "numa_pages_migrated",
        "numa_pte_updates",
    ] {
        truth.detail(name, grown.get(name).copied());
    }
    Ok(truth)
}

fn init(nodes: &Nodes, node: u32, region: &Region) -> Result<u32> {
    pin(nodes, node)?;
    region.write_all(0..region.pages());
    tid()
}
