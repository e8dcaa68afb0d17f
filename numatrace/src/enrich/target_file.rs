//! Opens files of a traced process, which may be hostile: below its own root, not through links,
//! and only regular files.

use std::{
    fs::{File, Metadata, OpenOptions},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
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

/// Time for opening a file.
const TIME: Duration = Duration::from_secs(1);
/// Time for opening all files that take longer than [`FAST`].
const ALL: Duration = Duration::from_secs(10);
/// Time that opening a file may take on any machine.
const FAST: Duration = Duration::from_millis(50);
/// Most threads that still wait for a file when nobody waits for them.
const MOST_STUCK: usize = 8;

/// Opens `path` as [`open_below`] does, and gives up after a second: on its way may be a folder of
/// a file system that a program serves.
///
/// # Errors
/// Why the file is not opened.
pub fn open_in_time(root: &Path, path: &Path) -> Result<TargetFile, &'static str> {
    /// Threads that have not come back.
    static OUT: AtomicUsize = AtomicUsize::new(0);
    /// Time that went into slow files, ms.
    static SPENT: AtomicU64 = AtomicU64::new(0);

    const SLOW: &str = "opening it took too long";
    let spent = Duration::from_millis(SPENT.load(Ordering::Relaxed));
    if OUT.load(Ordering::Relaxed) >= MOST_STUCK || spent >= ALL {
        return Err(SLOW);
    }
    let began = Instant::now();
    let (to, from) = mpsc::sync_channel(1);
    let (root, path) = (root.to_owned(), path.to_owned());
    OUT.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::Builder::new()
        .name("opens a file".to_owned())
        .spawn(move || {
            // An error says that nobody waits any more.
            let _ = to.send(open_below(&root, &path));
            OUT.fetch_sub(1, Ordering::Relaxed);
        });
    if thread.is_err() {
        OUT.fetch_sub(1, Ordering::Relaxed);
        return Err("no thread to open it");
    }
    let opened = from.recv_timeout(TIME).unwrap_or(Err(SLOW));
    let took = began.elapsed();
    if took > FAST {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        SPENT.fetch_add(ms, Ordering::Relaxed);
    }
    opened
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
    // The owner of a file with a lease could make others wait for three quarters of a minute.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(descriptor(&place));
    let file = file.map_err(|_| "it cannot be read")?;
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
    fn nobody_waits_for_the_owner_of_a_lease() {
        use std::{
            io::BufRead,
            process::{Command, Stdio},
        };

        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("leased");
        std::fs::write(&path, "text").unwrap();
        let script = "import fcntl, signal, sys, time\n\
                      signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
                      f = open(sys.argv[1], 'r+')\n\
                      fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
                      print('leased', flush=True)\n\
                      time.sleep(60)\n";
        let mut owner = Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(owner.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let (began, opened) = (
            Instant::now(),
            open_below(root.path(), Path::new("/leased")),
        );
        let took = began.elapsed();
        owner.kill().unwrap();
        owner.wait().unwrap();
        if line.trim() != "leased" {
            return eprintln!("skipped: this file system has no leases");
        }
        assert_eq!(opened.map(|_| ()).unwrap_err(), "it cannot be read");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }

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
