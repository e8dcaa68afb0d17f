//! The resident pages of a process by mapping and node, as `/proc/PID/numa_maps` lists them.

use serde::{Deserialize, Serialize};

use crate::{
    capture::sys::{numa_maps, proc_files::ProcFiles},
    ids::{NodeId, Pid},
    model::Name,
};

/// KiB of a base page.
const PAGE_KB: u64 = 4;

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
