//! The end of a command that outlives its session: SIGTERM first, SIGKILL after five seconds.
//!
//! A shell's Ctrl-C ends a whole process group, and so does this: the command, and every process
//! that came from it and is still in its group. Processes that left the group, as daemons do, are
//! left alone. The command has no group of its own: with one, the terminal's keys would not reach
//! it, it could not read from the terminal, and `numatrace trace -- CMD | less` would stop.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
    unistd::{self, getpgid},
};

use super::Session;
use crate::{
    capture::sys::{proc_files::ProcFiles, process},
    enrich::facts::{Facts, ProcFacts},
    ids::Pid,
};

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two checks whether all have ended.
const CHECK: Duration = Duration::from_millis(10);

/// Processes that are to end, each by a descriptor: a pid may have a new owner by the time of its
/// signal.
#[derive(Default)]
struct Members(BTreeMap<Pid, OwnedFd>);

impl Session {
    /// Ends the command and the processes of its group. Returns when they have ended.
    ///
    /// # Errors
    /// The command cannot be waited for.
    pub(super) async fn end_command(&mut self) -> anyhow::Result<()> {
        let Some(command) = self.child.as_ref().map(|child| Pid(child.id())) else {
            return Ok(());
        };
        let group = group_of(command.0);
        let mut members = Members::default();
        // The command first: what it does about the end of its children, it does knowing its own.
        members.add(command);
        self.find(command, group, &mut members);
        members.send(Signal::SIGTERM);
        // A stopped process acts on the signal once it goes on.
        members.send(Signal::SIGCONT);
        let asked = Instant::now();
        while !members.have_ended() && asked.elapsed() < GRACE {
            // The command becomes a zombie otherwise, and stays one until the report is written.
            self.child_status()?;
            tokio::time::sleep(CHECK).await;
        }
        if !members.have_ended() {
            self.find(command, group, &mut members);
            members.send(Signal::SIGKILL);
        }
        let child = self.child.as_mut().context("there is no command")?;
        child.wait().context("cannot wait for the command")?;
        Ok(())
    }

    /// Adds the processes that came from the command and are in its group: its descendants, and
    /// those whose parents have ended, which only the kernel's list of the scope knows.
    fn find(&mut self, command: Pid, group: Option<unistd::Pid>, members: &mut Members) {
        let root = Path::new("/");
        let mut found = ProcFiles::open(root)
            .and_then(|mut files| process::with_children(root, &mut files, &[command]))
            .unwrap_or_default();
        let mut facts = ProcFacts::new(root);
        found.extend(
            self.tracer
                .in_scope()
                .into_iter()
                .filter_map(|(pid, start)| {
                    (facts.identity(pid)?.start_ticks == start).then_some(pid)
                }),
        );
        let ours = Pid(std::process::id());
        for pid in found {
            if pid != ours && group.is_some() && group_of(pid.0) == group {
                members.add(pid);
            }
        }
    }
}

impl Members {
    /// Adds a process. One that has ended is left out.
    fn add(&mut self, pid: Pid) {
        if !self.0.contains_key(&pid)
            && let Ok(descriptor) = open(pid)
        {
            self.0.insert(pid, descriptor);
        }
    }

    /// Sends a signal to each that has not ended.
    fn send(&self, signal: Signal) {
        for descriptor in self.0.values() {
            // SAFETY: the descriptor is open, and a null pointer stands for the usual information.
            unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    descriptor.as_raw_fd(),
                    signal as i32,
                    std::ptr::null::<libc::siginfo_t>(),
                    0,
                );
            }
        }
    }

    fn have_ended(&self) -> bool {
        self.0.values().all(|descriptor| {
            let mut watched = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
            poll(&mut watched, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
        })
    }
}

/// Returns the process group of a process; `None` when there is no such process.
pub(super) fn group_of(pid: u32) -> Option<unistd::Pid> {
    getpgid(Some(unistd::Pid::from_raw(i32::try_from(pid).ok()?))).ok()
}

/// Opens a descriptor of a process, which becomes readable when the process has ended.
fn open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, i64::from(pid.0), 0) };
    let descriptor = i32::try_from(result).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
