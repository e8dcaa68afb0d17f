//! The perf map of a process: `/tmp/perf-PID.map`, which JIT compilers write for perf
//! (tools/perf/Documentation/jit-interface.txt). The reader reads it (`reader/child/perf_map.rs`).
//!
//! Any user may write to that folder, so the file is used only if it is a regular file that belongs
//! to the process's own user.

use std::{
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{process::Process, target_file};

/// Most bytes of a map that is read. A JVM with all of its methods compiled writes some megabytes.
const LARGEST: u64 = 64 << 20;

/// Opens the map of a process. The map of a process that has ended is only found if it had our own
/// root.
///
/// # Errors
/// Why there is no map, or it is not used.
pub fn open(process: &Process) -> Result<File, &'static str> {
    let number = process.details.ns_pid.unwrap_or(process.pid);
    // In a different PID namespace its map had a different number: a map in our /tmp under that
    // number would belong to a different process.
    if process.ended && number != process.pid {
        return Err("its process is gone");
    }
    open_below(&process.root(), number.0, process.details.uid)
}

/// Opens the map of process `pid` and user `uid` below a root.
fn open_below(root: &Path, pid: u32, uid: Option<u32>) -> Result<File, &'static str> {
    let path = PathBuf::from(format!("/tmp/perf-{pid}.map"));
    let found = target_file::open_in_time(root, &path).map_err(|why| match why {
        "the file is gone" => "it wrote no /tmp/perf-PID.map",
        why => why,
    })?;
    let uid = uid.ok_or("the process's user is not known")?;
    if found.metadata.uid() != uid {
        return Err("its /tmp/perf-PID.map belongs to a different user");
    }
    if found.metadata.len() > LARGEST {
        return Err("its /tmp/perf-PID.map is too large");
    }
    Ok(found.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_a_different_user_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("tmp")).unwrap();
        let path = root.path().join("tmp/perf-7.map");
        let open = |uid| open_below(root.path(), 7, uid).map(|_| ());
        assert_eq!(open(Some(0)), Err("it wrote no /tmp/perf-PID.map"));
        std::fs::write(&path, "1000 10 f\n").unwrap();
        let owner = std::fs::metadata(&path).unwrap().uid();
        assert_eq!(open(Some(owner)), Ok(()));
        assert_eq!(
            open(Some(owner + 1)),
            Err("its /tmp/perf-PID.map belongs to a different user")
        );
        assert_eq!(open(None), Err("the process's user is not known"));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(open(Some(owner)), Err("a link"));
    }
}
