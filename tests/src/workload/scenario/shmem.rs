//! `shmem`: two processes on two nodes, each writing its half of one piece of shared memory, then
//! using the other's half.

use std::ffi::CString;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use crate::workload::memory::{Region, page_size};
use crate::workload::placement::Placement;
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::{Trouble, check};
use crate::workload::truth::{GroundTruth, Member};

/// Ways to make shared memory.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Memfd,
    Sysv,
    Posix,
    Anon,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the memory is made
    #[arg(long)]
    kind: Kind,
    /// Base pages, both halves together
    #[arg(long)]
    pages: usize,
    /// Node of the process that makes it and writes the first half [default: the first with memory
    /// and CPUs]
    #[arg(long)]
    node: Option<u32>,
    /// Node of the process that writes the second half [default: a different one; the same on a
    /// machine with one node]
    #[arg(long)]
    other_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = args.node.map_or_else(|| scene.nodes.here(), Ok)?;
    let other = args
        .other_node
        .unwrap_or_else(|| scene.nodes.other_than(node).unwrap_or(node));
    scene.nodes.run_on(node)?;
    let (half, pages) = (args.pages / 2, args.pages);

    let mut truth = scene.begin("shmem")?;
    let region = make(args.kind, pages)?;
    region.write_all(0..half);
    let helper = Helper::fork(|| second_half(scene, &region, half, other))?;
    let pid = helper.pid()?;
    let theirs: Vec<u64> = helper.finish()?;
    let mut sum = 0u64;
    for page in half..pages {
        sum += u64::from(region.read(page));
    }
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..half)?;
    let all = scene.prober.region(&region, 0..pages)?;
    truth.touched(node, &found);
    truth.touched(
        other,
        &Placement {
            per_node: theirs.clone(),
            absent: 0,
        },
    );
    truth.span("region", &region);
    truth.expect(sum == (pages - half) as u64, || {
        format!("the other process wrote {sum} of {} pages", pages - half)
    });
    truth.expect(all.per_node == truth.placement.clone(), || {
        format!(
            "both see different placements: {:?} and {:?}",
            all.per_node, found.per_node
        )
    });
    truth.members.push(Member {
        pid,
        parent: truth.pid,
        tids: vec![pid],
        placement: theirs,
    });
    truth.detail("kind", format!("{:?}", args.kind).to_lowercase());
    truth.detail("node", node);
    truth.detail("other_node", other);
    Ok(truth)
}

/// Does the child's part and returns where its half lies.
fn second_half(
    scene: &Scene,
    region: &Region,
    half: usize,
    node: u32,
) -> Result<Vec<u64>, Trouble> {
    scene.nodes.run_on(node)?;
    region.write_all(half..region.pages());
    for page in 0..half {
        check(region.read(page) == 1, || {
            format!("page {page} of the first half is not as written")
        })?;
    }
    let mut prober = crate::workload::placement::Prober::new(&scene.nodes);
    Ok(prober.region(region, half..region.pages())?.per_node)
}

fn make(kind: Kind, pages: usize) -> Result<Region, Trouble> {
    let bytes = pages * page_size();
    let region = match kind {
        Kind::Anon => Region::shared(pages)?,
        Kind::Memfd => sized(
            &memfd_create(c"numatrace-workload", MFdFlags::MFD_CLOEXEC)?,
            pages,
        )?,
        Kind::Posix => sized(&posix()?, pages)?,
        Kind::Sysv => {
            // SAFETY: creates a segment; no memory of this process is involved.
            let id = unsafe { libc::shmget(libc::IPC_PRIVATE, bytes, libc::IPC_CREAT | 0o600) };
            check(id >= 0, || {
                format!(
                    "cannot make System V shared memory: {}",
                    std::io::Error::last_os_error()
                )
            })?;
            let region = Region::sysv(id, pages);
            // SAFETY: marks the segment for removal once the last process detaches; the null buffer
            // is not used.
            unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
            region?
        }
    };
    Ok(region)
}

fn sized(fd: &OwnedFd, pages: usize) -> Result<Region> {
    ftruncate(fd, i64::try_from(pages * page_size())?).context("cannot size shared memory")?;
    Region::file(pages, fd.as_fd())
}

/// Returns a POSIX shared memory object, whose name is already removed.
fn posix() -> Result<OwnedFd, Trouble> {
    if !std::path::Path::new("/dev/shm").is_dir() {
        return Err(Trouble::Unsupported(
            "no /dev/shm; mount a tmpfs there".into(),
        ));
    }
    let name = CString::new(format!("/numatrace-workload-{}", std::process::id()))?;
    // SAFETY: the name is a C string that outlives both calls.
    let fd = unsafe {
        libc::shm_open(
            name.as_ptr(),
            libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC,
            0o600,
        )
    };
    check(fd >= 0, || {
        format!(
            "cannot make POSIX shared memory: {}",
            std::io::Error::last_os_error()
        )
    })?;
    // SAFETY: as above.
    unsafe { libc::shm_unlink(name.as_ptr()) };
    // SAFETY: shm_open returned this descriptor, and nothing else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
