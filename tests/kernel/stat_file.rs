//! `numatrace stat --file`: the page cache of a file by node, to the page.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use numatrace_tests::harness::skipped;
use numatrace_tests::test_name;
use numatrace_tests::workload::memory::Region;
use numatrace_tests::workload::placement::Prober;
use serde_json::Value;

use crate::stat_numastat::ours;
use crate::support::machine::{at, nodes};
use crate::two_nodes_or_skip;

/// Base pages that are written on each node.
const PAGES: [usize; 2] = [1024, 700];

/// A file, removed on drop.
pub struct Written(pub PathBuf);

impl Written {
    /// Writes pages of a new file on one node after the other, each by a thread that runs there.
    pub fn new(folder: &str, name: &str, parts: &[(u32, usize)]) -> Self {
        let path = Path::new(folder).join(format!("{name}-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let mut from = 0;
        for &(node, pages) in parts {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    nodes().run_on(node).unwrap();
                    file.write_all_at(&vec![1; pages * 4096], from * 4096)
                        .unwrap();
                });
            });
            from += pages as u64;
        }
        file.sync_all().unwrap();
        Self(path)
    }

    /// Returns what `stat --file` says of it.
    pub fn stat(&self) -> Value {
        let text = ours(&["-f", "json", "--file", self.0.to_str().unwrap()]);
        let sample: Value = serde_json::from_str(&text).unwrap();
        sample["files"][0].clone()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Returns sizes in KiB by node: so many pages on each of these.
pub fn kib(parts: &[(u32, usize)]) -> Value {
    let mut kib = vec![0; nodes().online().len()];
    for &(node, pages) in parts {
        kib[at(node)] += pages * 4;
    }
    kib.into()
}

#[test]
fn the_pages_of_a_file_are_told_by_node_to_the_page() {
    let (a, b) = two_nodes_or_skip!();
    let parts = [(a, PAGES[0]), (b, PAGES[1])];
    let all = PAGES[0] + PAGES[1];
    let mut systems = Vec::new();
    for folder in ["/data", "/tmp"] {
        if !Path::new(folder).is_dir() {
            continue;
        }
        let file = Written::new(folder, "by-node", &parts);
        let said = file.stat();
        // Asked here only after that: what is mapped here is cached, too.
        let opened = File::open(&file.0).unwrap();
        let region = Region::reading(all, opened.as_fd()).unwrap();
        let sum: u64 = (0..all).map(|page| u64::from(region.read(page))).sum();
        assert_eq!(sum, all as u64, "each page begins with what was written");
        let lie = Prober::new(&nodes()).region(&region, 0..all).unwrap();
        let lie: Vec<u64> = lie.per_node.iter().map(|pages| pages * 4).collect();
        assert_eq!(said["kib"], Value::from(lie), "{said}");
        assert_eq!(said["kib"], kib(&parts), "{said}");
        assert_eq!(said["cached_kib"], all * 4, "{said}");
        assert_eq!(said["unknown_kib"], 0, "{said}");
        let system = said["file_system"].as_str().unwrap().to_owned();
        if system == "tmpfs" {
            assert_eq!(said["dirty_kib"], Value::Null, "{said}");
        } else if !said["dirty_kib"].is_null() {
            assert_eq!(said["dirty_kib"], 0, "{said}");
        }
        systems.push(system);
    }
    if systems.len() < 2 {
        skipped(
            test_name!(),
            "only on one file system: there is no disk at /data",
        );
    }
}
