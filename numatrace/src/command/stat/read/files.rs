//! Reads the page cache of files that were named.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Problems;
use crate::capture::sys::page_cache::{self, CachedFile};
use crate::ids::NodeId;
use crate::model::name::Name;
use crate::model::stat::Sample;
use crate::model::stat::files::FileCache;
use crate::model::topology::MissingFact;
use crate::output::escape;

/// Reads the files and puts them into the sample. What could not be read is in `missing`.
pub fn read(paths: &[PathBuf], sample: &mut Sample, problems: &mut Problems) {
    let mut files = Vec::new();
    let mut denied = 0;
    for path in paths {
        match page_cache::read(path, sample.page_size) {
            Ok(found) => {
                if let Some(why) = &found.why {
                    sample.missing.push(missing("nodes of", path, why.clone()));
                }
                files.push(of(path, &found, &sample.nodes, sample.page_size / 1024));
            }
            Err(refused) => {
                problems.failed = true;
                denied += usize::from(refused.is_denied());
                let fact = missing("page cache of", path, refused.to_string());
                sample.missing.push(fact);
            }
        }
    }
    problems.all_denied |= !paths.is_empty() && denied == paths.len();
    sample.files = Some(files);
}

fn missing(what: &str, path: &Path, why: String) -> MissingFact {
    MissingFact {
        what: format!("{what} {}", escape::text(path.as_os_str().as_bytes())),
        why,
    }
}

/// Makes sizes of pages. Pages on a node that the sample does not list are of an unknown node.
fn of(path: &Path, found: &CachedFile, nodes: &[NodeId], page_kib: u64) -> FileCache {
    let kib = |pages: u64| pages.saturating_mul(page_kib);
    let on = |node: &NodeId| {
        let known = found.nodes.as_ref()?;
        Some(kib(known.get(node).copied().unwrap_or(0)))
    };
    let listed: Vec<Option<u64>> = nodes.iter().map(on).collect();
    let cached_kib = kib(found.cached);
    let known: u64 = listed.iter().flatten().sum();
    FileCache {
        path: Name::from(path.as_os_str().as_bytes()),
        file_system: found.file_system.clone(),
        size_bytes: found.size_bytes,
        cached_kib,
        kib: listed,
        unknown_kib: cached_kib.saturating_sub(known),
        dirty_kib: found.dirty.map(kib),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn pages_on_a_node_that_is_not_listed_are_not_lost() {
        let found = CachedFile {
            cached: 10,
            nodes: Some(BTreeMap::from([(NodeId(0), 2), (NodeId(7), 5)])),
            unknown: 3,
            ..CachedFile::default()
        };
        let file = of(Path::new("/x"), &found, &[NodeId(0), NodeId(1)], 4);
        assert_eq!(file.kib, [Some(8), Some(0)]);
        assert_eq!((file.cached_kib, file.unknown_kib), (40, 32));
        let found = CachedFile {
            nodes: None,
            ..found
        };
        let file = of(Path::new("/x"), &found, &[NodeId(0)], 4);
        assert_eq!((file.kib, file.unknown_kib), (vec![None], 40));
    }
}
