//! The kernel's own counters: `/sys/devices/system/node/nodeN/numastat`, or, where a container
//! hides these files, the same counters in `/proc/zoneinfo`.
//!
//! Reading a node's file makes the kernel fold its per-CPU counters (mm/vmstat.c,
//! `fold_vm_numa_events`), so the values are exact for that instant. Files are opened once and read
//! with pread, so that a reading allocates as little as possible.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};

use super::{
    control::ControlMap,
    sys::{
        numastat::{NodeCounters, parse},
        zone_sums,
    },
};
use crate::ids::NodeId;

/// One reading of all nodes: for each node the kernel's counters, and the epoch that began with the
/// reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round(pub Vec<(NodeId, u64, NodeCounters)>);

/// Reads all nodes `times` times, with the epoch that each reading begins.
///
/// With the fold hook (`marked`) a program begins the epoch at the instant of the kernel's own
/// sums; without it, this function does so immediately before the reading.
///
/// # Errors
/// A counter file or the control map cannot be read.
pub fn rounds(
    files: &NumastatFiles,
    control: &mut ControlMap,
    marked: bool,
    times: usize,
) -> anyhow::Result<Vec<Round>> {
    let mut rounds = Vec::with_capacity(times);
    for _ in 0..times {
        let mut round = Vec::new();
        for (index, node) in files.nodes().enumerate() {
            // Reading zones folds each of them by itself, which marks no instant.
            let before = if marked && !files.is_of_zones(index) {
                None
            } else {
                Some(control.advance()?)
            };
            let numastat = files.read(index)?;
            let epoch = match before {
                Some(epoch) => epoch,
                None => control.read()?.fold_epoch,
            };
            round.push((node, epoch, numastat));
        }
        rounds.push(Round(round));
    }
    Ok(rounds)
}

/// Returns a round without the kernel's counters, for machines that do not count: it only begins an
/// epoch.
///
/// # Errors
/// The control map cannot be written.
pub fn blind_round(nodes: &[NodeId], control: &mut ControlMap) -> anyhow::Result<Vec<Round>> {
    let epoch = control.advance()?;
    let round = nodes
        .iter()
        .map(|node| (*node, epoch, NodeCounters::default()))
        .collect();
    Ok(vec![Round(round)])
}

/// Open counter files of all nodes.
pub struct NumastatFiles {
    files: Vec<(NodeId, Source, PathBuf)>,
}

/// Source of a node's counters.
enum Source {
    /// Its own file.
    File(File),
    /// The zones of all nodes, under this root.
    Zones(PathBuf),
}

impl NumastatFiles {
    /// Opens the files of the given nodes under a root path (`/` on a live machine).
    ///
    /// # Errors
    /// A file that cannot be opened, by path.
    pub fn open(root: &Path, nodes: impl Iterator<Item = NodeId>) -> anyhow::Result<Self> {
        let files = nodes
            .map(|node| {
                let path = root.join(format!("sys/devices/system/node/node{node}/numastat"));
                let source = match File::open(&path) {
                    Ok(file) => Source::File(file),
                    Err(error)
                        if error.kind() == io::ErrorKind::NotFound
                            && zone_sums::counters(root, node).is_ok() =>
                    {
                        Source::Zones(root.to_owned())
                    }
                    Err(error) => {
                        let context = format!("cannot open {}", path.display());
                        return Err(anyhow!(error).context(context));
                    }
                };
                Ok((node, source, path))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { files })
    }

    /// Returns the nodes, in the order in which they were given.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.files.iter().map(|(node, ..)| *node)
    }

    /// Returns whether a node's counters come from its zones.
    fn is_of_zones(&self, index: usize) -> bool {
        let source = self.files.get(index).map(|(_, source, _)| source);
        matches!(source, Some(Source::Zones(_)))
    }

    /// Reads one node's counters, all of one instant.
    ///
    /// # Errors
    /// The file cannot be read or has an unexpected format.
    pub fn read(&self, index: usize) -> anyhow::Result<NodeCounters> {
        let (node, source, path) = self.files.get(index).context("no such node")?;
        let file = match source {
            Source::File(file) => file,
            Source::Zones(root) => return Ok(zone_sums::counters(root, *node)?),
        };
        let mut buffer = [0u8; 4096];
        let length = read_at_start(file, &mut buffer)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        parse(&text).map_err(|what| {
            anyhow!(
                "{} has a format that this version does not know: {what}",
                path.display()
            )
        })
    }
}

fn read_at_start(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn a_node_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = NumastatFiles::open(root.path(), [NodeId(3)].into_iter())
            .err()
            .unwrap();
        assert!(error.to_string().contains("node3/numastat"), "{error}");
    }

    #[test]
    fn a_node_whose_file_is_hidden_is_counted_by_its_zones() {
        let root = tempfile::tempdir().unwrap();
        let text = zone_sums::text(&[(3, 100, Some(41))]);
        write(&root.path().join("proc/zoneinfo"), &text);
        let files = NumastatFiles::open(root.path(), [NodeId(3)].into_iter()).unwrap();
        assert_eq!(files.read(0).unwrap().numa_hit, 41);
        assert!(files.is_of_zones(0));
    }
}
