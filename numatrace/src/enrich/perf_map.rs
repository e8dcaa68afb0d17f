//! Names of code that a program generates: `/tmp/perf-PID.map`, which JIT compilers write for perf
//! (tools/perf/Documentation/jit-interface.txt). Each line is `START SIZE NAME`, with hexadecimal
//! numbers.
//!
//! Any user may write to that folder, so the file is used only if it is a regular file that belongs
//! to the process's own user.

use std::{
    io::Read,
    ops::Range,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{process::Process, target_file};

/// Most bytes of a map that is read. A JVM with all of its methods compiled writes some megabytes.
const LARGEST: u64 = 64 << 20;

/// Most time for reading a map.
const TIME: Duration = Duration::from_secs(1);

/// Entries searched below an address. A JIT reuses the addresses of old code, and then the later
/// line is the right one.
const NEIGHBOURS: usize = 64;

/// The names of one process's code.
#[derive(Debug, Default)]
pub struct PerfMap {
    text: Vec<u8>,
    /// Sorted by address.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    start: u64,
    end: u64,
    /// Number of the line.
    line: usize,
    name: Range<usize>,
}

impl PerfMap {
    /// Reads the map of a process. The map of a process that has ended is only found if it had our
    /// own root.
    ///
    /// # Errors
    /// Why there is no map, or it is not used.
    pub fn of(process: &Process) -> Result<Self, &'static str> {
        let number = process.details.ns_pid.unwrap_or(process.pid);
        let root = if process.ended {
            // In a different PID namespace its map had a different number: a map in our /tmp under
            // that number would belong to a different process.
            if number != process.pid {
                return Err("its process is gone");
            }
            PathBuf::from("/")
        } else {
            PathBuf::from(format!("/proc/{}/root", process.pid))
        };
        Self::read(&root, number.0, process.details.uid)
    }

    /// Reads the map of process `pid` and user `uid` below a root.
    fn read(root: &Path, pid: u32, uid: Option<u32>) -> Result<Self, &'static str> {
        let path = PathBuf::from(format!("/tmp/perf-{pid}.map"));
        let mut found = target_file::open_below(root, &path).map_err(|why| match why {
            "the file is gone" => "it wrote no /tmp/perf-PID.map",
            why => why,
        })?;
        let uid = uid.ok_or("the process's user is not known")?;
        if found.metadata.uid() != uid {
            return Err("its /tmp/perf-PID.map belongs to a different user");
        }
        if found.metadata.len() > LARGEST {
            return Err("its /tmp/perf-PID.map is too large");
        }
        let (mut text, began) = (Vec::new(), Instant::now());
        let mut part = vec![0; 1 << 16];
        loop {
            let read = found
                .file
                .read(&mut part)
                .map_err(|_| "it cannot be read")?;
            let Some(read) = part.get(..read).filter(|read| !read.is_empty()) else {
                return Ok(Self::parse(text));
            };
            text.extend_from_slice(read);
            if text.len() as u64 > LARGEST || began.elapsed() > TIME {
                return Err("its /tmp/perf-PID.map takes too long to read");
            }
        }
    }

    /// Parses a map; lines that cannot be read are ignored.
    fn parse(text: Vec<u8>) -> Self {
        let mut entries = Vec::new();
        let mut at = 0;
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if let Some((start, size, name)) = fields(line) {
                entries.push(Entry {
                    start,
                    end: start.saturating_add(size),
                    line: number,
                    name: at + name.start..at + name.end,
                });
            }
            at += line.len() + 1;
        }
        entries.sort_by_key(|entry| entry.start);
        Self { text, entries }
    }

    /// Returns the function at an address, and the offset in it.
    pub fn function(&self, address: u64) -> Option<(&[u8], u64)> {
        let behind = self.entries.partition_point(|entry| entry.start <= address);
        let entry = self
            .entries
            .get(behind.saturating_sub(NEIGHBOURS)..behind)?
            .iter()
            .filter(|entry| address < entry.end)
            .max_by_key(|entry| entry.line)?;
        Some((self.text.get(entry.name.clone())?, address - entry.start))
    }
}

/// Returns start, size, and the range of the name in the line.
fn fields(line: &[u8]) -> Option<(u64, u64, Range<usize>)> {
    let space = |from: usize| {
        let rest = line.get(from..)?;
        Some(from + rest.iter().position(|byte| *byte == b' ')?)
    };
    let number = |range: Range<usize>| {
        let digits = std::str::from_utf8(line.get(range)?).ok()?;
        u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
    };
    let first = space(0)?;
    let second = space(first + 1)?;
    let name = second + 1..line.len();
    (!name.is_empty()).then_some((number(0..first)?, number(first + 1..second)?, name))
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };

    use super::*;

    #[test]
    fn the_latest_code_at_an_address_is_the_one_that_counts() {
        let map = PerfMap::parse(
            b"7f00 100 LazyCompile:~first a.js:1\n8000 80 other\nbroken\n\
              7f40 40 void Main::second(int)\n"
                .to_vec(),
        );
        let name = |address| {
            let (name, offset) = map.function(address)?;
            Some((String::from_utf8_lossy(name).into_owned(), offset))
        };
        assert_eq!(
            name(0x7f3f),
            Some(("LazyCompile:~first a.js:1".into(), 0x3f))
        );
        assert_eq!(name(0x7f40), Some(("void Main::second(int)".into(), 0)));
        assert_eq!(
            name(0x7f80),
            Some(("LazyCompile:~first a.js:1".into(), 0x80))
        );
        assert_eq!(name(0x8080), None);
        assert_eq!(name(0), None);
    }

    #[test]
    fn a_map_of_a_different_user_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("tmp")).unwrap();
        let path = root.path().join("tmp/perf-7.map");
        let read = |uid| PerfMap::read(root.path(), 7, uid).map(|map| map.entries.len());
        assert_eq!(read(Some(0)), Err("it wrote no /tmp/perf-PID.map"));
        std::fs::write(&path, "1000 10 f\n").unwrap();
        let owner = std::fs::metadata(&path).unwrap().uid();
        assert_eq!(read(Some(owner)), Ok(1));
        assert_eq!(
            read(Some(owner + 1)),
            Err("its /tmp/perf-PID.map belongs to a different user")
        );
        assert_eq!(read(None), Err("the process's user is not known"));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(read(Some(owner)), Err("a link"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in vec(any::<u8>(), 0..200), address: u64) {
            let _ = PerfMap::parse(bytes).function(address);
        }

        #[test]
        fn every_line_that_was_written_is_found(
            lines in btree_map(0u64..1000, 1u64..16, 1..50)
        ) {
            let written = |(at, size): (&u64, &u64)| format!("{:x} {size:x} f{at}\n", at * 16);
            let text: String = lines.iter().map(written).collect();
            let map = PerfMap::parse(text.into_bytes());
            for at in lines.keys() {
                let name = format!("f{at}");
                prop_assert_eq!(map.function(at * 16), Some((name.as_bytes(), 0)));
            }
        }
    }
}
