//! `file`: writes a file, drops it from the page cache, and reads it again, by read(2) or through a
//! mapping.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to make; it is removed at the end
    #[arg(long)]
    path: PathBuf,
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Read through a shared mapping instead of by read(2)
    #[arg(long)]
    mmap: bool,
    /// Write from a CPU of this node [default: wherever it started]
    #[arg(long)]
    write_node: Option<u32>,
    /// Read from a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let write_node = args.write_node.map_or_else(|| scene.nodes.here(), Ok)?;
    let read_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    let mut page = vec![1u8; page_size()];
    let file = Removed::create(&args.path)?;
    if fstatfs(&file.file).context("statfs")?.filesystem_type() == TMPFS_MAGIC {
        return Err(Trouble::Unsupported(format!(
            "{} is on tmpfs, whose pages are not page cache; give a path on a disk",
            args.path.display()
        )));
    }
    scene.nodes.run_on(write_node)?;

    let mut truth = scene.begin("file")?;
    for _ in 0..args.pages {
        (&file.file).write_all(&page)?;
    }
    file.file.sync_all()?;
    posix_fadvise(&file.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    scene.nodes.run_on(read_node)?;

    let region = Region::file(args.pages, file.file.as_fd())?;
    let dropped = args.pages - region.cached()?;
    if args.mmap {
        for i in 0..args.pages {
            ensure_written(region.read(i))?;
        }
    } else {
        (&file.file).rewind()?;
        for _ in 0..args.pages {
            page[0] = 0;
            (&file.file).read_exact(&mut page)?;
            ensure_written(page[0])?;
        }
    }
    Scene::end(&mut truth)?;

    // Only mapped pages can be asked about; mapping cached ones moves nothing.
    for i in 0..args.pages {
        ensure_written(region.read(i))?;
    }
    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(read_node, &found);
    truth.span("file", &region);
    truth.expect_present(args.pages, &found);
    truth.expect(dropped == args.pages, || {
        format!(
            "{dropped} of {} pages left the page cache before reading",
            args.pages
        )
    });
    truth.detail("write_node", write_node);
    truth.detail("read_node", read_node);
    truth.detail("dropped_pages", dropped);
    Ok(truth)
}

fn ensure_written(byte: u8) -> anyhow::Result<()> {
    ensure!(byte == 1, "read {byte} where 1 was written");
    Ok(())
}

/// A file that is removed on drop.
pub(super) struct Removed {
    pub(super) file: File,
    path: PathBuf,
}

impl Removed {
    pub(super) fn create(path: &PathBuf) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path);
        let file = file.with_context(|| {
            format!(
                "cannot create {}; give --path a name that is free",
                path.display()
            )
        })?;
        Ok(Self {
            file,
            path: path.clone(),
        })
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("workload: cannot remove {}: {error}", self.path.display());
        }
    }
}
