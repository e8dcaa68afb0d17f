//! Answers calls that open or look up files, instead of the kernel. The library knows files by
//! their paths only, and the only paths that exist here are `/proc/self/fd/N` of copies that this
//! process has made: opening one duplicates its descriptor.

#![cfg(target_arch = "x86_64")]

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    io, mem, ptr,
};

/// Answers such calls from now on, which the filter turns into a signal.
///
/// # Errors
/// sigaction(2) failed.
pub fn answer_them() -> io::Result<()> {
    // SAFETY: an action of zeros is one with the default handler and no flags.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_call;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for.
    let set = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Puts the answer where the call's result would be. The call was made by this thread, on purpose,
/// so this may do what it could do.
extern "C" fn on_call(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the third argument is the context that was interrupted, and nothing
    // else uses it.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let register = |number: c_int| usize::try_from(number).unwrap_or(usize::MAX);
    let value = |number: c_int| registers.get(register(number)).copied().unwrap_or(-1);
    let arguments = [
        value(libc::REG_RDI),
        value(libc::REG_RSI),
        value(libc::REG_RDX),
        value(libc::REG_R10),
        value(libc::REG_R8),
    ];
    let result = answer(value(libc::REG_RAX), arguments);
    if let Some(place) = registers.get_mut(register(libc::REG_RAX)) {
        *place = result;
    }
}

/// Returns the result of a call, or a negative error number.
fn answer(call: c_long, [first, second, third, fourth, fifth]: [c_long; 5]) -> c_long {
    let result = match call {
        libc::SYS_open => descriptor(first).map(duplicate),
        libc::SYS_openat => descriptor(second).map(duplicate),
        libc::SYS_stat | libc::SYS_lstat => descriptor(first).map(|file| status(file, second)),
        libc::SYS_newfstatat => descriptor(second).map(|file| status(file, third)),
        libc::SYS_statx => descriptor(second).map(|file| {
            let flags = third | c_long::from(libc::AT_EMPTY_PATH);
            let path: *const c_char = c"".as_ptr();
            // SAFETY: the buffer is the caller's own, as it gave it to statx(2).
            unsafe { libc::syscall(libc::SYS_statx, file, path, flags, fourth, fifth) }
        }),
        libc::SYS_access => descriptor(first).map(|_| 0),
        libc::SYS_faccessat => descriptor(second).map(|_| 0),
        _ => None,
    };
    match result {
        Some(result) if result >= 0 => result,
        Some(_) => {
            let error = io::Error::last_os_error().raw_os_error();
            -c_long::from(error.unwrap_or(libc::EIO))
        }
        None => -c_long::from(libc::ENOENT),
    }
}

fn duplicate(file: c_int) -> c_long {
    // SAFETY: this call takes numbers only.
    c_long::from(unsafe { libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 0) })
}

fn status(file: c_int, buffer: c_long) -> c_long {
    // SAFETY: the buffer is the caller's own, as it gave it to stat(2).
    unsafe { libc::syscall(libc::SYS_fstat, file, buffer) }
}

/// Returns the descriptor that a path names.
fn descriptor(path: c_long) -> Option<c_int> {
    let path = ptr::with_exposed_provenance::<c_char>(usize::try_from(path).ok()?);
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller gave this pointer to the kernel as a string.
    let path = unsafe { CStr::from_ptr(path) };
    number(path.to_bytes())
}

fn number(path: &[u8]) -> Option<c_int> {
    let digits = path.strip_prefix(b"/proc/self/fd/")?;
    let number: c_int = str::from_utf8(digits).ok()?.parse().ok()?;
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_exist() {
        assert_eq!(number(b"/proc/self/fd/17"), Some(17));
        for path in [
            &b"/proc/self/fd/0"[..],
            b"/proc/self/fd/",
            b"/proc/self/fd/-1",
            b"/proc/self/fd/17.dwp",
            b"/proc/self/fd/17/x",
            b"/etc/shadow",
            b"",
        ] {
            assert_eq!(number(path), None, "{path:?}");
        }
    }
}
