//! `copied`: fills memory by userfaultfd(2), a page at a time (`UFFDIO_COPY`). No page faults.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};

use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// include/uapi/linux/userfaultfd.h
const UFFD_API: u64 = 0xaa;
const UFFDIO_API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
const UFFDIO_REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
const UFFDIO_COPY: libc::Ioctl = 0xc028_aa03_u32 as libc::Ioctl;
const REGISTER_MISSING: u64 = 1;
/// Faults of the kernel are not handed to us: allowed without privileges.
const USER_MODE_ONLY: libc::c_int = 1;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Run on a CPU of this node
    #[arg(long)]
    cpu_node: u32,
    /// Node that the memory is bound to
    #[arg(long)]
    node: u32,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.cpu_node)?;
    let region = Region::anonymous(args.pages)?;
    policy::set(&region, Mode::Bind, &[scene.nodes.memory(args.node)?])?;
    let source = Region::anonymous(1)?;
    source.write(0, 1);
    let fd = open()?;
    register(&fd, &region)?;

    let mut truth = scene.begin("copied")?;
    for page in 0..args.pages {
        copy(&fd, &region, page, &source)?;
    }
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(args.cpu_node, &found);
    truth.span("region", &region);
    truth.expect_all_on("the copies", args.node, args.pages, &found);
    Ok(truth)
}

fn open() -> Result<OwnedFd, Trouble> {
    // SAFETY: the call takes flags only.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY) };
    let Ok(fd @ 0..) = i32::try_from(fd) else {
        let error = io::Error::last_os_error();
        return Err(Trouble::Unsupported(format!("userfaultfd: {error}")));
    };
    // SAFETY: a new descriptor, which nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut api = [UFFD_API, 0, 0];
    call(&fd, UFFDIO_API, &mut api).context("UFFDIO_API")?;
    Ok(fd)
}

fn register(fd: &OwnedFd, region: &Region) -> Result<()> {
    let mut range = [
        region.start() as u64,
        region.len() as u64,
        REGISTER_MISSING,
        0,
    ];
    call(fd, UFFDIO_REGISTER, &mut range).context("UFFDIO_REGISTER")
}

fn copy(fd: &OwnedFd, region: &Region, page: usize, source: &Region) -> Result<()> {
    let to = region.start() + page * page_size();
    let mut copy = [to as u64, source.start() as u64, page_size() as u64, 0, 0];
    call(fd, UFFDIO_COPY, &mut copy).context("UFFDIO_COPY")
}

/// Passes a structure of 64-bit words to the kernel.
fn call(fd: &OwnedFd, request: libc::Ioctl, words: &mut [u64]) -> Result<()> {
    // SAFETY: the request's number holds the length of its structure, which is that of `words`.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), request, words.as_mut_ptr()) };
    ensure!(done == 0, "{}", io::Error::last_os_error());
    Ok(())
}
