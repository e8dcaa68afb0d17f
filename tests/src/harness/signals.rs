//! Signals of the programs that tests start.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The largest number of a signal that is no real-time signal.
const LARGEST: libc::c_int = 31;

/// Has a program begin with the default action of each signal, as a shell's foreground does. A
/// shell without job control ignores some in what it runs, and so then do the tests.
pub fn by_default(command: &mut Command) {
    // SAFETY: signal(2) is safe between fork and exec, and touches nothing of this process.
    unsafe {
        command.pre_exec(|| {
            for number in 1..=LARGEST {
                // SIGKILL and SIGSTOP are refused.
                libc::signal(number, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}
