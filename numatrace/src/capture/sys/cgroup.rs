//! `memory.numa_stat` of a cgroup: bytes per node and kind (v2), or pages (v1).

use std::path::{Path, PathBuf};

use super::{ReadError, excerpt, read_text};
use crate::ids::NodeId;

/// One row: a kind of memory and its bytes per node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kernel's name: `anon`, `file`, `shmem`, `kernel_stack`, `workingset_refault_file`, …
    pub name: String,
    /// The unit of the numbers.
    pub unit: Unit,
    /// Numbers per node, as printed.
    pub nodes: Vec<(NodeId, u64)>,
}

/// The unit of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes: memory in use now.
    Bytes,
    /// Pages: cgroup v1.
    Pages,
    /// Events since the cgroup was created (`workingset_*`).
    Events,
}

/// Reads the rows of the cgroup at `path`: a directory, or a path within the cgroup file system
/// such as `/user.slice`.
pub fn read(root: &Path, path: &Path) -> Result<Vec<Row>, ReadError> {
    let within = path.strip_prefix("/").unwrap_or(path);
    let places: [PathBuf; 3] = [
        within.strip_prefix("sys/fs/cgroup").map_or_else(
            |_| Path::new("sys/fs/cgroup").join(within),
            |_| within.to_owned(),
        ),
        Path::new("sys/fs/cgroup/unified").join(within),
        Path::new("sys/fs/cgroup/memory").join(within),
    ];
    let mut result = Err(ReadError::garbage(path, "no such cgroup"));
    for place in places {
        let relative = place
            .join("memory.numa_stat")
            .to_string_lossy()
            .into_owned();
        match read_text(root, &relative) {
            Ok(text) => {
                return parse(&text).map_err(|what| ReadError::garbage(root.join(&relative), what));
            }
            // When no place has the cgroup, the error names the first one.
            Err(error) if error.is_absent() => {
                if !matches!(result, Err(ReadError::Io { .. })) {
                    result = Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    result
}

/// Parses either version: `anon N0=123 N1=0` (v2), `total=44611 N0=32631 N1=7501` (v1).
fn parse(text: &str) -> Result<Vec<Row>, String> {
    let row = |line: &str| -> Option<Row> {
        let mut words = line.split_ascii_whitespace();
        let first = words.next()?;
        let (name, unit) = match first.split_once('=') {
            Some((name, _)) => (name, Unit::Pages),
            None if first.starts_with("workingset_") => (first, Unit::Events),
            None => (first, Unit::Bytes),
        };
        let node = |word: &str| {
            let (node, value) = word.strip_prefix('N')?.split_once('=')?;
            Some((NodeId(node.parse().ok()?), value.parse().ok()?))
        };
        let nodes = words.map(node).collect::<Option<Vec<_>>>()?;
        Some(Row {
            name: name.to_owned(),
            unit,
            nodes,
        })
    };
    text.lines()
        .map(|line| {
            row(line).ok_or_else(|| format!("expected `NAME N0=NUMBER`, found {}", excerpt(line)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn both_versions_read_and_paths_may_be_given_either_way() {
        let dir = tempfile::tempdir().unwrap();
        write(
            &dir.path().join("sys/fs/cgroup/a.slice/memory.numa_stat"),
            "anon N0=4096 N2=8192\nworkingset_refault_file N0=3 N2=0",
        );
        for path in ["/a.slice", "a.slice", "/sys/fs/cgroup/a.slice"] {
            let rows = read(dir.path(), Path::new(path)).unwrap();
            assert_eq!((rows[0].name.as_str(), rows[0].unit), ("anon", Unit::Bytes));
            assert_eq!(rows[0].nodes, [(NodeId(0), 4096), (NodeId(2), 8192)]);
            assert_eq!(rows[1].unit, Unit::Events);
        }
        write(
            &dir.path().join("sys/fs/cgroup/memory/old/memory.numa_stat"),
            "total=9 N0=4 N1=5",
        );
        assert_eq!(
            read(dir.path(), Path::new("old")).unwrap()[0].unit,
            Unit::Pages
        );
        let error = read(dir.path(), Path::new("/none")).unwrap_err();
        assert!(
            error.is_absent() && error.to_string().contains("sys/fs/cgroup/none"),
            "{error}"
        );
        write(
            &dir.path().join("sys/fs/cgroup/bad/memory.numa_stat"),
            "anon N0=x",
        );
        assert!(
            read(dir.path(), Path::new("bad"))
                .unwrap_err()
                .to_string()
                .contains("anon N0=x")
        );
    }
}
