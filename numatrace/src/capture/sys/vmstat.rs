//! `/proc/vmstat` and `nodeN/vmstat`: rows of a name and a number. Which rows there are depends on
//! the kernel.

use std::{collections::BTreeMap, path::Path};

use super::{ReadError, read_text};
use crate::ids::NodeId;

/// The rows by name, in the kernel's units: pages or events.
pub type Vmstat = BTreeMap<String, u64>;

/// Reads the rows of the whole system.
pub fn read_system(root: &Path) -> Result<Vmstat, ReadError> {
    read(root, "proc/vmstat")
}

/// Reads the rows of one node.
pub fn read_node(root: &Path, node: NodeId) -> Result<Vmstat, ReadError> {
    read(root, &format!("sys/devices/system/node/node{node}/vmstat"))
}

fn read(root: &Path, relative: &str) -> Result<Vmstat, ReadError> {
    let text = read_text(root, relative)?;
    // A row whose value is not an unsigned number, such as a negative one, is left out.
    let row = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    let rows: Vmstat = text.lines().filter_map(row).collect();
    if rows.is_empty() {
        return Err(ReadError::garbage(root.join(relative), "it has no rows"));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn rows_are_read_and_negative_ones_left_out() {
        let dir = tempfile::tempdir().unwrap();
        write(
            &dir.path().join("proc/vmstat"),
            "pswpout 12\nnr_dirty -3\npgscan_direct 0",
        );
        let rows = read_system(dir.path()).unwrap();
        assert_eq!(
            rows.into_iter().collect::<Vec<_>>(),
            [("pgscan_direct".to_owned(), 0), ("pswpout".to_owned(), 12)]
        );
        write(&dir.path().join("proc/vmstat"), "rubbish");
        assert!(read_system(dir.path()).is_err());
    }
}
