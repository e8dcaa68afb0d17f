//! `/proc/PID/mountinfo`: the file system that a path of a process lies on, by its name, without
//! asking that file system: one that a program serves may never answer.

use std::{os::fd::AsRawFd, os::fd::BorrowedFd, path::Path};

use super::{ReadError, proc_files::ProcFiles, read_text};
use crate::ids::Pid;

/// Most mounts that are kept: machines with thousands of containers have some ten thousand.
const MOST: usize = 65_536;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    id: u32,
    parent: u32,
    /// Mount point as the process sees it.
    point: Vec<u8>,
    /// Name of the file system type.
    kind: String,
}

/// The mounts of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the mounts that a process sees.
    ///
    /// # Errors
    /// The process is gone or may not be read.
    pub fn of(files: &mut ProcFiles, pid: Pid) -> Result<Self, ReadError> {
        let mut mounts = Vec::new();
        files.lines(pid, "mountinfo", |line| {
            if mounts.len() < MOST {
                mounts.extend(parse(line));
            }
        })?;
        Ok(Self(mounts))
    }

    /// Reads the mounts that this process sees, under a root.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of_self(root: &Path) -> Result<Self, ReadError> {
        let text = read_text(root, "proc/self/mountinfo")?;
        let lines = text.lines().filter_map(|line| parse(line.as_bytes()));
        Ok(Self(lines.take(MOST).collect()))
    }

    /// Returns the mount points below a path with their file system types.
    pub fn below<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a str)> {
        let below = |mount: &&Mount| mount.point.len() > path.len() && leads_to(path, &mount.point);
        let mounts = self.0.iter().filter(below);
        mounts.map(|mount| (mount.point.as_slice(), mount.kind.as_str()))
    }

    /// Returns the file system type at a path: `ext4`, `tmpfs`. `None` when no mount leads there.
    #[must_use]
    pub fn file_system(&self, path: &[u8]) -> Option<&str> {
        // The first root file system is its own parent; that of a container has one elsewhere.
        let is_root = |mount: &&Mount| {
            let mut others = self.0.iter().filter(|other| other.id != mount.id);
            !others.any(|other| other.id == mount.parent)
        };
        let mut at = self.0.iter().find(is_root)?;
        // As the kernel walks a path: from each mount to the first one on the way. A mount that a
        // later one covers is the child of a mount that is not on the way.
        for _ in 0..self.0.len() {
            let children = self.0.iter().filter(|mount| {
                mount.parent == at.id && mount.id != at.id && leads_to(&mount.point, path)
            });
            match children.min_by_key(|mount| mount.point.len()) {
                Some(next) => at = next,
                None => break,
            }
        }
        leads_to(&at.point, path).then_some(at.kind.as_str())
    }
}

/// Returns the file system type of an open file of this process.
#[must_use]
pub fn of_open_file(file: BorrowedFd<'_>) -> Option<String> {
    let root = Path::new("/");
    let info = read_text(root, &format!("proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    let id: u32 = id.trim().parse().ok()?;
    let mounts = read_text(root, "proc/self/mountinfo").ok()?;
    let mut mounts = mounts.lines().filter_map(|line| parse(line.as_bytes()));
    Some(mounts.find(|mount| mount.id == id)?.kind)
}

/// Returns whether a path is at or below a mount point.
fn leads_to(point: &[u8], path: &[u8]) -> bool {
    let point = point.strip_suffix(b"/").unwrap_or(point);
    path.strip_prefix(point)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Parses `id parent major:minor root point options [tags] - type source options`
/// (proc_pid_mountinfo(5)).
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let point = unescaped(words.nth(2)?);
    words.find(|word| *word == b"-")?;
    let kind = std::str::from_utf8(words.next()?).ok()?.to_owned();
    Some(Mount {
        id,
        parent,
        point,
        kind,
    })
}

/// Undoes the kernel's escapes in a path: `\ooo`, three octal digits, for a byte that would end a
/// word.
#[must_use]
pub fn unescaped(path: &[u8]) -> Vec<u8> {
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
    bytes
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd};

    use super::*;
    use crate::capture::sys::fixture::write;

    const MOUNTINFO: &str = r"30 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
31 30 0:5 / /dev rw - devtmpfs udev rw
32 31 0:24 / /dev/shm rw shared:3 master:4 - tmpfs tmpfs rw
33 30 0:30 / /mnt/a\040b rw - xfs /dev/vdb rw
34 30 0:31 / /mnt/covered/below rw - xfs /dev/vdc rw
35 30 0:32 / /mnt/covered rw - btrfs /dev/vdd rw
36 35 0:33 / /mnt/covered rw - tmpfs tmpfs rw";

    #[test]
    fn the_mount_that_a_path_leads_through_last_says_its_file_system() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("proc/7/mountinfo"), MOUNTINFO);
        let mut files = ProcFiles::open(dir.path()).unwrap();
        let mounts = Mounts::of(&mut files, Pid(7)).unwrap();
        for (path, kind) in [
            ("/usr/bin/app", "ext4"),
            ("/dev/shm/x", "tmpfs"),
            ("/dev/shmx", "devtmpfs"),
            ("/mnt/a b/table", "xfs"),
            ("/mnt/covered/below/x", "tmpfs"),
        ] {
            let found = mounts.file_system(path.as_bytes());
            assert_eq!(found, Some(kind), "{path}");
        }
        assert_eq!(mounts.file_system(b"no path"), None);
        assert_eq!(Mounts::default().file_system(b"/usr"), None);
    }

    #[test]
    fn paths_lose_the_escapes_of_the_kernel() {
        assert_eq!(unescaped(br"/data/my\040file\134x"), b"/data/my file\\x");
        assert_eq!(unescaped(br"/a\9\04"), br"/a\9\04");
    }

    #[test]
    fn the_first_root_is_its_own_parent() {
        let lines = [
            "1 1 0:2 / / rw - rootfs r rw",
            "2 1 0:3 / /tmp rw - tmpfs t rw",
        ];
        let mounts = lines.iter().filter_map(|line| parse(line.as_bytes()));
        let mounts = Mounts(mounts.collect());
        assert_eq!(mounts.file_system(b"/tmp/x"), Some("tmpfs"));
        assert_eq!(mounts.file_system(b"/x"), Some("rootfs"));
    }

    #[test]
    fn a_circle_of_mounts_ends() {
        let circle = ["1 9 0:1 / / rw - a x rw", "2 1 0:1 / / rw - b x rw"];
        let circle = circle.iter().filter_map(|line| parse(line.as_bytes()));
        let mut mounts: Vec<Mount> = circle.collect();
        mounts.extend(parse(b"1 2 0:1 / / rw - c x rw"));
        assert!(Mounts(mounts).file_system(b"/x").is_some());
    }

    #[test]
    fn an_open_file_knows_its_file_system() {
        let proc = File::open("/proc/self/stat").unwrap();
        assert_eq!(of_open_file(proc.as_fd()).as_deref(), Some("proc"));
    }
}
