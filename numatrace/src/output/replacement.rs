//! A regular file that replaces an older one as a whole, or not at all.
//!
//! The file has no name until it is put in place (`O_TMPFILE`): nobody can make or open it
//! beforehand, and nothing of it stays when numatrace is killed. An existing name is replaced by
//! way of a random one, because linkat(2) replaces nothing. Where a file system knows no such
//! files, the random name is there from the start. A lock tells a file under such a name that is
//! still being written from one whose writer was killed; the next writer removes the latter.

use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags},
    unistd::linkat,
};

/// Beginning of a temporary name; sixteen random hexadecimal digits follow.
const PREFIX: &str = ".numatrace-";
/// Tries for a random name. A second one is hardly ever needed.
const TRIES: usize = 8;

/// A file that is not at its target yet; it goes unless it is put in place.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    /// The name that it has meanwhile, if any.
    temporary: Option<PathBuf>,
    target: PathBuf,
}

impl Replacement {
    /// Creates a file in the folder of a target.
    ///
    /// # Errors
    /// The file cannot be created there.
    pub fn create(target: &Path) -> io::Result<Self> {
        if target.file_name().is_none() {
            return Err(io::Error::other("it has no file name"));
        }
        let folder = folder_of(target);
        let (file, temporary) = match unnamed(folder) {
            Ok(file) => (file, None),
            Err(_) => {
                remove_stale(folder);
                let (file, name) = named(folder)?;
                (file, Some(name))
            }
        };
        // File systems without locks are left with the files of killed writers.
        let _ = file.try_lock();
        Ok(Self {
            file,
            temporary,
            target: target.to_owned(),
        })
    }

    /// Returns the path at which it will be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Writes a part.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Writes the last part and puts the file in place.
    ///
    /// # Errors
    /// The file cannot be written or put in place.
    pub(super) fn place(mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.put_in_place()
    }

    /// Returns the file, which can be written before and after it is put in place.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts it at its target as it is: for files that grow while others read them.
    ///
    /// # Errors
    /// The file cannot be linked or renamed.
    pub fn put_in_place(mut self) -> io::Result<()> {
        if self.temporary.is_none() {
            match self.link(&self.target) {
                Err(Errno::EEXIST) => self.temporary = Some(self.link_to_a_random_name()?),
                done => return Ok(done?),
            }
        }
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.target)?;
        }
        self.temporary = None;
        Ok(())
    }

    fn link_to_a_random_name(&self) -> io::Result<PathBuf> {
        for _ in 0..TRIES {
            let name = random_name(folder_of(&self.target));
            match self.link(&name) {
                Err(Errno::EEXIST) => {}
                done => return Ok(done.map(|()| name)?),
            }
        }
        Err(Errno::EEXIST.into())
    }

    fn link(&self, name: &Path) -> nix::Result<()> {
        let flags = AtFlags::AT_SYMLINK_FOLLOW;
        linkat(AT_FDCWD, &by_descriptor(&self.file), AT_FDCWD, name, flags)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Drop cannot report an error.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Returns the folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns the name by which linkat(2) finds a file without a name.
fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Creates a file without a name, which can be linked.
fn unnamed(folder: &Path) -> io::Result<File> {
    let file = private().custom_flags(libc::O_TMPFILE).open(folder)?;
    fs::symlink_metadata(by_descriptor(&file))?;
    Ok(file)
}

/// Creates a file with a random name.
fn named(folder: &Path) -> io::Result<(File, PathBuf)> {
    for _ in 0..TRIES {
        let name = random_name(folder);
        let file = private()
            .create_new(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&name);
        match file {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return Ok((done?, name)),
        }
    }
    Err(Errno::EEXIST.into())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn random_name(folder: &Path) -> PathBuf {
    // Keys of a hash table are random, so that nobody can guess them.
    let random = RandomState::new().hash_one(0);
    folder.join(format!("{PREFIX}{random:016x}"))
}

/// Removes files of this user under temporary names whose writers were killed.
fn remove_stale(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_temporary(entry.file_name().as_encoded_bytes())) {
        let path = entry.path();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        if file.is_ok_and(|file| is_ours(&file) && file.try_lock().is_ok()) {
            // A file that is gone already was removed by a different writer.
            let _ = fs::remove_file(path);
        }
    }
}

fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX.as_bytes())
        .is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
}

fn is_ours(file: &File) -> bool {
    let user = nix::unistd::geteuid().as_raw();
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.nlink() == 1 && found.uid() == user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_no_name_until_it_is_in_place_whether_it_is_new_or_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        // As long as a name may be.
        let target = folder.path().join("r".repeat(255));
        for text in ["first", "second"] {
            let before = names(folder.path());
            let mut replacement = Replacement::create(&target).unwrap();
            replacement.write(text.as_bytes()).unwrap();
            assert_eq!(names(folder.path()), before);
            replacement.place(b"!").unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), format!("{text}!"));
            assert_eq!(names(folder.path()).len(), 1);
        }
    }

    #[test]
    fn names_that_exist_are_no_obstacle_where_files_need_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("report");
        let (file, temporary) = named(folder.path()).unwrap();
        file.try_lock().unwrap();
        let (other, second) = named(folder.path()).unwrap();
        assert_ne!(temporary, second);
        drop(other);
        fs::write(folder.path().join(".numatrace-of a person"), "").unwrap();
        remove_stale(folder.path());
        assert!(temporary.exists(), "its writer is at work");
        assert!(!second.exists(), "its writer is gone");
        assert_eq!(names(folder.path()).len(), 2);
        Replacement {
            file,
            temporary: Some(temporary.clone()),
            target: target.clone(),
        }
        .place(b"text")
        .unwrap();
        assert!(!temporary.exists() && fs::read(&target).unwrap() == b"text");
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(Replacement::create(&folder.path().join("report")).unwrap());
        let (file, temporary) = named(folder.path()).unwrap();
        let target = folder.path().join("report");
        drop(Replacement {
            file,
            temporary: Some(temporary),
            target,
        });
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
