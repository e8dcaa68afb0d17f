//! `written`: a process puts pages into the memory of its child, by process_vm_writev(2) or by
//! ptrace(2). The child touches none of them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe};

use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::{GroundTruth, Member};

/// Calls that write memory of a different process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// `process_vm_writev(2)`
    Writev,
    /// `PTRACE_POKEDATA`
    Ptrace,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The call
    #[arg(long)]
    by: By,
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Run on a CPU of this node
    #[arg(long)]
    cpu_node: u32,
    /// Node that the memory is bound to [default: that of the CPU, by no policy]
    #[arg(long)]
    node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.cpu_node)?;
    let region = Region::anonymous(args.pages)?;
    if let Some(node) = args.node {
        policy::set(&region, Mode::Bind, &[scene.nodes.memory(node)?])?;
    }
    let (wait_end, end) = pipe().context("cannot make a pipe")?;
    let mut truth = scene.begin("written")?;
    let owner = Helper::fork(|| idle(&wait_end))?;
    let pid = owner.pid()?;
    let target = Pid::from_raw(i32::try_from(pid).context("a pid is positive")?);
    match args.by {
        By::Writev => write(target, &region)?,
        By::Ptrace => poke(target, &region)?,
    }
    Scene::end(&mut truth)?;

    let found = scene
        .prober
        .pages(target.as_raw(), region.start(), args.pages)?;
    truth.touched(args.cpu_node, &found);
    truth.span("region", &region);
    truth.expect_present(args.pages, &found);
    truth.members.push(Member {
        pid,
        parent: truth.pid,
        tids: Vec::new(),
        placement: found.per_node,
    });
    truth.detail("owner_pid", pid);
    File::from(end).write_all(b"e")?;
    owner.finish::<()>()?;
    Ok(truth)
}

/// The child's part: to exist until a byte comes.
fn idle(wait_end: &OwnedFd) -> Result<(), Trouble> {
    File::from(wait_end.try_clone()?).read_exact(&mut [0u8])?;
    Ok(())
}

fn write(target: Pid, region: &Region) -> Result<()> {
    let page = vec![1u8; page_size()];
    for at in 0..region.pages() {
        let to = RemoteIoVec {
            base: region.start() + at * page_size(),
            len: page.len(),
        };
        let written = process_vm_writev(target, &[std::io::IoSlice::new(&page)], &[to])
            .context("process_vm_writev")?;
        anyhow::ensure!(written == page.len(), "{written} bytes were written");
    }
    Ok(())
}

fn poke(target: Pid, region: &Region) -> Result<()> {
    ptrace::attach(target).context("PTRACE_ATTACH")?;
    waitpid(target, None).context("the child does not stop")?;
    for at in 0..region.pages() {
        let address = region.start() + at * page_size();
        ptrace::write(target, address as ptrace::AddressType, 1).context("PTRACE_POKEDATA")?;
    }
    ptrace::detach(target, None).context("PTRACE_DETACH")
}
