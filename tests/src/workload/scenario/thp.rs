//! `thp`: transparent huge pages, bound to a node or from wherever the kernel takes them: one
//! allocation and one fault each, 512 base pages.

use anyhow::{Context, Result};

use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node to bind to [default: none, and small pages may come instead]
    #[arg(long)]
    node: Option<u32>,
    /// Huge pages
    #[arg(long)]
    count: usize,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
    /// Then move them to this node by move_pages(2), huge page by huge page
    #[arg(long)]
    move_to: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = args.node.map(|node| scene.nodes.memory(node)).transpose()?;
    let huge = huge_size()?;
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let each = huge / page_size();
    // One more than wanted, so that enough lie at huge page boundaries wherever the mapping begins.
    let region = Region::anonymous((args.count + 1) * each)?;
    region.advise(libc::MADV_HUGEPAGE)?;
    if let Some(node) = node {
        policy::set(&region, Mode::Bind, &[node])?;
    }
    let first = (region.start().next_multiple_of(huge) - region.start()) / page_size();

    let mut truth = scene.begin("thp")?;
    for i in 0..args.count {
        region.write(first + i * each, 1);
    }
    let found = scene
        .prober
        .region(&region, first..first + args.count * each)?;
    if let Some(to) = args.move_to {
        move_each(scene, &region, first, args.count, each, to)?;
        let moved = scene
            .prober
            .region(&region, first..first + args.count * each)?;
        truth.expect_all_on("huge pages moved", to, args.count * each, &moved);
        truth.detail("moved_to", to);
    }
    Scene::end(&mut truth)?;

    let backed = huge_bytes(region.start()..region.start() + region.len())?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    truth.detail("task_node", task_node);
    truth.detail("huge_bytes", backed);
    if let Some(node) = node {
        truth.expect_all_on("huge pages", node, args.count * each, &found);
        truth.expect(backed == args.count * huge, || {
            format!(
                "{backed} bytes are huge pages, should be {}",
                args.count * huge
            )
        });
        truth.detail("page_node", node);
    }
    truth.detail("huge_pages", args.count);
    truth.detail("pages_per_huge_page", each);
    Ok(truth)
}

/// Moves huge pages by their first addresses: a request per base page would find the other pages
/// already moving.
pub(super) fn move_each(
    scene: &mut Scene,
    region: &Region,
    first: usize,
    count: usize,
    each: usize,
    to: u32,
) -> Result<(), Trouble> {
    let to = scene.nodes.memory(to)?;
    for i in 0..count {
        let address = region.start() + (first + i * each) * page_size();
        scene.prober.move_to(0, address, 1, to)?;
    }
    Ok(())
}

/// Returns the bytes of a PMD-sized huge page, if `madvise` may ask for them.
pub(super) fn huge_size() -> Result<usize, Trouble> {
    let folder = "/sys/kernel/mm/transparent_hugepage";
    let enabled = std::fs::read_to_string(format!("{folder}/enabled")).unwrap_or_default();
    if enabled.is_empty() || enabled.contains("[never]") {
        return Err(Trouble::Unsupported(format!(
            "transparent huge pages are off; write madvise to {folder}/enabled"
        )));
    }
    let text = std::fs::read_to_string(format!("{folder}/hpage_pmd_size"))?;
    Ok(text.trim().parse().context("hpage_pmd_size")?)
}

/// Returns `AnonHugePages` of the mappings that lie inside `range`, in bytes, from
/// `/proc/self/smaps`.
pub(super) fn huge_bytes(range: std::ops::Range<usize>) -> Result<usize> {
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let (mut inside, mut kib) = (false, 0usize);
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, _)) = first
            .split_once('-')
            .filter(|(start, _)| !start.is_empty() && !first.ends_with(':'))
        {
            inside = usize::from_str_radix(start, 16).is_ok_and(|start| range.contains(&start));
        } else if inside && first == "AnonHugePages:" {
            kib += words
                .next()
                .context("AnonHugePages without a number")?
                .parse::<usize>()?;
        }
    }
    Ok(kib << 10)
}
