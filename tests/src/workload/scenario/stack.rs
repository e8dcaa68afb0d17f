//! `stack`: grows the main thread's stack by recursion, one page a frame.

use crate::workload::memory::page_size;
use crate::workload::placement::{Placement, mapping_named};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;
use std::hint::black_box;

/// A frame larger than a page would skip pages.
const FRAME: usize = 3584;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages, at least; 8 MiB is the usual limit
    #[arg(long)]
    pages: usize,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK)?.0;
    let wanted = (args.pages * page_size()) as u64;
    if wanted + (1 << 20) > limit {
        return Err(Trouble::Unsupported(format!(
            "{} pages of stack exceed the limit of {limit} bytes; raise it by ulimit -s",
            args.pages
        )));
    }
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let before = probe(scene)?;
    // Start-up went deeper than this frame: the recursion passes the existing pages before it makes
    // new ones.
    let pages = args.pages + usize::try_from(before.present())?;

    let mut truth = scene.begin("stack")?;
    let depth = black_box(recurse((pages * page_size()).div_ceil(FRAME)));
    Scene::end(&mut truth)?;

    let after = probe(scene)?;
    let grown: Vec<u64> = after
        .per_node
        .iter()
        .zip(&before.per_node)
        .map(|(now, then)| now.saturating_sub(*then))
        .collect();
    let found = Placement {
        per_node: grown,
        absent: 0,
    };
    truth.touched(task_node, &found);
    truth.expect(found.present() >= args.pages as u64, || {
        format!(
            "the stack grew by {} of {} pages",
            found.present(),
            args.pages
        )
    });
    truth.detail("task_node", task_node);
    truth.detail("frames", depth);
    Ok(truth)
}

/// Returns where the pages of the main stack lie.
fn probe(scene: &mut Scene) -> Result<Placement, Trouble> {
    let range = mapping_named("[stack]")?;
    scene
        .prober
        .pages(0, range.start, range.len() / page_size())
}

#[inline(never)]
fn recurse(frames: usize) -> usize {
    let mut frame = [0u8; FRAME];
    black_box(&mut frame);
    if frames == 0 {
        return 0;
    }
    let deeper = recurse(frames - 1);
    // Used after the call, so that the call is no tail call and the frame stays.
    black_box(&frame);
    deeper + 1
}
