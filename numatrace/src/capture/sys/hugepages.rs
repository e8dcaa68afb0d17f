//! `nodeN/hugepages/hugepages-SIZEkB`: the pools of persistent huge pages, one for each page size.

use std::path::Path;

use super::{ReadError, meminfo, read_names, read_number};
use crate::ids::NodeId;

/// One pool of one node, in huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Size of one page in KiB.
    pub page_kb: u64,
    /// Pages in the pool.
    pub total: u64,
    /// Pages that are not in use.
    pub free: u64,
    /// Pages beyond the pool's configured size.
    pub surplus: u64,
}

/// Reads the pools of a node, smallest pages first. A kernel without huge pages has none.
pub fn read_node(root: &Path, node: NodeId) -> Result<Vec<Pool>, ReadError> {
    let dir = format!("sys/devices/system/node/node{node}/hugepages");
    let names = match read_names(root, &dir) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        names => names?,
    };
    let sizes = names.iter().filter_map(|name| {
        let page_kb: u64 = name
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()?;
        Some((page_kb, name))
    });
    let mut pools = Vec::new();
    for (page_kb, name) in sizes {
        let number = |file: &str| read_number(root, &format!("{dir}/{name}/{file}"));
        pools.push(Pool {
            page_kb,
            total: number("nr_hugepages")?,
            free: number("free_hugepages")?,
            surplus: number("surplus_hugepages")?,
        });
    }
    pools.sort_by_key(|pool| pool.page_kb);
    Ok(pools)
}

/// Returns the default huge page size in KiB; `None` on a kernel without huge pages.
#[must_use]
pub fn default_size_kb(root: &Path) -> Option<u64> {
    meminfo::kib(&meminfo::read_system(root).ok()?, "Hugepagesize")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn pools_come_by_size_and_none_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_node(dir.path(), NodeId(0)).unwrap(), []);
        let pools = dir.path().join("sys/devices/system/node/node0/hugepages");
        for (size, total) in [("1048576", "1"), ("2048", "7")] {
            let pool = pools.join(format!("hugepages-{size}kB"));
            write(&pool.join("nr_hugepages"), total);
            write(&pool.join("free_hugepages"), "1");
            write(&pool.join("surplus_hugepages"), "0");
        }
        let read = read_node(dir.path(), NodeId(0)).unwrap();
        assert_eq!(
            read.iter()
                .map(|pool| (pool.page_kb, pool.total))
                .collect::<Vec<_>>(),
            [(2048, 7), (1_048_576, 1)]
        );
        write(&pools.join("hugepages-2048kB/nr_hugepages"), "lots");
        assert!(read_node(dir.path(), NodeId(0)).is_err());
    }
}
