//! Where memory lies in the end: `/proc/PID/numa_maps`, looked at now and then while a process lasts. Reading it touches no page.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    facts::Facts,
    process::{ProcessIndex, Processes},
};
use crate::{
    capture::sys::{numa_maps, proc_files::ProcFiles},
    ids::{NodeId, Pid},
    model::Name,
};

/// KiB of a base page.
const PAGE_KB: u64 = 4;

/// Processes that are looked at: each look walks all page tables of one.
const PROCESSES: usize = 64;

/// What is known of all processes; of each as it was when it was last looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Residency {
    by_process: BTreeMap<ProcessIndex, Vec<Resident>>,
}

/// One mapping's pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// First address of the mapping.
    pub start: u64,
    /// The path of its file: the only name there is, when the process ended before its mappings could be looked at.
    pub file: Option<Name>,
    /// Base pages on each node.
    pub pages: Vec<(NodeId, u64)>,
}

impl Residency {
    /// Looks at processes that still live. Those that ended keep what was seen last.
    pub fn look(
        &mut self,
        processes: &Processes,
        which: impl Iterator<Item = ProcessIndex>,
        facts: &mut impl Facts,
    ) {
        for index in which.take(PROCESSES) {
            let process = processes.get(index);
            if process.ended || process.kthread {
                continue;
            }
            let found = facts.numa_maps(process.pid);
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

/// A path as it is: the kernel writes `\\ooo`, three octal digits, for what would end a word.
fn unescaped(path: &[u8]) -> Name {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'\\')
            .then(|| after.split_at_checked(3))
            .flatten()
            .and_then(|(digits, after)| {
                let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?;
                Some((byte, after))
            });
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    Name::from(bytes)
}

/// The mappings of a process that have pages; none when it is gone.
pub(super) fn read(files: &mut ProcFiles, pid: Pid) -> Vec<Resident> {
    let mut found = Vec::new();
    let read = numa_maps::for_each(files, pid, |line| {
        let unit = line.page_kb.unwrap_or(PAGE_KB) / PAGE_KB;
        if !line.pages.is_empty() {
            let pages = line.pages.iter();
            found.push(Resident {
                start: line.start,
                file: line.file.map(unescaped),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_the_escapes_of_the_kernel() {
        assert_eq!(unescaped(br"/data/my\040file\134x"), *"/data/my file\\x");
        assert_eq!(unescaped(br"/a\9\04"), *"/a\\9\\04");
    }
}
