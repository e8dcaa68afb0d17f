//! Page cache of files per node.

use serde::{Deserialize, Serialize};

use crate::model::name::Name;

/// The page cache of one file. On tmpfs these pages are the file itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCache {
    /// The path, as it was named.
    pub path: Name,
    /// Type of its file system: `ext4`, `tmpfs`; `null` where no mount has it.
    pub file_system: Option<String>,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// KiB in the page cache.
    pub cached_kib: u64,
    /// KiB in the page cache per node; `null` where nodes could not be asked.
    pub kib: Vec<Option<u64>>,
    /// KiB in the page cache whose node is not known.
    pub unknown_kib: u64,
    /// KiB that are not on the disk yet; `null` on kernels before 6.5, and on tmpfs, which has no
    /// disk.
    pub dirty_kib: Option<u64>,
}
