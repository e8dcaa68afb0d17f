//! Opens files of a traced process, which may be hostile: below its own root, not through links,
//! and only regular files.

use std::{
    fs::{File, Metadata},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::{
        stat::Mode,
        statfs::{FUSE_SUPER_MAGIC, fstatfs},
    },
};

/// A file that may be read.
#[derive(Debug)]
pub struct TargetFile {
    /// The file.
    pub file: File,
    /// Its metadata.
    pub metadata: Metadata,
}

/// Opens `path` as a process with the root `root` (`/proc/PID/root`) sees it. A file is opened for
/// reading only when it is known to be a regular file: opening a FIFO would block for ever, and
/// opening a device might have side effects.
///
/// # Errors
/// Why the file is not opened.
pub fn open_below(root: &Path, path: &Path) -> Result<TargetFile, &'static str> {
    let path = path.strip_prefix("/").map_err(|_| "no path")?;
    let root = open(
        root,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|_| "the process is gone")?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(
            ResolveFlag::RESOLVE_IN_ROOT
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
    let place: OwnedFd = openat2(root, path, how).map_err(|error| match error {
        nix::Error::ELOOP => "a link",
        _ => "the file is gone",
    })?;
    let metadata = metadata(&place)?;
    if !metadata.is_file() {
        return Err("not a regular file");
    }
    // The program behind such a file could block the read for ever.
    if fstatfs(&place).is_ok_and(|system| system.filesystem_type() == FUSE_SUPER_MAGIC) {
        return Err("on a file system that a program serves (FUSE)");
    }
    let file = File::open(descriptor(&place)).map_err(|_| "it cannot be read")?;
    Ok(TargetFile { file, metadata })
}

/// Returns a path to an open file, for libraries that take paths.
pub fn descriptor(file: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

fn metadata(place: &OwnedFd) -> Result<Metadata, &'static str> {
    std::fs::metadata(descriptor(place)).map_err(|_| "the file is gone")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_regular_files_without_links_on_the_way_are_opened() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("lib")).unwrap();
        std::fs::write(at("lib/a"), "text").unwrap();
        std::os::unix::fs::symlink("a", at("lib/link")).unwrap();
        std::os::unix::fs::symlink("/etc", at("etc")).unwrap();
        mkfifo(&at("lib/fifo"), Mode::S_IRWXU).unwrap();
        let open = |path: &str| open_below(root.path(), Path::new(path));

        let mut text = String::new();
        let mut found = open("/lib/a").unwrap();
        found.file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), found.metadata.len()), ("text", 4));
        // `..` does not lead out of the root.
        assert!(open("/../../lib/a").is_ok());
        for (path, why) in [
            ("/lib/link", "a link"),
            ("/etc/passwd", "a link"),
            ("/lib/fifo", "not a regular file"),
            ("/lib", "not a regular file"),
            ("/lib/none", "the file is gone"),
            ("lib/a", "no path"),
        ] {
            assert_eq!(open(path).map(|_| ()).unwrap_err(), why, "{path}");
        }
    }
}
