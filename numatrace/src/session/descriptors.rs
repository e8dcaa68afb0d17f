//! The limit of open files (`RLIMIT_NOFILE`): raised to what the CPUs need, and given back to a
//! launched command.
//!
//! A session has a descriptor for each map and each program, two where a program has a link, and
//! one for each CPU. The usual soft limit of 1024 is too low on machines with a thousand CPUs.

use std::{io, sync::OnceLock};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Descriptors of a session without those of CPUs: about 300 are in use where every hook attaches.
const OF_A_SESSION: usize = 512;

/// Sessions at once: `r` in `top` begins a second one.
const SESSIONS: usize = 2;

/// The soft and the hard limit that this process began with, once the soft one was raised.
static INHERITED: OnceLock<(rlim_t, rlim_t)> = OnceLock::new();

/// Raises the soft limit to what sessions on so many CPUs need. The hard limit is the most: a
/// person may have set it.
pub(super) fn raise(cpus: usize) {
    let needed = rlim_t::try_from(SESSIONS * (OF_A_SESSION + cpus)).unwrap_or(rlim_t::MAX);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let raised = needed.min(hard);
    // A session may do with less; one that does not says that no descriptors were left.
    if soft < raised && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() {
        let _ = INHERITED.set((soft, hard));
    }
}

/// Returns the limits that a launched command gets back; `None` where nothing was raised.
pub(super) fn inherited() -> Option<(rlim_t, rlim_t)> {
    INHERITED.get().copied()
}

/// Gives a limit back, between fork and exec.
///
/// # Errors
/// setrlimit(2) failed.
pub(super) fn give_back((soft, hard): (rlim_t, rlim_t)) -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?)
}
