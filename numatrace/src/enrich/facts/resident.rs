//! The resident pages of a process by mapping and node, as `/proc/PID/numa_maps` lists them.

use serde::{Deserialize, Serialize};

use crate::{
    capture::sys::{numa_maps, proc_files::ProcFiles},
    enrich::topology::page_size,
    ids::{NodeId, Pid},
    model::Name,
};

/// One mapping's pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// First address of the mapping.
    pub start: u64,
    /// The path of its file: the only name when the process ended before its mappings could be
    /// read.
    pub file: Option<Name>,
    /// The number of base pages on each node.
    pub pages: Vec<(NodeId, u64)>,
}

/// Undoes the kernel's escapes in a path: `\\ooo`, three octal digits, for a byte that would end a
/// word.
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

/// Reads the mappings of a process that have pages; none when the process is gone.
pub(super) fn read(files: &mut ProcFiles, pid: Pid) -> Vec<Resident> {
    let base_kb = page_size() / 1024;
    let mut found = Vec::new();
    let read = numa_maps::for_each(files, pid, |line| {
        let unit = line
            .page_kb
            .and_then(|page_kb| page_kb.checked_div(base_kb))
            .unwrap_or(1);
        if !line.pages.is_empty() {
            let pages = line.pages.iter();
            found.push(Resident {
                start: line.start,
                file: line.file.map(unescaped),
                pages: pages.map(|(node, pages)| (*node, pages * unit)).collect(),
            });
        }
    });
    // A process that ends during the reading counts as gone.
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
