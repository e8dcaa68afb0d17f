//! `fill`: brings pages into shared memory without a fault, half of them by write(2), half by
//! fallocate(2).

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Run on a CPU of this node
    #[arg(long)]
    cpu_node: u32,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.cpu_node)?;
    let memory = memfd_create(c"filled", MFdFlags::empty()).context("memfd_create")?;
    let file = File::from(memory);
    let page = vec![1u8; page_size()];
    let half = args.pages / 2;

    let mut truth = scene.begin("fill")?;
    for _ in 0..half {
        (&file).write_all(&page)?;
    }
    let bytes = |pages: usize| libc::off_t::try_from(pages * page_size());
    let (from, rest) = (bytes(half), bytes(args.pages - half));
    fallocate(
        &file,
        FallocateFlags::empty(),
        from.context("too many pages")?,
        rest.context("too many pages")?,
    )
    .context("fallocate")?;
    Scene::end(&mut truth)?;

    // Only mapped pages can be asked about; mapping them moves nothing.
    let region = Region::file(args.pages, file.as_fd())?;
    for page in 0..args.pages {
        let _ = region.read(page);
    }
    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(args.cpu_node, &found);
    truth.expect_present(args.pages, &found);
    Ok(truth)
}
