//! Gives up privileges: users, capabilities, and system calls.

use std::{io, ptr};

use nix::{
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
    },
    unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid},
};

use super::filter;

/// The user without rights, as on all Linux systems.
const NOBODY: u32 = 65_534;

/// Gives up what the reader does not need. Where the kernel refuses a part, the others hold.
///
/// # Errors
/// New privileges could still be gained.
pub fn confine() -> io::Result<()> {
    prctl::set_no_new_privs()?;
    ignore_signals()?;
    drop_bounding();
    if geteuid().is_root() {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        // In a user namespace there may be no such user.
        let _ = setgroups(&[]);
        let _ = setresgid(group, group, group);
        let _ = setresuid(user, user, user);
    }
    drop_capabilities();
    if filter::install().is_err() {
        // The library opens its copies by `/proc/self/fd`, which a process that has changed its
        // user may not, unless it says that others of that user may look at it.
        prctl::set_dumpable(true)?;
    }
    Ok(())
}

/// Closes what the tracer may have left open: all but the socket and the standard streams.
pub fn close_others() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: no file of this process has such a descriptor yet.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) };
}

/// Ignores the signals that ask a whole service to stop: the tracer still wants names for its
/// report, and its end is the reader's.
fn ignore_signals() -> io::Result<()> {
    for ignored in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: no handler runs.
        unsafe { signal(ignored, SigHandler::SigIgn) }?;
    }
    Ok(())
}

/// Gives up the capabilities that a program that is executed could get.
fn drop_bounding() {
    for capability in 0..64 as libc::c_ulong {
        // SAFETY: this call takes numbers only.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if dropped != 0 {
            break;
        }
    }
}

/// Gives up all capabilities.
fn drop_capabilities() {
    /// `struct __user_cap_header_struct`.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`, which has two words for each of three sets.
    const VERSION: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let none = [0u32; 6];
    // SAFETY: the kernel reads a header and two structures of three words, which `none` is.
    unsafe {
        libc::syscall(
            libc::SYS_capset,
            ptr::from_ref(&header),
            ptr::from_ref(&none),
        )
    };
}
