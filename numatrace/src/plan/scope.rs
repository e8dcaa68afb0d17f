//! Processes that a session traces by name, and whether they can be identified from here.

use std::{ffi::OsString, fs, path::Path};

use crate::{
    capture::sys::{ReadError, proc_files::ProcFiles, process},
    enrich::facts::{Facts, ProcFacts},
    exit::{Exit, Failure},
    ids::Pid,
    model::Name,
};

/// Processes that a session traces by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All processes.
    System,
    /// Processes by PID and start time in clock ticks since boot, which distinguishes them from
    /// later processes with the same PID.
    Processes(Vec<(Pid, u64)>),
    /// A command that the session launches.
    Command(Launch),
}

/// A command to launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Name of the user to run it as; `None` for our own.
    pub user: Option<String>,
    /// The command is left running when the session ends first.
    pub keep_running: bool,
    /// The command's stdout goes to our stderr, because our stdout carries one JSON document.
    pub stdout_to_stderr: bool,
}

impl Scope {
    /// Returns the scope of the processes with these PIDs, or the whole system when there are none.
    ///
    /// # Errors
    /// A process does not exist, a PID is a thread's, or PIDs here are not the kernel's.
    pub(super) fn of_pids(pids: &[OsString]) -> Result<Self, Failure> {
        if pids.is_empty() {
            return Ok(Self::System);
        }
        require_initial_pid_namespace()?;
        let mut all = Vec::new();
        for text in pids {
            match text.to_str().map(str::parse) {
                Some(Ok(pid)) => all.push(pid),
                _ => all.extend(with_pattern(text)?),
            }
        }
        Ok(Self::Processes(find_processes(&all)?))
    }

    /// Returns the scope of a command to launch.
    ///
    /// # Errors
    /// PIDs here are not the kernel's.
    pub(super) fn of_command(launch: Launch) -> Result<Self, Failure> {
        require_initial_pid_namespace()?;
        Ok(Self::Command(launch))
    }

    /// Returns whether only some processes are traced by name.
    pub fn is_limited(&self) -> bool {
        *self != Self::System
    }
}

/// Refuses a scope where process numbers are not the kernel's.
fn require_initial_pid_namespace() -> Result<(), Failure> {
    if in_initial_pid_namespace() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        "this is not the initial PID namespace: its process numbers are not the kernel's",
        "run numatrace on the host (docker run --pid=host, nsenter -t 1 -p -m), or trace the \
         whole system without -p and a command",
    ))
}

/// Returns the processes with a pattern in their name or command line, but not this one and those
/// that started it: the words of `sudo` and of a shell contain the pattern, too.
fn with_pattern(pattern: &OsString) -> Result<Vec<u32>, Failure> {
    let root = Path::new("/");
    let unlisted = |error: ReadError| {
        let hint = "give the PID instead: -p 4242";
        Failure::new(Exit::Failed, error.to_string(), hint)
    };
    let mut files = ProcFiles::open(root).map_err(unlisted)?;
    let mut ours = vec![Pid(std::process::id())];
    while let Some(above) = ours
        .last()
        .and_then(|pid| process::parent(&mut files, *pid))
    {
        if above.0 == 0 || ours.contains(&above) {
            break;
        }
        ours.push(above);
    }
    let all = process::all(root).map_err(unlisted)?;
    let bytes = pattern.as_encoded_bytes();
    let found: Vec<u32> = all
        .into_iter()
        .filter(|pid| !ours.contains(pid))
        .filter(|pid| process::matches(&mut files, *pid, bytes).unwrap_or(false))
        .map(|pid| pid.0)
        .collect();
    if bytes.is_empty() || found.is_empty() {
        let shown = Name::from(bytes);
        return Err(Failure::new(
            Exit::Failed,
            format!("no process has {shown:?} in its name or command line"),
            "list processes with: ps -eo pid,args",
        ));
    }
    Ok(found)
}

/// Finds processes and their start times; duplicates are dropped. The PID of a thread is refused
/// with the PID of its process.
fn find_processes(pids: &[u32]) -> Result<Vec<(Pid, u64)>, Failure> {
    let mut facts = ProcFacts::new(Path::new("/"));
    let mut found: Vec<(Pid, u64)> = Vec::new();
    for pid in pids {
        let identity = facts.identity(Pid(*pid)).ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                format!("there is no process {pid}"),
                "list processes with: ps -eo pid,comm",
            )
        })?;
        if let Some(process) = process_of_thread(*pid).filter(|process| process != pid) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{pid} is a thread of process {process}"),
                format!("trace the process: -p {process}"),
            ));
        }
        if !found.iter().any(|(known, _)| known.0 == *pid) {
            found.push((Pid(*pid), identity.start_ticks));
        }
    }
    Ok(found)
}

/// Returns the `Tgid:` of `/proc/TID/status`: `/proc` has a folder for the number of each thread,
/// too.
fn process_of_thread(tid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// Inode number of the initial PID namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const INITIAL_PIDNS: &str = "pid:[4026531836]";

/// Returns whether this process is in the initial PID namespace; `true` where `/proc` does not
/// tell.
fn in_initial_pid_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").map_or(true, |link| link.as_os_str() == INITIAL_PIDNS)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pattern_finds_programs_by_their_words_and_not_the_one_that_searches() {
        let mut sleeper = Command::new("sleep").arg("314.1592").spawn().unwrap();
        let found = with_pattern(&"314.15".into());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(found.unwrap(), [sleeper.id()]);
        let ours = std::env::args_os().next().unwrap();
        assert!(!with_pattern(&ours).is_ok_and(|all| all.contains(&std::process::id())));
    }

    #[test]
    fn a_pattern_without_a_process_is_refused_with_a_way_out() {
        for pattern in ["no process is called so", ""] {
            let error = with_pattern(&pattern.into()).unwrap_err().to_string();
            assert!(error.contains("no process has"), "{error}");
            assert!(error.contains("hint:"), "{error}");
        }
    }
}
