//! `kinds`: memory of every kind on two nodes, kept until stdin closes: the kinds that a
//! per-process view has to tell apart.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;
use serde_json::json;

use super::heap::set_break;
use super::hugetlb::{Pool, default_size};
use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::print;
use crate::workload::scene::Scene;
use crate::workload::trouble::{Trouble, check};
use crate::workload::truth::GroundTruth;

/// Base pages of a huge page on x86-64 and on arm64 with 4 KiB pages.
const HUGE_PAGES: usize = 512;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages of each kind on each node; huge kinds take as many whole huge pages
    #[arg(long)]
    pages: usize,
    /// The nodes
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    nodes: Vec<u32>,
    /// Folder on a disk for the files, which are removed at the end
    #[arg(long)]
    folder: PathBuf,
}

/// Memory that was placed, with the kernel's account of it.
struct Placed {
    kind: &'static str,
    node: u32,
    policy: String,
    region: Region,
    /// How many pages of the region are present.
    pages: usize,
    /// The first of them.
    first: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let mut truth = scene.begin("kinds")?;
    // Dropped in reverse order: pools and files after the memory that is made of them.
    let mut pools = Vec::new();
    let mut files = Vec::new();
    let mut placed = Vec::new();
    for &node in &args.nodes {
        let node = scene.nodes.memory(node)?;
        placed.push(anonymous(args.pages, node)?);
        placed.push(heap(args.pages, node)?);
        placed.push(shared(args.pages, node)?);
        placed.push(transparent(args.pages.div_ceil(HUGE_PAGES), node)?);
        let (placement, pool) = persistent(args.pages.div_ceil(HUGE_PAGES), node)?;
        placed.push(placement);
        pools.push(pool);
        // Page cache follows the writer, not a policy of the mapping.
        scene.nodes.run_on(node)?;
        let path = args.folder.join(format!("numatrace-kinds-{node}"));
        let (placement, file) = page_cache(args.pages, node, path)?;
        placed.push(placement);
        files.push(file);
    }
    Scene::end(&mut truth)?;
    // move_pages(2) does not know the huge pages of a pool by their base pages. A page bound to a
    // node lies there, or touching it fails.
    for part in placed.iter().filter(|part| part.kind != "hugetlb") {
        let found = scene
            .prober
            .region(&part.region, part.first..part.first + part.pages)?;
        truth.touched(part.node, &found);
        truth.expect_all_on(part.kind, part.node, part.pages, &found);
    }
    let list: Vec<_> = placed
        .iter()
        .map(|part| {
            json!({
                "kind": part.kind, "node": part.node, "policy": part.policy, "pages": part.pages,
                "start": format!("{:#x}", part.region.start()),
                "end": format!("{:#x}", part.region.start() + part.region.len()),
            })
        })
        .collect();
    truth.detail("kinds", list);
    print(&truth)?;
    truth.is_printed = true;
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(truth)
}

fn bound(kind: &'static str, region: Region, node: u32) -> Result<Placed, Trouble> {
    policy::set(&region, Mode::Bind, &[node])?;
    let pages = region.pages();
    region.write_all(0..pages);
    Ok(Placed {
        kind,
        node,
        policy: format!("bind:{node}"),
        region,
        pages,
        first: 0,
    })
}

fn anonymous(pages: usize, node: u32) -> Result<Placed, Trouble> {
    bound("anon", Region::anonymous(pages)?, node)
}

fn shared(pages: usize, node: u32) -> Result<Placed, Trouble> {
    let memory = memfd_create(c"numatrace-workload", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&memory, i64::try_from(pages * page_size())?).context("cannot size shared memory")?;
    bound("shmem", Region::file(pages, memory.as_fd())?, node)
}

/// Returns a piece of the brk heap, between whole pages.
fn heap(pages: usize, node: u32) -> Result<Placed, Trouble> {
    let start = set_break(0)?.next_multiple_of(page_size());
    let end = start + pages * page_size();
    check(set_break(end)? == end, || {
        format!("the break cannot grow by {pages} pages")
    })?;
    bound("heap", Region::borrowed(start, pages)?, node)
}

/// The pages of a node's pool. The pool shrinks back on drop, which must come after the drop of the
/// pages.
fn persistent(huge: usize, node: u32) -> Result<(Placed, Pool), Trouble> {
    let size = default_size()?;
    let pool = Pool::open(node, size)?;
    let wanted = pool.before + huge as u64;
    pool.resize(wanted)?;
    if pool.size()? < wanted {
        return Err(Trouble::Unsupported(format!(
            "node {node} has no room for {huge} huge pages"
        )));
    }
    let region = Region::hugetlb(size * huge)?;
    policy::set(&region, Mode::Bind, &[node])?;
    for page in (0..region.pages()).step_by(size / page_size()) {
        region.write(page, 1);
    }
    let placed = Placed {
        kind: "hugetlb",
        node,
        policy: format!("bind:{node}"),
        pages: region.pages(),
        first: 0,
        region,
    };
    Ok((placed, pool))
}

fn transparent(huge: usize, node: u32) -> Result<Placed, Trouble> {
    let region = Region::anonymous((huge + 1) * HUGE_PAGES)?;
    region.advise(libc::MADV_HUGEPAGE)?;
    policy::set(&region, Mode::Bind, &[node])?;
    let size = HUGE_PAGES * page_size();
    let first = (region.start().next_multiple_of(size) - region.start()) / page_size();
    region.write_all(first..first + huge * HUGE_PAGES);
    Ok(Placed {
        kind: "thp",
        node,
        policy: format!("bind:{node}"),
        region,
        pages: huge * HUGE_PAGES,
        first,
    })
}

/// A file that is removed on drop.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("workload: cannot remove {}: {error}", self.0.display());
        }
    }
}

fn page_cache(pages: usize, node: u32, path: PathBuf) -> Result<(Placed, Removed), Trouble> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    let removed = Removed(path);
    let page = vec![1u8; page_size()];
    for _ in 0..pages {
        file.write_all(&page)?;
    }
    let region = Region::file(pages, file.as_fd())?;
    for page in 0..pages {
        check(region.read(page) == 1, || {
            format!("page {page} of the file is not as written")
        })?;
    }
    let placed = Placed {
        kind: "file",
        node,
        policy: "default".to_owned(),
        region,
        pages,
        first: 0,
    };
    Ok((placed, removed))
}
