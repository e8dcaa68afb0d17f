//! `/proc/PID/numa_maps`: each mapping's policy and resident pages per node, one line at a time.
//! The file can be slow (the kernel walks the page tables) and long (a line for each mapping), so
//! it is streamed: memory use does not depend on the process. Reading it touches no page of the
//! process.

use std::time::Instant;

use super::{
    ReadError,
    proc_files::{Ended, ProcFiles},
};
use crate::ids::{NodeId, Pid};

/// One mapping, borrowed from its line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MapLine<'a> {
    /// First address.
    pub start: u64,
    /// Policy in force as the kernel prints it: `default`, `bind:0`, `interleave:0-3`,
    /// `prefer (many):0`.
    pub policy: &'a [u8],
    /// The path of a file mapping, with the kernel's escapes (`\040` is a space).
    pub file: Option<&'a [u8]>,
    /// The mapping is the process's brk heap.
    pub heap: bool,
    /// The mapping is the main thread's stack.
    pub stack: bool,
    /// The mapping has persistent huge pages (hugetlb).
    pub huge: bool,
    /// Size in KiB of the counted pages; `None` on kernels before 3.6, which do not print it.
    pub page_kb: Option<u64>,
    /// Anonymous pages among them; in a file mapping these are private copies.
    pub anon: u64,
    /// Resident pages per node, as printed.
    pub pages: Vec<(NodeId, u64)>,
}

impl MapLine<'_> {
    /// Returns whether the mapping is of a file, and neither hugetlb nor shared memory: page cache,
    /// program text, and private copies of both, whose nodes numa_maps does not tell apart.
    #[must_use]
    pub fn is_of_a_file(&self) -> bool {
        let has_no_file = self.huge || self.heap || self.stack;
        !has_no_file && self.file.is_some_and(|file| !is_shared_memory(file))
    }
}

/// Calls `each` for every mapping of a process and returns the number of lines that could not be
/// read.
///
/// A process without a memory map (a kernel thread) has no lines.
///
/// # Errors
/// The process is gone, which is an absent [`ReadError`], or may not be read.
pub fn for_each(
    files: &mut ProcFiles,
    pid: Pid,
    each: impl FnMut(&MapLine<'_>),
) -> Result<u64, ReadError> {
    let (_, garbled) = read(files, pid, None, each)?;
    Ok(garbled)
}

/// As [`for_each`], up to a deadline. Returns whether that cut the reading, with the number of
/// lines that could not be read. The kernel walks the page tables of one mapping at a time, so a
/// reading can end as much later as one mapping takes.
///
/// # Errors
/// As [`for_each`].
pub fn for_each_until(
    files: &mut ProcFiles,
    pid: Pid,
    until: Instant,
    each: impl FnMut(&MapLine<'_>),
) -> Result<(Ended, u64), ReadError> {
    read(files, pid, Some(until), each)
}

fn read(
    files: &mut ProcFiles,
    pid: Pid,
    until: Option<Instant>,
    mut each: impl FnMut(&MapLine<'_>),
) -> Result<(Ended, u64), ReadError> {
    let mut garbled = 0;
    // The vector of pages is passed from line to line: one allocation for each file.
    let mut pages = Vec::new();
    let ended = files.lines_until(pid, "numa_maps", until, |line| {
        match parse(line, std::mem::take(&mut pages)) {
            Some(parsed) => {
                each(&parsed);
                pages = parsed.pages;
            }
            None => garbled += 1,
        }
    })?;
    Ok((ended, garbled))
}

/// Returns whether a file is memfd, SysV, shared anonymous or POSIX memory, by the name that the
/// kernel gives it; a space is `\040` in numa_maps.
#[must_use]
pub fn is_shared_memory(file: &[u8]) -> bool {
    [&b"/memfd:"[..], b"/SYSV", b"/dev/shm/"]
        .iter()
        .any(|start| file.starts_with(start))
        || file == b"/dev/zero\\040(deleted)"
        || file == b"/dev/zero (deleted)"
}

/// Parses one line; `None` when it does not begin with an address and a policy, or a node's count
/// is not a number.
fn parse(line: &[u8], mut pages: Vec<(NodeId, u64)>) -> Option<MapLine<'_>> {
    pages.clear();
    let line = line.trim_ascii_end();
    let (start, rest) = split_word(line);
    let start = u64::from_str_radix(std::str::from_utf8(start).ok()?, 16).ok()?;
    let (policy, rest) = split_policy(rest)?;
    let mut map = MapLine {
        start,
        policy,
        pages,
        ..MapLine::default()
    };
    let mut rest = rest;
    while !rest.is_empty() {
        let word;
        (word, rest) = split_word(rest);
        match word {
            b"heap" => map.heap = true,
            b"stack" => map.stack = true,
            b"huge" => map.huge = true,
            [b'N', counted @ ..] if counted.first().is_some_and(u8::is_ascii_digit) => {
                let equals = counted.iter().position(|&byte| byte == b'=')?;
                let (node, count) = counted.split_at_checked(equals)?;
                let node = u16::try_from(number(node)?).ok()?;
                map.pages.push((NodeId(node), number(count.get(1..)?)?));
            }
            _ => {
                if let Some(file) = word.strip_prefix(b"file=") {
                    map.file = Some(file);
                } else if let Some(anon) = word.strip_prefix(b"anon=") {
                    map.anon = number(anon)?;
                } else if let Some(kb) = word.strip_prefix(b"kernelpagesize_kB=") {
                    map.page_kb = Some(number(kb)?);
                }
            }
        }
    }
    Some(map)
}

/// Splits off the policy: one word, except for `prefer (many):0-1` and `weighted interleave:0-1`.
fn split_policy(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = split_word(text);
    if first.is_empty() {
        return None;
    }
    let (second, after) = split_word(rest);
    if second.starts_with(b"(many)") || (first == b"weighted" && second.starts_with(b"interleave"))
    {
        let length = text.len() - after.len();
        let whole = text.get(..length)?;
        return Some((whole.trim_ascii(), after));
    }
    Some((first, rest))
}

/// Returns the word before the next space, and the text after the spaces that follow it.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|&byte| byte == b' ')
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_ascii_start())
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::sys::fixture::write;

    fn line(text: &str) -> Option<MapLine<'_>> {
        parse(text.as_bytes(), Vec::new())
    }

    #[test]
    fn lines_as_the_kernel_prints_them() {
        let map = line(
            "7ffe5c bind=static:0-1 stack anon=3 dirty=3 active=0 N0=2 N12=1 kernelpagesize_kB=4\n",
        )
        .unwrap();
        assert_eq!(
            (map.start, map.policy, map.stack, map.anon),
            (0x7f_fe5c, &b"bind=static:0-1"[..], true, 3)
        );
        assert_eq!(
            (map.pages, map.page_kb),
            (vec![(NodeId(0), 2), (NodeId(12), 1)], Some(4))
        );
        let map = line(
            "1000 interleave:0 file=/anon_hugepage\\040(deleted) huge anon=7 dirty=7 N0=7 \
             kernelpagesize_kB=2048",
        )
        .unwrap();
        assert_eq!(
            (map.huge, map.file),
            (true, Some(&b"/anon_hugepage\\040(deleted)"[..]))
        );
        let map = line("1000 prefer (many):0-1 heap N1=5").unwrap();
        assert_eq!(
            (map.policy, map.heap, map.page_kb),
            (&b"prefer (many):0-1"[..], true, None)
        );
        assert_eq!(
            line("1000 weighted interleave:0-1 N1=5").unwrap().policy,
            b"weighted interleave:0-1"
        );
        assert_eq!(line("1000 default").unwrap().pages, []);
        assert_eq!(
            line("1000 default file=/N0=9 N0=1").unwrap().pages,
            [(NodeId(0), 1)],
            "a path is no count"
        );
    }

    #[test]
    fn garbled_lines_are_counted_and_the_rest_is_read() {
        for garbage in [
            "",
            "zz default",
            "1000",
            "1000 default N0=",
            "1000 default N0",
            "1000 default N99999=1",
            "1000 default N0=99999999999999999999",
        ] {
            assert_eq!(line(garbage), None, "{garbage}");
        }
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "1000 default heap N0=1\n{}\nrubbish\n2000 default N1=2",
            "x".repeat(100_000)
        );
        write(&dir.path().join("proc/7/numa_maps"), &text);
        let mut starts = Vec::new();
        let mut files = ProcFiles::open(dir.path()).unwrap();
        let garbled = for_each(&mut files, Pid(7), |map| starts.push(map.start)).unwrap();
        assert_eq!(
            (starts, garbled),
            (vec![0x1000, 0x2000], 3),
            "an endless line is split and skipped in parts"
        );
        assert!(
            for_each(&mut files, Pid(8), |_| ())
                .unwrap_err()
                .is_absent()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, Vec::new());
        }
    }
}
