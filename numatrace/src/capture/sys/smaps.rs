//! `/proc/PID/smaps`: the facts about a mapping that numa_maps lacks: end, permissions, name, and
//! transparent huge pages.
//!
//! Streamed like numa_maps, and equally slow: the kernel walks the page tables.

use super::{ReadError, proc_files::ProcFiles};
use crate::ids::Pid;

/// One mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vma {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// The mapping may be executed.
    pub exec: bool,
    /// The mapping may be written.
    pub write: bool,
    /// The mapping is shared with other processes or a file.
    pub shared: bool,
    /// Path, `[heap]`, `[anon:name]` or nothing. The kernel escapes newlines; a ` (deleted)` at the
    /// end stays.
    pub name: Vec<u8>,
    /// KiB in transparent huge pages that are mapped as huge: anonymous, shared memory and file.
    pub thp_kb: u64,
}

/// Calls `each` for every mapping of a process, in address order. Unknown lines are ignored,
/// because new kernels add some.
///
/// # Errors
/// The process is gone or may not be read.
pub fn for_each(
    files: &mut ProcFiles,
    pid: Pid,
    mut each: impl FnMut(Vma),
) -> Result<(), ReadError> {
    let mut current: Option<Vma> = None;
    files.lines(pid, "smaps", |line| {
        if let Some(vma) = header(line) {
            current.replace(vma).into_iter().for_each(&mut each);
        } else if let (Some(vma), Some(kb)) = (&mut current, thp(line)) {
            vma.thp_kb = vma.thp_kb.saturating_add(kb);
        }
    })?;
    current.into_iter().for_each(each);
    Ok(())
}

/// Parses `start-end rwxp offset dev inode   name`.
fn header(line: &[u8]) -> Option<Vma> {
    // Field lines begin with a capital letter and have a colon after the first word; an address is
    // lower-case hexadecimal.
    let dash = line.iter().take(17).position(|&byte| byte == b'-')?;
    let hex = |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let range = words.next()?;
    let perms = words.next()?;
    let (start, end) = (hex(range.get(..dash)?)?, hex(range.get(dash + 1..)?)?);
    let name = words.nth(3).unwrap_or_default().trim_ascii();
    Some(Vma {
        start,
        end,
        exec: perms.get(2) == Some(&b'x'),
        write: perms.get(1) == Some(&b'w'),
        shared: perms.get(3) == Some(&b's'),
        name: name.to_vec(),
        thp_kb: 0,
    })
}

/// Returns the KiB of a line that counts transparent huge pages.
fn thp(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let value = ["AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:"]
        .iter()
        .find_map(|name| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::capture::sys::fixture::write;

    fn files(root: &Path) -> ProcFiles {
        ProcFiles::open(root).unwrap()
    }

    #[test]
    fn mappings_with_their_huge_pages_and_odd_names() {
        let dir = tempfile::tempdir().unwrap();
        let text = "\
55d0c8a00000-55d0c8b00000 r-xp 00002000 fe:00 1234                       /usr/bin/a b (deleted)
Size:               1024 kB
Rss:                1000 kB
AnonHugePages:         0 kB
NewField:            rubbish
VmFlags: rd ex mr mw me
7f0000000000-7f0000400000 rw-p 00000000 00:00 0 
AnonHugePages:      4096 kB
ShmemPmdMapped:        0 kB
7f0000400000-7f0000500000 rw-s 00000000 00:01 77                         /memfd:x (deleted)
ShmemPmdMapped:     2048 kB";
        write(&dir.path().join("proc/7/smaps"), text);
        let mut vmas = Vec::new();
        for_each(&mut files(dir.path()), Pid(7), |vma| vmas.push(vma)).unwrap();
        let [program, anon, memfd] = vmas.as_slice() else {
            panic!("{vmas:?}")
        };
        assert_eq!(
            (program.start, program.exec, program.write),
            (0x55d0_c8a0_0000, true, false)
        );
        assert_eq!(program.name, b"/usr/bin/a b (deleted)");
        assert_eq!(
            (anon.name.as_slice(), anon.thp_kb, anon.end),
            (&b""[..], 4096, 0x7f00_0040_0000)
        );
        assert_eq!((memfd.shared, memfd.thp_kb), (true, 2048));
    }

    #[test]
    fn this_process_has_a_stack_and_rubbish_has_nothing() {
        let mut names = Vec::new();
        for_each(&mut files(Path::new("/")), Pid(std::process::id()), |vma| {
            names.push(vma.name);
        })
        .unwrap();
        assert!(names.iter().any(|name| name == b"[stack]"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("proc/7")).unwrap();
        std::fs::write(dir.path().join("proc/7/smaps"), [b'-'; 70_000]).unwrap();
        for_each(&mut files(dir.path()), Pid(7), |vma| panic!("{vma:?}")).unwrap();
    }
}
