//! `hugetlb`: fills a node's huge page pool, faults the pages in, and empties the pool. Filling
//! allocates; faulting does not.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::thp::move_each;
use crate::workload::memory::{Region, page_size};
use crate::workload::placement::Placement;
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node whose pool to fill
    #[arg(long)]
    node: u32,
    /// Huge pages
    #[arg(long)]
    count: u64,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
    /// Leave the policy as it is: they come from the one pool that has some
    #[arg(long)]
    unbound: bool,
    /// Then move them to this node by move_pages(2), huge page by huge page
    #[arg(long)]
    move_to: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    let huge = default_size()?;
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;

    let mut truth = scene.begin("hugetlb")?;
    let pool = Pool::open(node, huge)?;
    let before = pool.before;
    pool.resize(before + args.count)?;
    let filled = pool.size()?;
    if filled < before + args.count {
        return Err(Trouble::Unsupported(format!(
            "node {node} has room for {} more huge pages, not {}",
            filled - before,
            args.count
        )));
    }
    let bytes = huge * usize::try_from(args.count)?;
    let region = Region::hugetlb(bytes)?;
    if !args.unbound {
        policy::set(&region, Mode::Bind, &[node])?;
    }
    let each = huge / page_size();
    for i in 0..bytes / huge {
        region.write(i * each, 1);
    }
    let found = placed(scene, &region, huge)?;
    // A page that moved stays in the pool of its new node: that pool is set back at the end too.
    let mut target = None;
    if let Some(to) = args.move_to {
        target = Some(Pool::open(to, huge)?);
        move_each(scene, &region, 0, bytes / huge, each, to)?;
        let moved = placed(scene, &region, huge)?;
        truth.expect_all_on("huge pages moved", to, bytes / page_size(), &moved);
        truth.detail("moved_to", to);
    }
    Scene::end(&mut truth)?;

    truth.touched(task_node, &found);
    truth.span("region", &region);
    truth.expect_all_on("huge pages", node, bytes / page_size(), &found);
    drop(region);
    drop(target);
    pool.resize(before)?;
    let after = pool.size()?;
    truth.expect(after == before, || {
        format!("the pool had {before} pages, and has {after} after emptying")
    });
    truth.detail("task_node", task_node);
    truth.detail("page_node", node);
    truth.detail("huge_pages", args.count);
    truth.detail("pages_per_huge_page", each);
    truth.detail("pool_before", before);
    truth.detail("pool_filled", filled);
    truth.detail("pool_after", after);
    Ok(truth)
}

/// Returns where the huge pages of a region lie, in base pages.
pub(super) fn placed(scene: &Scene, region: &Region, huge: usize) -> Result<Placement> {
    let online = scene.nodes.online();
    let mut found = Placement {
        per_node: vec![0; online.len()],
        absent: 0,
    };
    for start in (region.start()..region.start() + region.len()).step_by(huge) {
        let lies = policy::node_of(start)?;
        let at = online
            .iter()
            .position(|&n| n == lies)
            .context("a huge page lies on an offline node")?;
        found.per_node[at] += (huge / page_size()) as u64;
    }
    Ok(found)
}

/// Returns the bytes of the default huge page.
pub(super) fn default_size() -> Result<usize, Trouble> {
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"));
    let Some(line) = line else {
        return Err(Trouble::Unsupported(
            "the kernel has no hugetlb pages".into(),
        ));
    };
    let kib: usize = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .context("Hugepagesize")?;
    Ok(kib << 10)
}

/// A node's pool, set back to its previous size on drop.
pub(super) struct Pool {
    path: PathBuf,
    pub(super) before: u64,
}

impl Pool {
    pub(super) fn open(node: u32, huge: usize) -> Result<Self> {
        let path = PathBuf::from(format!(
            "/sys/devices/system/node/node{node}/hugepages/hugepages-{}kB/nr_hugepages",
            huge >> 10
        ));
        let mut pool = Self { path, before: 0 };
        pool.before = pool.size()?;
        Ok(pool)
    }

    pub(super) fn size(&self) -> Result<u64> {
        let text = std::fs::read_to_string(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(text.trim().parse()?)
    }

    pub(super) fn resize(&self, to: u64) -> Result<()> {
        let done = std::fs::write(&self.path, to.to_string());
        ensure!(
            done.is_ok(),
            "cannot resize the huge page pool {} to {to}: {done:?}; root may",
            self.path.display()
        );
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Err(error) = self.resize(self.before) {
            eprintln!("workload: {error:#}");
        }
    }
}
