//! Page cache filled by a process, file by file.

use serde::{Deserialize, Serialize};

use super::mapping::TidPages;
use super::matrix::Matrix;
use super::name::Name;

/// Pages of one file that a process brought into the page cache: by read(2) and write(2) with their
/// read-ahead, or by page faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledFile {
    /// Path, or `[file MAJOR:MINOR inode N]` when the path could not be read while the file was
    /// open.
    pub file: Name,
    /// Base pages, `[task node][page node]`.
    pub pages: Matrix,
    /// Part of `pages` brought in by system calls.
    pub by_io: u64,
    /// Part of `pages` brought in by page faults.
    pub by_fault: u64,
    /// The threads that brought the pages in, most pages first.
    #[serde(default)]
    pub by_tid: Vec<TidPages>,
}
