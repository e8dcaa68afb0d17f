//! `/proc/vmstat` and `nodeN/vmstat`: rows of a name and a number. Which rows there are depends on
//! the kernel.

use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt, path::Path};

use super::{ReadError, read_text};
use crate::ids::NodeId;

/// The rows by name, in the kernel's units: pages or events.
pub type Vmstat = BTreeMap<String, u64>;

/// Reads the rows of the whole system.
pub fn read_system(root: &Path) -> Result<Vmstat, ReadError> {
    read(root, "proc/vmstat")
}

/// Reads the rows of the whole system from the one that begins with `first` on, all of one instant:
/// the kernel takes a new reading for each read(2), and gives a page of text at most. Rows that do
/// not fit are missing.
pub fn read_system_from(root: &Path, first: &str) -> Result<Vmstat, ReadError> {
    const RELATIVE: &str = "proc/vmstat";
    let text = read_text(root, RELATIVE)?;
    let at = text.find(&format!("\n{first}")).unwrap_or(0);
    // Numbers above may be shorter by then.
    let start = u64::try_from(at.saturating_sub(MARGIN)).unwrap_or(0);
    let path = root.join(RELATIVE);
    let mut bytes = [0; 4096];
    let length = File::open(&path)
        .and_then(|file| file.read_at(&mut bytes, start))
        .map_err(|source| ReadError::Io { path, source })?;
    let part = String::from_utf8_lossy(&bytes[..length]);
    // The first line begins in the middle of a row, and the last may end in one.
    let whole = if start == 0 {
        &part
    } else {
        part.split_once('\n').map_or("", |(_, rest)| rest)
    };
    let whole = whole.rsplit_once('\n').map_or("", |(rows, _)| rows);
    Ok(rows(whole))
}

/// Bytes before a row that may move while the file is read twice.
const MARGIN: usize = 256;

/// Reads the rows of one node.
pub fn read_node(root: &Path, node: NodeId) -> Result<Vmstat, ReadError> {
    read(root, &format!("sys/devices/system/node/node{node}/vmstat"))
}

fn read(root: &Path, relative: &str) -> Result<Vmstat, ReadError> {
    let rows = rows(&read_text(root, relative)?);
    if rows.is_empty() {
        return Err(ReadError::garbage(root.join(relative), "it has no rows"));
    }
    Ok(rows)
}

/// A row whose value is not an unsigned number, such as a negative one, is left out.
fn rows(text: &str) -> Vmstat {
    let row = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(row).collect()
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
        let above = "nr_free_pages 1\n".repeat(40);
        write(
            &dir.path().join("proc/vmstat"),
            &format!("{above}pgalloc_normal 7\nnuma_pte_updates 3\n"),
        );
        let rows = read_system_from(dir.path(), "pgalloc_").unwrap();
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert_eq!((rows["pgalloc_normal"], rows["numa_pte_updates"]), (7, 3));
        write(&dir.path().join("proc/vmstat"), "rubbish");
        assert!(read_system(dir.path()).is_err());
    }
}
