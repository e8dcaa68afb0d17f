//! `first-touch`: one thread writes memory on one node, workers use it on another under the default policy, so that the balancer may move it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::unistd::gettid;

use crate::counters;
use crate::workload::memory::Region;
use crate::workload::nodes::Nodes;
use crate::workload::scene::Scene;
use crate::workload::told::{Told, Trouble};

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
    /// Seconds of use
    #[arg(long)]
    secs: u64,
    /// Let the workers run on any node once they have begun
    #[arg(long)]
    free: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<Told, Trouble> {
    scene.nodes.memory(args.init_node)?;
    let region = Region::anonymous(args.pages)?;
    let nodes = &scene.nodes;

    let mut told = scene.begin("first-touch")?;
    let init_tid = thread::scope(|scope| {
        join(named("init").spawn_scoped(scope, || init(nodes, args.init_node, &region))?)
    })?;
    let found = scene.prober.region(&region, 0..args.pages)?;
    told.touched(args.init_node, &found);
    told.expect_all_on("after the first touch", args.init_node, args.pages, &found);

    let before = counters::vmstat()?;
    let crew = Crew {
        start: Barrier::new(args.threads),
        tids: (0..args.threads).map(|_| AtomicU32::new(0)).collect(),
        passes: AtomicU64::new(0),
    };
    thread::scope(|scope| -> Result<()> {
        let workers = (0..args.threads)
            .map(|i| {
                let (region, crew) = (&region, &crew);
                Ok(named("worker")
                    .spawn_scoped(scope, move || crew.work(i, nodes, args, region))?)
            })
            .collect::<Result<Vec<_>>>()?;
        workers.into_iter().try_for_each(join)
    })?;
    Scene::end(&mut told)?;
    let grown = counters::growth(&before, &counters::vmstat()?);

    let end = scene.prober.region(&region, 0..args.pages)?;
    told.span("region", &region);
    told.expect(end.present() == args.pages as u64, || {
        format!(
            "{} of {} pages are there at the end",
            end.present(),
            args.pages
        )
    });
    let tids: Vec<u32> = crew
        .tids
        .iter()
        .map(|tid| tid.load(Ordering::Relaxed))
        .collect();
    told.tids.push(init_tid);
    told.tids.extend(&tids);
    told.detail("init_tid", init_tid);
    told.detail("worker_tids", tids);
    told.detail("passes", crew.passes.load(Ordering::Relaxed));
    told.detail("placement_end", end.per_node);
    // Of the whole system, while the workers ran.
    for name in [
        "numa_hint_faults",
        "numa_hint_faults_local",
        "numa_pages_migrated",
        "numa_pte_updates",
    ] {
        told.detail(name, grown.get(name).copied());
    }
    Ok(told)
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

fn tid() -> Result<u32> {
    Ok(u32::try_from(gettid().as_raw())?)
}

fn pin(nodes: &Nodes, node: u32) -> Result<()> {
    nodes
        .run_on(node)
        .map_err(|trouble| anyhow!("cannot run on node {node}: {trouble:?}"))
}

fn init(nodes: &Nodes, node: u32, region: &Region) -> Result<u32> {
    pin(nodes, node)?;
    region.write_all(0..region.pages());
    tid()
}

struct Crew {
    start: Barrier,
    tids: Vec<AtomicU32>,
    passes: AtomicU64,
}

impl Crew {
    /// Uses every page until the time is over: an access per page and pass is what a hinting fault samples.
    fn work(&self, i: usize, nodes: &Nodes, args: &Args, region: &Region) -> Result<()> {
        let pinned = pin(nodes, args.use_node);
        // Passed by all or by none, also when pinning failed.
        self.start.wait();
        pinned?;
        self.tids[i].store(tid()?, Ordering::Relaxed);
        if args.free {
            nodes.run_anywhere()?;
        }
        let end = Instant::now() + Duration::from_secs(args.secs);
        while Instant::now() < end {
            for page in 0..region.pages() {
                region.write(page, region.read(page).wrapping_add(1));
            }
            self.passes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
