//! Facts about processes that no record has: read from `/proc` while the process lives, or replayed
//! from a recording.

pub mod memory;
pub mod noted;
pub mod replayed;
pub mod resident;

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use memory::{NodeFree, NodePool};

use super::maps::{self, MapLine};
use crate::{
    capture::sys::proc_files::ProcFiles,
    decode::mapping_run::FileId,
    ids::{Pid, Tid},
    model::Name,
};

/// A source of facts.
pub trait Facts {
    /// Returns identity and name of a process; `None` when there is no such process (any more).
    fn identity(&mut self, pid: Pid) -> Option<Identity>;

    /// Returns further details of a process.
    fn details(&mut self, pid: Pid) -> Details;

    /// Returns name and start of a thread, in the form of [`Identity`].
    fn thread(&mut self, pid: Pid, tid: Tid) -> Option<Identity>;

    /// Returns all processes.
    fn pids(&mut self) -> Vec<Pid>;

    /// Returns the current address space of a process; `None` when it cannot be read.
    fn maps(&mut self, _pid: Pid) -> Option<Vec<MapLine>> {
        None
    }

    /// Returns the path of a file that a process has open; `None` when the process does not.
    fn open_file(&mut self, _pid: Pid, _file: FileId) -> Option<Name> {
        None
    }

    /// Free memory of each node now; empty when it cannot be read.
    fn free_memory(&mut self) -> Vec<NodeFree> {
        Vec::new()
    }

    /// The pools of huge pages of a size, in KiB, by node now; empty when there are none.
    fn huge_pages(&mut self, _page_kb: u64) -> Vec<NodePool> {
        Vec::new()
    }
}

/// Most open files of a process that a search checks.
const OPEN_FILES: usize = 4_096;

/// The process that a pid stands for at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub comm: Name,
    /// Its start in clock ticks (10 ms) since boot, field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
    /// True for a kernel thread.
    pub kthread: bool,
}

/// Further details of a process. Each may be unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Its executable.
    pub exe: Option<Name>,
    /// Its arguments, the name it was started by first, as far as they fit into 4 KiB.
    pub args: Option<Vec<Name>>,
    /// True when there are more.
    pub args_cut: bool,
    /// Its path in the cgroup v2 hierarchy.
    pub cgroup: Option<Name>,
    /// Its pid in its own PID namespace.
    pub ns_pid: Option<Pid>,
    /// The user it acts as (effective user id).
    pub uid: Option<u32>,
    /// Whether a seccomp filter checks its system calls.
    pub seccomp: Option<bool>,
}

/// The live `/proc`.
#[derive(Debug)]
pub struct ProcFacts {
    root: PathBuf,
    proc: PathBuf,
    /// `None` without `/proc`: then there are no facts either.
    files: Option<ProcFiles>,
    /// Identities that were read a moment ago.
    preread: HashMap<Pid, Identity>,
}

impl ProcFacts {
    /// Creates the source below a root path, `/` on a live machine.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            proc: root.join("proc"),
            files: ProcFiles::open(root).ok(),
            preread: HashMap::new(),
        }
    }

    /// Reads the identity of every process, for [`ProcFacts::with_identities`].
    #[must_use]
    pub fn identities(root: &Path) -> HashMap<Pid, Identity> {
        let mut facts = Self::new(root);
        let mut seen = HashMap::new();
        for pid in facts.pids() {
            if let Some(identity) = facts.identity(pid) {
                seen.insert(pid, identity);
            }
        }
        seen
    }

    /// Returns the source with identities that were read a moment ago. Each is used once, in the
    /// scan of all processes.
    #[must_use]
    pub fn with_identities(mut self, identities: HashMap<Pid, Identity>) -> Self {
        self.preread = identities;
        self
    }

    /// Reads a short file of a process.
    fn short(&mut self, pid: Pid, file: &str) -> Option<&[u8]> {
        self.files.as_mut()?.start(pid, file).ok()
    }

    /// Returns the path of a file of a process.
    fn path_of(&self, pid: Pid, file: &str) -> PathBuf {
        self.proc.join(pid.to_string()).join(file)
    }

    /// Returns whether the process that started then still runs.
    pub fn is_running(&mut self, pid: Pid, start_ticks: u64) -> bool {
        let Some(stat) = self.short(pid, "stat") else {
            return false;
        };
        let ended = is_zombie(stat).unwrap_or(false);
        parse_stat(stat).is_some_and(|identity| identity.start_ticks == start_ticks && !ended)
    }
}

impl Facts for ProcFacts {
    fn identity(&mut self, pid: Pid) -> Option<Identity> {
        if let Some(seen) = self.preread.remove(&pid) {
            return Some(seen);
        }
        parse_stat(self.short(pid, "stat")?)
    }

    fn details(&mut self, pid: Pid) -> Details {
        let (ns_pid, uid, seccomp) = match self.short(pid, "status") {
            Some(status) => (
                innermost_pid(status).map(Pid),
                effective_user(status),
                has_seccomp_filter(status),
            ),
            None => (None, None, None),
        };
        let (args, args_cut) = match self.short(pid, "cmdline").and_then(arguments) {
            Some((args, cut)) => (Some(args), cut),
            None => (None, false),
        };
        Details {
            args,
            args_cut,
            exe: fs::read_link(self.path_of(pid, "exe"))
                .ok()
                .map(|path| Name::from(path.as_os_str().as_bytes())),
            cgroup: self
                .short(pid, "cgroup")
                .and_then(unified_cgroup)
                .map(Name::from),
            ns_pid,
            uid,
            seccomp,
        }
    }

    fn thread(&mut self, pid: Pid, tid: Tid) -> Option<Identity> {
        parse_stat(self.short(pid, &format!("task/{tid}/stat"))?)
    }

    fn maps(&mut self, pid: Pid) -> Option<Vec<MapLine>> {
        Some(maps::parse(&fs::read(self.path_of(pid, "maps")).ok()?))
    }

    fn open_file(&mut self, pid: Pid, file: FileId) -> Option<Name> {
        let entries = fs::read_dir(self.path_of(pid, "fd")).ok()?;
        for entry in entries.take(OPEN_FILES).flatten() {
            // Follows the link without opening its target.
            let Ok(found) = fs::metadata(entry.path()) else {
                continue;
            };
            let (major, minor) = (libc::major(found.dev()), libc::minor(found.dev()));
            if found.ino() == file.ino && (major << 20 | minor) == file.dev {
                let path = fs::read_link(entry.path()).ok()?;
                return Some(Name::from(path.as_os_str()));
            }
        }
        None
    }

    fn free_memory(&mut self) -> Vec<NodeFree> {
        memory::free(&self.root)
    }

    fn huge_pages(&mut self, page_kb: u64) -> Vec<NodePool> {
        memory::pools(&self.root, page_kb)
    }

    fn pids(&mut self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir(&self.proc) else {
            return Vec::new();
        };
        let pids: Vec<Pid> = entries
            .filter_map(|entry: io::Result<fs::DirEntry>| {
                entry.ok()?.file_name().to_str()?.parse().ok()
            })
            .map(Pid)
            .collect();
        if !self.preread.is_empty() {
            // A process that ended since must not be mistaken for a later one with the same pid.
            let living: HashSet<Pid> = pids.iter().copied().collect();
            self.preread.retain(|pid, _| living.contains(pid));
        }
        pids
    }
}

/// `PF_KTHREAD` (include/linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

/// Parses `/proc/PID/stat` (proc_pid_stat(5)). The name is in parentheses and may itself contain
/// parentheses, so the last one ends it.
fn parse_stat(stat: &[u8]) -> Option<Identity> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let comm = stat.get(open + 1..close)?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    // Fields 3 (state) onwards: flags is field 9, starttime field 22.
    let flags: u64 = fields.nth(6)?.parse().ok()?;
    let start_ticks = fields.nth(12)?.parse().ok()?;
    Some(Identity {
        comm: Name::from(comm),
        start_ticks,
        kthread: flags & PF_KTHREAD != 0,
    })
}

/// Returns whether a process has ended and only waits for its parent to ask how, from
/// `/proc/PID/stat`. A process whose first thread has ended goes on as long as others run.
fn is_zombie(stat: &[u8]) -> Option<bool> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    // Fields 3 (state) onwards: num_threads is field 20.
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    Some(matches!(state, "Z" | "X") && threads <= 1)
}

/// Most bytes of arguments that are kept.
const ARGUMENTS: usize = 4_096;

/// Parses `/proc/PID/cmdline` (proc_pid_cmdline(5)), in which a NUL ends each argument; says
/// whether there are more than are kept. `None` when it is empty, as that of a kernel thread.
fn arguments(text: &[u8]) -> Option<(Vec<Name>, bool)> {
    let kept = text.get(..ARGUMENTS).unwrap_or(text);
    let cut = kept.len() < text.len();
    // An argument of which only a part is kept would be a different one.
    let whole = if cut {
        kept.get(..kept.iter().rposition(|byte| *byte == 0)?)?
    } else {
        kept.strip_suffix(b"\0").unwrap_or(kept)
    };
    let args = whole.split(|byte| *byte == 0).map(Name::from).collect();
    (!text.is_empty()).then_some((args, cut))
}

/// Returns the path of the `0::` line of `/proc/PID/cgroup` (cgroups(7)).
fn unified_cgroup(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))
}

/// Returns the text behind a name at the start of a line of `/proc/PID/status`, without the spaces
/// around it.
fn status_value<'a>(status: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
    Some(std::str::from_utf8(value).ok()?.trim())
}

/// Returns the second number of the `Uid:` line of `/proc/PID/status`.
fn effective_user(status: &[u8]) -> Option<u32> {
    let mut numbers = status_value(status, "Uid:")?.split_ascii_whitespace();
    numbers.nth(1)?.parse().ok()
}

/// Returns whether the `Seccomp:` line of `/proc/PID/status` says that there is a filter; `None`
/// without such a line, on kernels without seccomp.
fn has_seccomp_filter(status: &[u8]) -> Option<bool> {
    let line = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Seccomp:"))?;
    // `SECCOMP_MODE_FILTER` (include/uapi/linux/seccomp.h). The strict mode, 1, allows no call that
    // places memory, and its violation kills.
    Some(line.trim_ascii() == b"2")
}

/// Returns the last number of the `NSpid:` line of `/proc/PID/status`: the pid in the process's own
/// namespace.
fn innermost_pid(status: &[u8]) -> Option<u32> {
    let numbers = status_value(status, "NSpid:")?.split_ascii_whitespace();
    numbers.last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAT: &str = "4242 (a) b (c)) S 1 4242 4242 0 -1 4194560 12 0 0 0 3 4 0 0 20 0 1 0 \
                        987654 1000 20 18446744073709551615";

    #[test]
    fn a_name_with_parentheses_is_read_to_the_last_one() {
        let identity = parse_stat(STAT.as_bytes()).unwrap();
        assert_eq!(identity.comm, *"a) b (c)");
        assert_eq!(identity.start_ticks, 987_654);
        assert!(!identity.kthread);
    }

    #[test]
    fn kernel_threads_are_known_by_their_flag() {
        let stat = STAT.replace("4194560", "2129984");
        assert!(parse_stat(stat.as_bytes()).unwrap().kthread);
    }

    #[test]
    fn the_last_namespace_is_the_process_s_own() {
        assert_eq!(
            innermost_pid(b"Name:\tx\nNSpid:\t900\t7\nFoo: 1\n"),
            Some(7)
        );
        assert_eq!(innermost_pid(b"Name:\tx\n"), None);
        assert_eq!(
            [
                &b"Seccomp:\t2\nSeccomp_filters:\t1\n"[..],
                b"Seccomp:\t0\n",
                b""
            ]
            .map(has_seccomp_filter),
            [Some(true), Some(false), None]
        );
        assert_eq!(effective_user(b"Uid:\t1000\t0\t1000\t1000\n"), Some(0));
        assert_eq!(
            unified_cgroup(b"1:cpu:/x\n0::/user.slice\n"),
            Some(&b"/user.slice"[..])
        );
    }

    #[test]
    fn arguments_end_at_their_nul_and_only_whole_ones_are_kept() {
        let text = |text: &[u8]| {
            let (args, cut) = arguments(text)?;
            let args: Vec<String> = args.iter().map(|arg| arg.to_utf8().into_owned()).collect();
            Some((args.join("|"), cut))
        };
        assert_eq!(text(b""), None, "a kernel thread");
        assert_eq!(
            text(b"java\0-jar\0\0a b\0"),
            Some(("java|-jar||a b".to_owned(), false))
        );
        // A program that wrote a title over its arguments.
        assert_eq!(text(b"db: idle"), Some(("db: idle".to_owned(), false)));
        let mut long = b"java\0".to_vec();
        long.extend([b'x'; ARGUMENTS]);
        assert_eq!(text(&long), Some(("java".to_owned(), true)));
        assert_eq!(text(&[b'x'; ARGUMENTS + 1]), None);
    }

    #[test]
    fn this_process_is_found_alive() {
        let mut facts = ProcFacts::new(Path::new("/"));
        let me = Pid(std::process::id());
        assert!(facts.pids().contains(&me));
        let identity = facts.identity(me).unwrap();
        assert!(identity.start_ticks > 0 && !identity.kthread);
        let details = facts.details(me);
        assert!(details.exe.is_some() && details.args.is_some());
        assert_eq!(facts.identity(Pid(u32::MAX - 5)), None);
    }

    proptest! {
        #[test]
        fn no_stat_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_stat(&bytes);
            let _ = innermost_pid(&bytes);
            let _ = effective_user(&bytes);
            let _ = has_seccomp_filter(&bytes);
            let _ = unified_cgroup(&bytes);
            let _ = arguments(&bytes);
        }
    }
}
