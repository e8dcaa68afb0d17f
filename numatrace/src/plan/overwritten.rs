//! Refuses a result that would replace the command that is to run: `trace -o ./server ./server`
//! is a slip of the hand.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use crate::exit::{Exit, Failure};

/// Refuses an output that is the very file that exec would run.
///
/// # Errors
/// Both are the same regular file, under whatever names.
pub fn check(output: Option<&Path>, program: &OsStr) -> Result<(), Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(output) = output else {
        return Ok(());
    };
    let run = found(program, &path).and_then(|path| fs::metadata(path).ok());
    let written = fs::symlink_metadata(output).ok();
    let same = |run: &Metadata, written: &Metadata| {
        written.is_file() && (run.dev(), run.ino()) == (written.dev(), written.ino())
    };
    if !run
        .zip(written)
        .is_some_and(|(run, written)| same(&run, &written))
    {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        "-o names the file of the command that is to run, and would replace it",
        "give -o a file of its own, and the command after --",
    ))
}

/// Returns the file that exec(3) runs: a path as it is, a name from the folders of `PATH`.
fn found(program: &OsStr, folders: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    std::env::split_paths(folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_command_is_no_output_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let (program, linked) = (folder.path().join("server"), folder.path().join("linked"));
        fs::write(&program, "").unwrap();
        fs::hard_link(&program, &linked).unwrap();
        for output in [&program, &linked] {
            let error = check(Some(output), program.as_os_str()).unwrap_err();
            assert_eq!(error.exit, Exit::Usage);
        }
        let other = folder.path().join("report");
        check(Some(&other), program.as_os_str()).unwrap();
        check(None, program.as_os_str()).unwrap();
        let folders = folder.path().as_os_str();
        assert_eq!(found(OsStr::new("server"), folders), Some(program));
        assert_eq!(found(OsStr::new("client"), folders), None);
    }
}
