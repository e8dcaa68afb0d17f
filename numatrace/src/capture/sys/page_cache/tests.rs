//! The page cache of files of this machine, on whatever file system they are.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{PosixFadviseAdvice, posix_fadvise},
    sys::stat::Mode,
    unistd::mkfifo,
};

use super::*;

const PAGE: u64 = 4096;

/// Writes so many pages into a new file.
fn filled(folder: &Path, pages: usize) -> PathBuf {
    let path = folder.join("filled");
    let mut file = File::create(&path).unwrap();
    for _ in 0..pages {
        file.write_all(&[7; 4096]).unwrap();
    }
    file.sync_all().unwrap();
    path
}

fn on_nodes(found: &CachedFile) -> u64 {
    let nodes = found.nodes.iter().flat_map(BTreeMap::values);
    nodes.sum::<u64>() + found.unknown
}

#[test]
fn each_cached_page_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path(), 300);
    // A last page that is cut, and a hole of many windows behind it with one page at its end.
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    let found = read(&path, PAGE).unwrap();
    assert_eq!((found.size_bytes, found.cached), (300 * PAGE + 1, 301));
    if found.nodes.is_some() {
        assert_eq!((on_nodes(&found), found.unknown), (301, 0), "{found:?}");
    }
    let far = File::options().write(true).open(&path).unwrap();
    far.set_len(1 << 40).unwrap();
    std::os::unix::fs::FileExt::write_at(&far, b"y", (1 << 40) - 1).unwrap();
    if window::cachestat(far.as_fd(), 0..PAGE).is_some() {
        assert_eq!(read(&path, PAGE).unwrap().cached, 302);
    }
}

#[test]
fn asking_brings_nothing_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path(), 300);
    let file = File::open(&path).unwrap();
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    let dropped = read(&path, PAGE).unwrap();
    if dropped.file_system.as_deref() == Some("tmpfs") {
        // Its pages are the file: nothing drops them.
        assert_eq!((dropped.cached, dropped.dirty), (300, None));
        return;
    }
    assert_eq!((dropped.cached, on_nodes(&dropped)), (0, 0), "{dropped:?}");
    let mut byte = [0];
    std::os::unix::fs::FileExt::read_at(&file, &mut byte, 0).unwrap();
    let first = read(&path, PAGE).unwrap();
    assert!((1..300).contains(&first.cached), "{first:?}");
    let again = read(&path, PAGE).unwrap();
    assert_eq!(
        again.cached, first.cached,
        "the first question read some in"
    );
}

#[test]
fn only_regular_files_are_opened_and_refusals_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let refused = |path: &Path| read(path, PAGE).unwrap_err().to_string();
    assert!(refused(&fifo).starts_with("no regular file"));
    assert!(refused(Path::new("/dev/null")).starts_with("no regular file"));
    assert!(refused(folder.path()).starts_with("a directory"));
    assert!(refused(&folder.path().join("none")).starts_with("no such file"));
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    assert_eq!(read(&empty, PAGE).unwrap().cached, 0);
    if !geteuid().is_root() {
        fs::set_permissions(&empty, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(read(&empty, PAGE).unwrap_err().is_denied());
        // A program that others may read and only root may write.
        assert!(matches!(
            read(Path::new("/bin/sh"), PAGE),
            Err(Refused::NotTold)
        ));
    }
}
