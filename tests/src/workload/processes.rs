//! Forked helpers of a workload: what they do is said through a pipe, and none outlives it unnoticed.

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

use super::truth::Trouble;

/// A forked child that will say one value.
#[derive(Debug)]
pub struct Helper {
    pid: Pid,
    says: OwnedFd,
}

impl Helper {
    /// Forks; the child runs `work`, sends what it returns and exits. Call it while the process has one thread.
    ///
    /// # Errors
    /// When there can be no more processes or descriptors.
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
                exit_now(tell(work, write))
            }
        }
    }

    /// Its process id.
    ///
    /// # Errors
    /// Never on Linux, where they are positive.
    pub fn pid(&self) -> Result<u32> {
        Ok(u32::try_from(self.pid.as_raw())?)
    }

    /// Waits for the child's end and returns what it said.
    ///
    /// # Errors
    /// When it failed (it has said why on stderr) or said nothing sensible.
    pub fn finish<T: DeserializeOwned>(self) -> Result<T> {
        let mut text = Vec::new();
        File::from(self.says)
            .read_to_end(&mut text)
            .context("cannot hear the child")?;
        match waitpid(self.pid, None)? {
            WaitStatus::Exited(_, 0) => Ok(serde_json::from_slice(&text)?),
            other => bail!("child {}: {other:?}", self.pid),
        }
    }
}

fn tell<T: Serialize>(work: impl FnOnce() -> Result<T, Trouble>, to: OwnedFd) -> i32 {
    // A helper whose workload was killed shall not stay behind.
    let bound = set_pdeathsig(Signal::SIGKILL).map_err(Trouble::from);
    let said = bound.and_then(|()| work()).and_then(|value| {
        File::from(to).write_all(&serde_json::to_vec(&value)?)?;
        Ok(())
    });
    match said {
        Ok(()) => 0,
        Err(trouble) => {
            eprintln!("workload: in child {}: {trouble:?}", std::process::id());
            1
        }
    }
}

/// Ends a forked child without running what belongs to the parent (buffers, destructors).
pub fn exit_now(status: i32) -> ! {
    // SAFETY: never returns and touches nothing.
    unsafe { libc::_exit(status) }
}
