//! The processes of the machine, their names and their parents; from `/proc/PID`.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use super::{ReadError, proc_files::ProcFiles};
use crate::ids::Pid;

/// Returns all processes, ascending. Each may have ended by the time its files are read.
pub fn all(root: &Path) -> Result<Vec<Pid>, ReadError> {
    let path = root.join("proc");
    let io = |source| ReadError::Io {
        path: path.clone(),
        source,
    };
    let mut pids = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
            pids.push(Pid(pid));
        }
    }
    pids.sort_unstable();
    Ok(pids)
}

/// Returns the kernel's name of a process: up to 15 arbitrary bytes, more for kernel threads.
///
/// # Errors
/// The process is gone.
pub fn comm(files: &mut ProcFiles, pid: Pid) -> Result<&[u8], ReadError> {
    let comm = files.start(pid, "comm")?;
    Ok(comm.strip_suffix(b"\n").unwrap_or(comm))
}

/// Returns whether `pattern` is part of the process's name or command line (arguments separated by
/// spaces), as in numastat's search.
///
/// # Errors
/// The process is gone.
pub fn matches(files: &mut ProcFiles, pid: Pid, pattern: &[u8]) -> Result<bool, ReadError> {
    let mut text = comm(files, pid)?.to_vec();
    text.push(b' ');
    let arguments = files.start(pid, "cmdline")?;
    text.extend(
        arguments
            .iter()
            .map(|&byte| if byte == 0 { b' ' } else { byte }),
    );
    Ok(pattern.is_empty() || text.windows(pattern.len()).any(|part| part == pattern))
}

/// Returns these processes and all their descendants at this moment.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn with_children(
    root: &Path,
    files: &mut ProcFiles,
    pids: &[Pid],
) -> Result<Vec<Pid>, ReadError> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for pid in all(root)? {
        // A process that ended meanwhile has no parent any more.
        if let Some(parent) = parent(files, pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found: BTreeSet<Pid> = BTreeSet::new();
    let mut next: Vec<Pid> = pids.to_vec();
    while let Some(pid) = next.pop() {
        if found.insert(pid) {
            next.extend(children.get(&pid).into_iter().flatten());
        }
    }
    Ok(found.into_iter().collect())
}

/// Returns the parent: the second field after the name, which is in parentheses and may itself
/// contain parentheses.
pub fn parent(files: &mut ProcFiles, pid: Pid) -> Option<Pid> {
    let stat = files.start(pid, "stat").ok()?;
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok().map(Pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    fn process(root: &Path, pid: u32, parent: u32, comm: &str, cmdline: &str) {
        let dir = root.join(format!("proc/{pid}"));
        write(&dir.join("comm"), comm);
        write(&dir.join("stat"), &format!("{pid} ({comm}) S {parent} 1 1"));
        std::fs::write(dir.join("cmdline"), cmdline).unwrap();
    }

    #[test]
    fn descendants_are_found_through_hostile_names() {
        let dir = tempfile::tempdir().unwrap();
        process(dir.path(), 10, 1, "a", "/bin/a\0-x\0");
        process(dir.path(), 11, 10, "b) S 99 (", "");
        process(dir.path(), 12, 11, "c", "");
        process(dir.path(), 13, 1, "d", "");
        std::fs::create_dir(dir.path().join("proc/self")).unwrap();
        std::fs::create_dir(dir.path().join("proc/14")).unwrap();
        let mut files = ProcFiles::open(dir.path()).unwrap();
        assert_eq!(all(dir.path()).unwrap(), [10, 11, 12, 13, 14].map(Pid));
        assert_eq!(
            with_children(dir.path(), &mut files, &[Pid(10)]).unwrap(),
            [10, 11, 12].map(Pid)
        );
    }

    #[test]
    fn a_pattern_is_looked_for_in_name_and_arguments() {
        let dir = tempfile::tempdir().unwrap();
        process(dir.path(), 10, 1, "qemu", "/usr/bin/emulator\0-m\x00512\0");
        let mut files = ProcFiles::open(dir.path()).unwrap();
        for (pattern, found) in [
            ("qem", true),
            ("-m 512", true),
            ("emulator -m", true),
            ("redis", false),
        ] {
            assert_eq!(
                matches(&mut files, Pid(10), pattern.as_bytes()).unwrap(),
                found,
                "{pattern}"
            );
        }
        assert!(matches(&mut files, Pid(9), b"x").unwrap_err().is_absent());
    }
}
