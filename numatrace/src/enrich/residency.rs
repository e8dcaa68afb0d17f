//! Where memory lies in the end: `/proc/PID/numa_maps`, looked at now and then while a process lasts. Reading it touches no page.

use std::{collections::BTreeMap, path::Path};

use super::process::{ProcessIndex, Processes};
use crate::{
    capture::sys::{numa_maps, proc_files::ProcFiles},
    ids::{NodeId, Pid},
};

/// KiB of a base page.
const PAGE_KB: u64 = 4;

/// Processes that are looked at: each look walks all page tables of one.
const PROCESSES: usize = 64;

/// What is known of all processes; of each as it was when it was last looked at.
#[derive(Debug, Default)]
pub struct Residency {
    by_process: BTreeMap<ProcessIndex, Vec<Resident>>,
}

/// One mapping's pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// First address of the mapping.
    pub start: u64,
    /// Base pages on each node.
    pub pages: Vec<(NodeId, u64)>,
}

impl Residency {
    /// Looks at processes that still live. Those that ended keep what was seen last.
    pub fn look(&mut self, processes: &Processes, which: impl Iterator<Item = ProcessIndex>) {
        let Ok(mut files) = ProcFiles::open(Path::new("/")) else {
            return;
        };
        for index in which.take(PROCESSES) {
            let process = processes.get(index);
            if process.ended || process.kthread {
                continue;
            }
            let found = read(&mut files, process.pid);
            if !found.is_empty() {
                self.by_process.insert(index, found);
            }
        }
    }

    /// What was seen of a process; empty when it never was.
    pub fn of(&self, process: ProcessIndex) -> &[Resident] {
        self.by_process.get(&process).map_or(&[], Vec::as_slice)
    }
}

/// The mappings of a process that have pages; none when it is gone.
fn read(files: &mut ProcFiles, pid: Pid) -> Vec<Resident> {
    let mut found = Vec::new();
    let read = numa_maps::for_each(files, pid, |line| {
        let unit = line.page_kb.unwrap_or(PAGE_KB) / PAGE_KB;
        if !line.pages.is_empty() {
            let pages = line.pages.iter();
            found.push(Resident {
                start: line.start,
                pages: pages.map(|(node, pages)| (*node, pages * unit)).collect(),
            });
        }
    });
    // One that ends while it is read is as good as gone.
    if read.is_err() {
        found.clear();
    }
    found
}
