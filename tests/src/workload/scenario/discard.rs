//! `discard`: faults in which the kernel allocates pages, and frees them again before it maps any:
//! numastat counts these allocations, and they are no first touches.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::file::Removed;
use super::thp::huge_size;
use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::swap::Swap;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// The kernel's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// The memory limit of a cgroup has no room for a huge page, and a small one follows
    Limit,
    /// Two threads on two nodes touch the same huge page, and one is late
    Race,
    /// The memory limit of a cgroup is reached: in the fault the kernel swaps out other pages, for
    /// which it allocates compressed memory
    Swap,
    /// Copies of pages of a file that is not in the page cache: the fault waits for the disk, and
    /// is tried again
    Retry,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    how: How,
    /// Huge pages that are touched; pages of the file; pages for four times the limit
    #[arg(long)]
    count: usize,
    /// Node it runs on
    #[arg(long)]
    cpu_node: u32,
    /// Node of the second thread
    #[arg(long)]
    other_node: Option<u32>,
    /// The file, which is removed in the end
    #[arg(long)]
    path: Option<PathBuf>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.cpu_node)?;
    match args.how {
        How::Limit => limit(args, scene),
        How::Race => race(args, scene),
        How::Swap => swap(args, scene),
        How::Retry => retry(args, scene),
    }
}

/// Huge pages to be: the region, the first base page of the first, base pages of each.
fn huge_region(count: usize) -> Result<(Region, usize, usize), Trouble> {
    let huge = huge_size()?;
    let each = huge / page_size();
    let region = Region::anonymous((count + 1) * each)?;
    region.advise(libc::MADV_HUGEPAGE)?;
    let first = (region.start().next_multiple_of(huge) - region.start()) / page_size();
    Ok((region, first, each))
}

fn limit(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let (region, first, each) = huge_region(args.count)?;
    let limited = Limited::enter(1 << 20)?;
    let mut truth = scene.begin("discard")?;
    for i in 0..args.count {
        region.write(first + i * each, 1);
    }
    Scene::end(&mut truth)?;
    drop(limited);
    let found = scene.prober.region(&region, 0..region.pages())?;
    truth.touched(args.cpu_node, &found);
    truth.span("region", &region);
    truth.expect_present(args.count, &found);
    Ok(truth)
}

fn race(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let (region, first, each) = huge_region(args.count)?;
    let other = args.other_node.context("a race needs --other-node")?;
    let start = Barrier::new(2);
    let mut truth = scene.begin("discard")?;
    let (nodes, region_of_both) = (&scene.nodes, &region);
    let touch = |node: u32| -> Result<()> {
        let pinned = nodes.run_on(node);
        for i in 0..args.count {
            start.wait();
            region_of_both.write(first + i * each, 1);
        }
        pinned.map_err(|_| anyhow!("cannot run on node {node}"))
    };
    thread::scope(|scope| -> Result<()> {
        // A stack that is too small for a huge page.
        let second = thread::Builder::new().stack_size(128 << 10);
        let second = second.spawn_scoped(scope, || touch(other))?;
        let done = touch(args.cpu_node);
        second
            .join()
            .map_err(|_| anyhow!("the thread panicked"))??;
        done
    })?;
    Scene::end(&mut truth)?;
    let found = scene
        .prober
        .region(&region, first..first + args.count * each)?;
    // A page lies on the node of the thread that was faster.
    for (at, pages) in found.per_node.iter().enumerate() {
        truth.placement[at] += pages;
        truth.pages += pages;
        truth.first_touch[at][at] += pages;
    }
    truth.expect_present(args.count * each, &found);
    Ok(truth)
}

fn swap(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let size = (args.count * page_size()) as u64;
    let _space = Swap::compressed(2 * size)?;
    let region = Region::anonymous(args.count)?;
    let limited = Limited::enter(size / 4)?;
    let mut truth = scene.begin("discard")?;
    for (page, seed) in (0..args.count).zip(0..) {
        region.fill(page, seed);
    }
    Scene::end(&mut truth)?;
    // Asked and not read: reading would bring back what was swapped out.
    let found = scene.prober.pages(0, region.start(), args.count)?;
    drop(limited);
    truth.span("region", &region);
    // Those that were swapped out lie nowhere.
    let swapped = (args.count as u64).saturating_sub(found.present());
    truth.touched(args.cpu_node, &found);
    truth.pages += swapped;
    truth.detail("swapped", swapped);
    truth.expect(swapped >= (args.count / 2) as u64, || {
        format!("{swapped} of {} pages were swapped out", args.count)
    });
    Ok(truth)
}

fn retry(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let path = args.path.as_ref().context("a file needs --path")?;
    let file = Removed::create(path)?;
    let page = vec![1u8; page_size()];
    for _ in 0..args.count {
        (&file.file).write_all(&page)?;
    }
    file.file.sync_all()?;
    posix_fadvise(&file.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        .context("posix_fadvise")?;
    let region = Region::copies(args.count, file.file.as_fd())?;
    let dropped = args.count - region.cached()?;

    let mut truth = scene.begin("discard")?;
    region.write_all(0..args.count);
    Scene::end(&mut truth)?;
    let found = scene.prober.region(&region, 0..args.count)?;
    truth.touched(args.cpu_node, &found);
    truth.span("region", &region);
    truth.expect(dropped == args.count, || {
        format!("{dropped} of {} pages left the page cache", args.count)
    });
    truth.expect_present(args.count, &found);
    Ok(truth)
}

/// This process in a cgroup of its own with a limit; on drop it is back in the topmost one.
struct Limited(PathBuf);

impl Limited {
    const TOP: &str = "/sys/fs/cgroup";

    fn enter(bytes: u64) -> Result<Self, Trouble> {
        let top = Path::new(Self::TOP);
        // Refused when it is set already.
        let _ = fs::write(top.join("cgroup.subtree_control"), "+memory");
        let group = top.join(format!("numatrace-discard-{}", std::process::id()));
        if fs::create_dir(&group).is_err() || !group.join("memory.max").exists() {
            let _ = fs::remove_dir(&group);
            return Err(Trouble::Unsupported(format!(
                "no memory controller of cgroup v2 at {}",
                top.display()
            )));
        }
        let limited = Self(group);
        fs::write(limited.0.join("memory.max"), bytes.to_string())?;
        fs::write(
            limited.0.join("cgroup.procs"),
            std::process::id().to_string(),
        )?;
        Ok(limited)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let procs = Path::new(Self::TOP).join("cgroup.procs");
        let _ = fs::write(procs, std::process::id().to_string());
        let _ = fs::remove_dir(&self.0);
    }
}
