//! `/proc/PID/maps`: the lines of an address space, with names that only the kernel has.

use serde::{Deserialize, Serialize};

use crate::{decode::mapping_run::FileId, model::Name};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapLine {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// True if code in it may be executed.
    pub executable: bool,
    /// True if it may be written.
    pub writable: bool,
    /// True if other processes see writes to it.
    pub shared: bool,
    /// Offset of its start in the file, in bytes.
    pub offset: u64,
    /// Its file.
    pub file: Option<FileId>,
    /// Path or `[name]`, as the kernel prints it; empty for plain anonymous memory.
    pub name: Name,
}

#[cfg(test)]
impl MapLine {
    /// Returns writable private memory with a name, not of a file.
    pub fn example(start: u64, end: u64, name: &str) -> Self {
        Self {
            start,
            end,
            executable: false,
            writable: true,
            shared: false,
            offset: 0,
            file: None,
            name: Name::from(name),
        }
    }
}

/// Returns all lines of a file that can be read.
pub fn parse(text: &[u8]) -> Vec<MapLine> {
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// Parses `start-end perms offset major:minor inode   name` (proc_pid_maps(5)).
fn line(line: &[u8]) -> Option<MapLine> {
    let mut rest = line;
    let mut word = || {
        let end = rest.iter().position(|byte| *byte == b' ');
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.strip_prefix(b" ").unwrap_or(after);
        std::str::from_utf8(word)
            .ok()
            .filter(|word| !word.is_empty())
    };
    let (start, end) = word()?.split_once('-')?;
    let perms = word()?.as_bytes();
    let offset = hex(word()?)?;
    let (major, minor) = word()?.split_once(':')?;
    let ino: u64 = word()?.parse().ok()?;
    let dev = u32::try_from(hex(major)? << 20 | hex(minor)?).ok()?;
    Some(MapLine {
        start: hex(start)?,
        end: hex(end)?,
        executable: perms.get(2) == Some(&b'x'),
        writable: perms.get(1) == Some(&b'w'),
        shared: perms.get(3) == Some(&b's'),
        offset,
        file: (ino != 0).then_some(FileId { dev, ino }),
        name: Name::from(rest.trim_ascii_start()),
    })
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAPS: &[u8] = b"\
        55d0c0a00000-55d0c0a21000 r-xp 00002000 fd:01 1835041               /usr/bin/my app\n\
        7f1200000000-7f1200021000 rw-p 00000000 00:00 0 \n\
        7f1300000000-7f1300001000 rw-s 00000000 00:01 1033                  /memfd:x (deleted)\n\
        7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                     [stack]\n";

    #[test]
    fn names_with_spaces_devices_and_permissions_are_read() {
        let lines = parse(MAPS);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0].name, *"/usr/bin/my app");
        assert!(lines[0].executable && !lines[0].writable);
        assert_eq!(lines[0].offset, 0x2000);
        assert_eq!(
            lines[0].file,
            Some(FileId {
                dev: 0xfd << 20 | 1,
                ino: 1_835_041
            })
        );
        assert!(lines[1].name.is_empty() && lines[1].file.is_none());
        assert!(lines[2].shared);
        assert_eq!(lines[3].name, *"[stack]");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
