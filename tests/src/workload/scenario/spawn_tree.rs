//! `spawn-tree`: children, grandchildren and threads, each writing pages of its own: for traces of
//! a process with its descendants.

use std::thread;

use anyhow::{Result, anyhow};
use nix::unistd::{getppid, gettid};

use crate::workload::memory::Region;
use crate::workload::placement::{Placement, Prober};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::{GroundTruth, Member};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Threads of each process besides its main thread
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Children of the first process
    #[arg(long, default_value_t = 2)]
    children: usize,
    /// Children of each child
    #[arg(long, default_value_t = 2)]
    grandchildren: usize,
    /// Base pages that each thread writes
    #[arg(long)]
    pages: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let task_node = scene.nodes.here()?;
    scene.nodes.run_on(task_node)?;
    let mut truth = scene.begin("spawn-tree")?;
    let mut members = process(args, scene, args.children, args.grandchildren)?;
    Scene::end(&mut truth)?;

    let wanted = (args.pages * (args.threads + 1)) as u64;
    for member in &members {
        truth.touched(
            task_node,
            &Placement {
                per_node: member.placement.clone(),
                absent: 0,
            },
        );
        let has: u64 = member.placement.iter().sum();
        truth.expect(has == wanted, || {
            format!("process {} has {has} of {wanted} pages", member.pid)
        });
    }
    let own = members.remove(0);
    truth.tids = own.tids;
    truth.members = members;
    truth.detail("task_node", task_node);
    truth.detail("own_placement", own.placement);
    truth.detail("pages_per_process", wanted);
    Ok(truth)
}

/// Runs one process of the tree: first its children (a process that forks must have one thread),
/// then its own threads. The process comes first in the returned list.
fn process(
    args: &Args,
    scene: &Scene,
    children: usize,
    below: usize,
) -> Result<Vec<Member>, Trouble> {
    let helpers = (0..children)
        .map(|_| Helper::fork(|| process(args, scene, below, 0)))
        .collect::<Result<Vec<_>>>()?;
    let mut family = vec![own_part(args, scene)?];
    for helper in helpers {
        family.extend(helper.finish::<Vec<Member>>()?);
    }
    Ok(family)
}

fn own_part(args: &Args, scene: &Scene) -> Result<Member, Trouble> {
    let regions = (0..=args.threads)
        .map(|_| Region::anonymous(args.pages))
        .collect::<Result<Vec<_>>>()?;
    let write = |region: &Region| -> Result<u32> {
        region.write_all(0..region.pages());
        Ok(u32::try_from(gettid().as_raw())?)
    };
    let mut tids = vec![write(&regions[0])?];
    thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = regions[1..]
            .iter()
            .map(|region| scope.spawn(move || write(region)))
            .collect();
        for thread in threads {
            tids.push(thread.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        Ok(())
    })?;
    let mut prober = Prober::new(&scene.nodes);
    let mut placement = vec![0; scene.nodes.online().len()];
    for region in &regions {
        let found = prober.region(region, 0..region.pages())?;
        placement
            .iter_mut()
            .zip(found.per_node)
            .for_each(|(sum, pages)| *sum += pages);
    }
    Ok(Member {
        pid: std::process::id(),
        parent: u32::try_from(getppid().as_raw())?,
        tids,
        placement,
    })
}
