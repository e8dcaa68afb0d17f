//! Keeps something until the caller closes stdin.

use std::{io::Read as _, os::fd::AsFd as _};

use anyhow::Result;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{SigSet, Signal},
};

/// Prints `ready` on stderr and calls `meanwhile` every 10 ms until stdin ends. SIGINT, which ends
/// other tracers, is blocked here: it would leave behind what is kept, and an ftrace instance
/// outlives its maker.
///
/// # Errors
/// The error of `meanwhile`.
pub fn hold(mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
    SigSet::from(Signal::SIGINT).thread_block()?;
    eprintln!("ready");
    let stdin = std::io::stdin();
    loop {
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        // A signal is no reason to end early: the end of stdin is the caller's end.
        let ready = poll(&mut fds, PollTimeout::from(10u8)).unwrap_or(0) > 0;
        meanwhile()?;
        if ready && stdin.lock().read(&mut [0; 64])? == 0 {
            return Ok(());
        }
    }
}
