//! How `/sys` and `/proc` differ from the kernel's own: containers mask parts of them, and lxcfs
//! rewrites some for the container's limits. Mounts tell, without asking a file system that a
//! program serves.

use std::path::Path;

use crate::capture::sys::mounts::Mounts;

const NODES: &str = "/sys/devices/system/node";
const CPUS: &str = "/sys/devices/system/cpu";

/// Places that are read, the file system that they belong to, and what is done without them.
const PLACES: [(&str, &str, &str); 4] = [
    (
        NODES,
        "sysfs",
        "nodes are taken from /proc/zoneinfo as well, and their CPUs from the links in \
         /sys/devices/system/cpu",
    ),
    (
        CPUS,
        "sysfs",
        "CPUs and their nodes are taken from /sys/devices/system/node, and which CPUs are online, \
         too",
    ),
    (
        "/proc/zoneinfo",
        "proc",
        "nodes that /sys hides are not known",
    ),
    (
        "/proc/vmstat",
        "proc",
        "pages and migrations are compared with these values, not with the machine's",
    ),
];

/// Returns a sentence for each place whose contents are not the kernel's. `has_numa` is false on a
/// kernel without NUMA, where memory is read from `/proc/meminfo`.
pub fn of(root: &Path, has_numa: bool) -> Vec<String> {
    let Ok(mounts) = Mounts::of_self(root) else {
        return Vec::new();
    };
    let meminfo = ("/proc/meminfo", "proc", "memory is the container's");
    let places = PLACES.into_iter().chain((!has_numa).then_some(meminfo));
    let mut said = Vec::new();
    for (place, own, instead) in places {
        let mut foreign: Vec<(String, String)> = Vec::new();
        let whole = mounts.file_system(place.as_bytes());
        if let Some(kind) = whole.filter(|kind| *kind != own) {
            foreign.push((place.to_owned(), kind.to_owned()));
        } else {
            let parts = mounts.below(place.as_bytes());
            let parts = parts.filter(|(_, kind)| *kind != own);
            foreign.extend(parts.map(|(point, kind)| {
                (String::from_utf8_lossy(point).into_owned(), kind.to_owned())
            }));
        }
        if let Some((path, kind)) = foreign.first() {
            let how = if kind.starts_with("fuse") {
                "is rewritten by a program"
            } else {
                "is masked"
            };
            let more = match foreign.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            said.push(format!("{path}{more} {how} ({kind}): {instead}"));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    fn seen(mounts: &[&str], has_numa: bool) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let own = ["1 0 0:1 / / rw - overlay o rw"];
        let own = own.iter().chain(&[
            "2 1 0:2 / /sys rw - sysfs s rw",
            "3 1 0:3 / /proc rw - proc p rw",
        ]);
        let lines: Vec<&str> = own.chain(mounts).copied().collect();
        write(&root.path().join("proc/self/mountinfo"), &lines.join("\n"));
        of(root.path(), has_numa)
    }

    #[test]
    fn a_machine_of_its_own_has_nothing_to_say() {
        assert_eq!(seen(&[], true), Vec::<String>::new());
        assert_eq!(
            seen(&["9 2 0:9 / /sys/fs/cgroup rw - cgroup2 c rw"], false),
            Vec::<String>::new()
        );
    }

    #[test]
    fn places_of_lxcfs_and_masks_are_named_with_what_is_done_instead() {
        let lxcfs = [
            "4 2 0:4 / /sys/devices/system/cpu rw - fuse.lxcfs l rw",
            "5 3 0:4 / /proc/meminfo rw - fuse.lxcfs l rw",
        ];
        let said = seen(&lxcfs, true);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("/sys/devices/system/cpu is rewritten by a program (fuse.lxcfs)")
        );
        assert_eq!(seen(&lxcfs, false).len(), 2);
        let said = seen(
            &["4 2 0:4 / /sys/devices/system/node ro - tmpfs t ro"],
            true,
        );
        assert!(
            said[0].starts_with("/sys/devices/system/node is masked (tmpfs)"),
            "{said:?}"
        );
        let said = seen(
            &["4 2 0:4 /x /sys/devices/system/cpu/online ro - ext4 t ro"],
            true,
        );
        assert!(
            said[0].starts_with("/sys/devices/system/cpu/online is masked (ext4)"),
            "{said:?}"
        );
    }
}
