//! Claims about kinds of memory, checked on memory that this test places itself: each kind, policy
//! and node right to the page.
//!
//! With one node all memory is there; in a guest with several, half of it is bound to the
//! last. Huge page pools are filled only with several nodes: elsewhere others may need them.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;

use super::run;
use crate::cli::Format;
use crate::cli::stat::StatArgs;
use crate::enrich::topology::Topology;
use crate::ids::NodeId;
use crate::model::stat::Sample;
use crate::model::stat::kinds::{Kind, MappingMemory, ProcessKinds};

const PAGE: usize = 4096;
const HUGE: usize = 2 << 20;

/// Pages of one mapping, written and bound to a node; unmapped on drop.
struct Placed {
    start: usize,
    length: usize,
    /// The reservation around it, so that no mapping merges with it.
    reserved: (usize, usize),
}

impl Drop for Placed {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `place`, is owned by this value, and nothing refers to it
        // any more.
        unsafe { libc::munmap(self.reserved.0 as *mut libc::c_void, self.reserved.1) };
    }
}

/// Maps `length` bytes of `fd` (-1: anonymous) between two guard pages, at a multiple of the huge
/// page size, binds it to a node and writes each page.
fn place(length: usize, node: NodeId, flags: i32, fd: i32, advice: Option<i32>) -> Option<Placed> {
    let room = length + 2 * HUGE;
    // SAFETY: a new mapping anywhere; it becomes ours.
    let reserved = unsafe {
        libc::mmap(
            ptr::null_mut(),
            room,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    assert_ne!(reserved, libc::MAP_FAILED);
    let start = (reserved as usize + PAGE).next_multiple_of(HUGE);
    // SAFETY: replaces a part of the reservation above, which nobody else knows of.
    let mapped = unsafe {
        libc::mmap(
            start as *mut libc::c_void,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            flags | libc::MAP_FIXED,
            fd,
            0,
        )
    };
    let placed = Placed {
        start,
        length,
        reserved: (reserved as usize, room),
    };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    bind(start, length, node);
    if let Some(advice) = advice {
        // SAFETY: advice on the mapping made above.
        unsafe { libc::madvise(start as *mut libc::c_void, length, advice) };
    }
    write_pages(start, length);
    Some(placed)
}

fn write_pages(start: usize, length: usize) {
    for page in (start..start + length).step_by(PAGE) {
        // SAFETY: within a writable mapping of `length` bytes that this test made.
        unsafe { ptr::write_volatile(page as *mut u8, 1) };
    }
}

fn bind(start: usize, length: usize, node: NodeId) {
    const MPOL_BIND: libc::c_long = 2;
    let mut mask = [0u64; 16];
    mask[node.index() / 64] = 1 << (node.index() % 64);
    // SAFETY: the mask lives through the call and has as many bits as are announced; the range is a
    // mapping of this test.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            start,
            length,
            MPOL_BIND,
            mask.as_ptr(),
            1024 + 1,
            0,
        )
    };
    assert_eq!(failed, 0, "mbind: {}", std::io::Error::last_os_error());
}

/// This process by mapping, as `stat -f json` tells it.
fn own_kinds() -> (Sample, ProcessKinds) {
    let args = StatArgs {
        pids: vec![std::process::id().to_string().into()],
        by_mapping: true,
        format: Format::Json,
        ..StatArgs::default()
    };
    let mut out = Vec::new();
    run(&args, Path::new("/"), &mut out).unwrap();
    let sample: Sample = serde_json::from_slice(&out).unwrap();
    let kinds = sample
        .processes
        .clone()
        .unwrap()
        .processes
        .remove(0)
        .kinds
        .unwrap();
    (sample, kinds)
}

/// The one mapping at an address, with its memory on `node` and nowhere else.
fn assert_mapping(
    sample: &Sample,
    mappings: &[MappingMemory],
    at: &Placed,
    kind: Kind,
    node: NodeId,
) -> MappingMemory {
    let start = format!("{:#x}", at.start);
    let mapping = mappings
        .iter()
        .find(|mapping| mapping.start == start)
        .unwrap_or_else(|| panic!("no mapping at {start}"));
    let kib = |known: &NodeId| {
        if *known == node {
            u64::try_from(at.length / 1024).unwrap()
        } else {
            0
        }
    };
    let wanted: Vec<u64> = sample.nodes.iter().map(kib).collect();
    assert_eq!(
        (mapping.kind, mapping.kib.clone()),
        (kind, wanted),
        "{mapping:?}"
    );
    assert_eq!(
        mapping.policy,
        *format!("bind:{node}").as_str(),
        "{mapping:?}"
    );
    assert_eq!(mapping.end, Some(format!("{:#x}", at.start + at.length)));
    mapping.clone()
}

fn thp_fallbacks() -> Option<u64> {
    crate::capture::sys::vmstat::read_system(Path::new("/"))
        .ok()?
        .get("thp_fault_fallback")
        .copied()
}

#[test]
fn kinds_policies_and_nodes_are_right_to_the_page() {
    let topology = Topology::read(Path::new("/")).unwrap();
    let with_memory: Vec<NodeId> = topology
        .nodes()
        .iter()
        .filter(|node| !node.is_memoryless())
        .map(|node| node.id)
        .collect();
    let (near, far) = (with_memory[0], with_memory[with_memory.len() - 1]);
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

    let small = place(100 * PAGE, near, private, -1, Some(libc::MADV_NOHUGEPAGE)).unwrap();
    let remote = place(77 * PAGE, far, private, -1, Some(libc::MADV_NOHUGEPAGE)).unwrap();
    let fallbacks = thp_fallbacks();
    let thp = place(2 * HUGE, far, private, -1, Some(libc::MADV_HUGEPAGE)).unwrap();
    let no_fallback = thp_fallbacks() == fallbacks;
    let shared = place(
        31 * PAGE,
        far,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        -1,
        None,
    )
    .unwrap();
    // Copies of a file's pages: private and written.
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(13 * PAGE as u64).unwrap();
    let data = place(
        13 * PAGE,
        near,
        libc::MAP_PRIVATE,
        file.as_file().as_raw_fd(),
        None,
    )
    .unwrap();

    let (sample, kinds) = own_kinds();
    let mappings = kinds.mappings.as_deref().unwrap();
    for (placed, kind, node) in [
        (&small, Kind::Anon, near),
        (&remote, Kind::Anon, far),
        (&shared, Kind::Shmem, far),
        (&data, Kind::Data, near),
    ] {
        let mapping = assert_mapping(&sample, mappings, placed, kind, node);
        assert_eq!(mapping.thp_kib, 0, "{mapping:?}");
    }
    let huge = assert_mapping(&sample, mappings, &thp, Kind::Anon, far);
    let thp_is_on = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .is_ok_and(|text| !text.contains("[never]"));
    if thp_is_on && no_fallback {
        assert_eq!(huge.thp_kib, 4096, "{huge:?}");
        let place = sample.nodes.iter().position(|node| *node == far).unwrap();
        assert!(kinds.thp.kib[place] >= 4096, "{:?}", kinds.thp);
    }
    let sum: u64 = kinds.kinds.iter().flat_map(|kind| &kind.kib).sum();
    let of_mappings: u64 = mappings.iter().flat_map(|mapping| &mapping.kib).sum();
    assert_eq!(sum, of_mappings, "kinds add up to the mappings");
}

#[test]
fn persistent_huge_pages_count_in_their_size() {
    let topology = Topology::read(Path::new("/")).unwrap();
    let far = topology
        .nodes()
        .iter()
        .rev()
        .find(|node| !node.is_memoryless())
        .unwrap()
        .id;
    let pool =
        format!("/sys/devices/system/node/node{far}/hugepages/hugepages-2048kB/nr_hugepages");
    if topology.nodes().len() < 2 || std::fs::write(&pool, "3").is_err() {
        eprintln!("left out: filling a huge page pool needs root and a machine of several nodes");
        return;
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB;
    let placed = place(3 * HUGE, far, flags, -1, None);
    let (sample, kinds) = own_kinds();
    let mapping = placed.as_ref().map(|placed| {
        assert_mapping(
            &sample,
            kinds.mappings.as_deref().unwrap(),
            placed,
            Kind::Hugetlb,
            far,
        )
    });
    drop(placed);
    std::fs::write(&pool, "0").unwrap();
    assert!(
        mapping.is_some(),
        "three huge pages of the pool were to be had"
    );
}
