//! `move-pages`: pages moved between nodes by move_pages(2), by their owner or by another process.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use nix::unistd::pipe;

use crate::workload::memory::Region;
use crate::workload::policy::{self, Mode};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::{GroundTruth, Member};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Node they begin on
    #[arg(long)]
    from: u32,
    /// Node they are to go to
    #[arg(long)]
    to: u32,
    /// A child owns the pages, its parent moves them
    #[arg(long)]
    other_process: bool,
    /// Pages that lie in a pipe meanwhile, so that they cannot be moved; a pipe holds 16
    #[arg(long, default_value_t = 0, conflicts_with = "other_process")]
    lent: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.memory(args.from)?;
    scene.nodes.memory(args.to)?;
    let region = Region::anonymous(args.pages)?;
    // Bound, so that the balancer leaves the pages alone; an explicit move does not ask the policy.
    policy::set(&region, Mode::Bind, &[args.from])?;

    let mut truth = scene.begin("move-pages")?;
    let task_node = scene.nodes.here()?;
    scene.nodes.run_on(task_node)?;
    let mut owner = if args.other_process {
        Some(Owner::fork(&region)?)
    } else {
        None
    };
    let target = match &owner {
        Some(owner) => i32::try_from(owner.helper.pid()?)?,
        None => {
            region.write_all(0..args.pages);
            0
        }
    };
    let found = scene.prober.pages(target, region.start(), args.pages)?;
    let (keep, lend) = pipe().context("cannot make a pipe")?;
    if args.lent > 0 {
        region.lend(args.lent, lend.as_fd())?;
    }
    let mut moved = scene
        .prober
        .move_to(target, region.start(), args.pages, args.to)?;
    Scene::end(&mut truth)?;

    let end = scene.prober.pages(target, region.start(), args.pages)?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    truth.expect_all_on("before the move", args.from, args.pages, &found);
    drop((keep, lend));
    if args.lent == 0 {
        truth.expect_all_on("after the move", args.to, args.pages, &end);
    } else {
        // When some stay, the kernel returns how many and not which; their places show it.
        moved = truth
            .nodes
            .iter()
            .position(|node| *node == args.to)
            .map_or(0, |at| end.per_node[at]);
        let stayed = (args.pages as u64).saturating_sub(moved);
        truth.expect(stayed == args.lent as u64, || {
            format!("{stayed} pages stayed, {} were lent", args.lent)
        });
    }
    let owner_pid = if let Some(owner) = owner.take() {
        let pid = owner.helper.pid()?;
        truth.members.push(Member {
            pid,
            parent: truth.pid,
            tids: vec![pid],
            placement: found.per_node,
        });
        owner.release()?;
        pid
    } else {
        truth.pid
    };
    truth.detail("from", args.from);
    truth.detail("to", args.to);
    truth.detail("moved_pages", moved);
    truth.detail("owner_pid", owner_pid);
    truth.detail("mover_pid", truth.pid);
    truth.detail("placement_end", end.per_node);
    Ok(truth)
}

/// A child that writes the region, reports so, and keeps it until it is released.
struct Owner {
    helper: Helper,
    end: OwnedFd,
}

impl Owner {
    fn fork(region: &Region) -> Result<Self> {
        let (wait_end, end) = pipe()?;
        let (ready, report_ready) = pipe()?;
        let helper = Helper::fork(|| {
            region.write_all(0..region.pages());
            std::fs::File::from(report_ready.try_clone()?).write_all(b"r")?;
            std::fs::File::from(wait_end.try_clone()?).read_exact(&mut [0u8])?;
            Ok(())
        })?;
        drop((wait_end, report_ready));
        std::fs::File::from(ready)
            .read_exact(&mut [0u8])
            .context("the owner of the pages died")?;
        Ok(Self { helper, end })
    }

    fn release(self) -> Result<()> {
        std::fs::File::from(self.end).write_all(b"e")?;
        self.helper.finish::<()>()
    }
}
