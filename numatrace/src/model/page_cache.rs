//! The page cache that a process filled, file by file.

use serde::{Deserialize, Serialize};

use super::mapping::TidPages;
use super::matrix::Matrix;
use super::name::Name;

/// Pages of one file that a process brought into the page cache: by read(2), write(2) and what was read ahead of them, or by faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledFile {
    /// Its path, or `[file MAJOR:MINOR inode N]` when nobody could look while it was open.
    pub file: Name,
    /// Base pages, `[task node][page node]`.
    pub pages: Matrix,
    /// Base pages among them that system calls brought in.
    pub by_io: u64,
    /// Base pages among them that page faults brought in.
    pub by_fault: u64,
    /// The threads that did it, most pages first.
    #[serde(default)]
    pub by_tid: Vec<TidPages>,
}
