//! Forked helpers of a workload. Each returns its result through a pipe, and none outlives the
//! workload.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::trouble::Trouble;

/// A forked child that will return one value.
#[derive(Debug)]
pub struct Helper {
    pid: Pid,
    says: OwnedFd,
}

impl Helper {
    /// Forks; the child runs `work`, returns its value through the pipe and exits. Call it while
    /// the process has one thread.
    ///
    /// # Errors
    /// The limit of processes or descriptors is reached.
    pub fn fork<T: Serialize>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<Self> {
        let (read, write) = pipe().context("cannot make a pipe")?;
        // SAFETY: the process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Parent { child } => Ok(Self {
                pid: child,
                says: read,
            }),
            ForkResult::Child => {
                drop(read);
                exit_now(send(work, write))
            }
        }
    }

    /// Returns the child's process id.
    ///
    /// # Errors
    /// Never on Linux, where ids are positive.
    pub fn pid(&self) -> Result<u32> {
        Ok(u32::try_from(self.pid.as_raw())?)
    }

    /// Waits for the end of a child that may be killed; returns the signal, if it was.
    ///
    /// # Errors
    /// When it failed by itself; it has said why on stderr.
    pub fn end(self) -> Result<Option<i32>> {
        // Output at its end is not wanted, but must find a reader.
        File::from(self.says)
            .read_to_end(&mut Vec::new())
            .context("cannot hear the child")?;
        match waitpid(self.pid, None)? {
            WaitStatus::Exited(_, 0) => Ok(None),
            WaitStatus::Signaled(_, signal, _) => Ok(Some(signal as i32)),
            other => bail!("child {}: {other:?}", self.pid),
        }
    }

    /// Waits for the child's end and returns its value.
    ///
    /// # Errors
    /// The child failed (its reason is on stderr) or returned nothing that parses.
    pub fn finish<T: DeserializeOwned>(self) -> Result<T> {
        let mut text = Vec::new();
        File::from(self.says)
            .read_to_end(&mut text)
            .context("cannot read from the child")?;
        match waitpid(self.pid, None)? {
            WaitStatus::Exited(_, 0) => Ok(serde_json::from_slice(&text)?),
            other => bail!("child {}: {other:?}", self.pid),
        }
    }
}

fn send<T: Serialize>(work: impl FnOnce() -> Result<T, Trouble>, to: OwnedFd) -> i32 {
    // A helper ends with its workload, also when that is killed.
    let bound = set_pdeathsig(Signal::SIGKILL).map_err(Trouble::from);
    let sent = bound.and_then(|()| work()).and_then(|value| {
        File::from(to).write_all(&serde_json::to_vec(&value)?)?;
        Ok(())
    });
    match sent {
        Ok(()) => 0,
        Err(trouble) => {
            eprintln!("workload: in child {}: {trouble:?}", std::process::id());
            1
        }
    }
}

/// Ends a forked child without running the parent's destructors or flushing its buffers.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: never returns and touches nothing.
    unsafe { libc::_exit(status) }
}
