//! The system calls of a program and of its children by which it could reach something new: files,
//! programs, sockets. ptrace(2) shows them, so that nothing is asked of the program itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A call that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The program that made it.
    pub program: PathBuf,
    /// Call and arguments.
    pub kind: Kind,
    /// The file, absolute; empty for a call without one.
    pub path: PathBuf,
    /// The kernel did it.
    pub done: bool,
}

/// Until a call has ended, its result reads as "no such call".
const BEGUN: i64 = -(libc::ENOSYS as i64);

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opened a file.
    Open,
    /// Opened a file without following links (openat2).
    OpenBelow,
    /// Started a program.
    Exec,
    /// A socket that is no pair, or any use of one by its address.
    Network,
    /// Mounted, loaded a module, opened by handle: nothing of the kind is expected.
    Other,
}

fn kind(number: u64) -> Option<Kind> {
    Some(match i64::try_from(number).ok()? {
        libc::SYS_open | libc::SYS_openat | libc::SYS_creat => Kind::Open,
        libc::SYS_openat2 => Kind::OpenBelow,
        libc::SYS_execve | libc::SYS_execveat => Kind::Exec,
        libc::SYS_socket
        | libc::SYS_connect
        | libc::SYS_bind
        | libc::SYS_listen
        | libc::SYS_accept
        | libc::SYS_accept4 => Kind::Network,
        libc::SYS_open_by_handle_at
        | libc::SYS_mount
        | libc::SYS_umount2
        | libc::SYS_init_module
        | libc::SYS_finit_module
        | libc::SYS_kexec_load => Kind::Other,
        _ => return None,
    })
}

/// Runs a program with everything that it starts, up to the exec of `command`, which is let go.
/// Returns the calls and the end of the program.
///
/// # Errors
/// This process may not trace, or the program cannot be started.
pub fn of(program: &Path, args: &[&str], command: &Path) -> Result<(Vec<Call>, ExitStatus)> {
    // The shell waits until it is traced, and becomes the program.
    let mut shell = Command::new("sh")
        .args(["-c", "read go; exec \"$0\" \"$@\""])
        .arg(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let root = Pid::from_raw(i32::try_from(shell.id())?);
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(root, options).context("ptrace(2) is refused")?;
    ptrace::interrupt(root)?;
    shell.stdin.take().context("no stdin")?.write_all(b"\n")?;
    let mut trace = Trace {
        program: program.to_owned(),
        command: command.to_owned(),
        ..Trace::default()
    };
    let code = trace.follow(root)?;
    Ok((trace.calls, code))
}

#[derive(Default)]
struct Trace {
    program: PathBuf,
    command: PathBuf,
    /// Calls that have begun, by thread.
    pending: HashMap<i32, Call>,
    calls: Vec<Call>,
}

impl Trace {
    /// Follows every process until the first one has ended.
    fn follow(&mut self, root: Pid) -> Result<ExitStatus> {
        use std::os::unix::process::ExitStatusExt;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Exited(pid, code) if pid == root => {
                    return Ok(ExitStatus::from_raw(code << 8));
                }
                WaitStatus::Signaled(pid, signal, _) if pid == root => {
                    return Ok(ExitStatus::from_raw(signal as i32));
                }
                WaitStatus::PtraceSyscall(pid) => {
                    self.stopped_at_call(pid);
                    resume(pid, None);
                }
                WaitStatus::PtraceEvent(pid, _, event) => {
                    if event == Event::PTRACE_EVENT_EXEC as i32 && exe(pid) == self.command {
                        self.ended(pid, true);
                        // The process may have ended already.
                        let _ = ptrace::detach(pid, None);
                    } else {
                        resume(pid, None);
                    }
                }
                WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal)),
                _ => {}
            }
        }
    }

    fn stopped_at_call(&mut self, pid: Pid) {
        let Ok(registers) = ptrace::getregs(pid) else {
            return;
        };
        let result = registers.rax.cast_signed();
        if self.ended(pid, result >= 0) || result != BEGUN {
            return;
        }
        if let Some(call) = begun(pid, &registers) {
            self.pending.insert(pid.as_raw(), call);
        }
    }

    /// Notes the end of a thread's call; returns whether one had begun.
    fn ended(&mut self, pid: Pid, done: bool) -> bool {
        let Some(call) = self.pending.remove(&pid.as_raw()) else {
            return false;
        };
        // The shell, and a command before its exec, are of other programs.
        if call.program == self.program {
            self.calls.push(Call { done, ..call });
        }
        true
    }
}

/// Returns the call that a thread begins, if it is of a kind that matters.
fn begun(pid: Pid, registers: &libc::user_regs_struct) -> Option<Call> {
    let kind = kind(registers.orig_rax)?;
    let at = |register| text(pid, register);
    let path = match i64::try_from(registers.orig_rax).unwrap_or(-1) {
        libc::SYS_open | libc::SYS_creat | libc::SYS_execve => {
            absolute(pid, libc::AT_FDCWD, &at(registers.rdi))
        }
        libc::SYS_openat | libc::SYS_openat2 | libc::SYS_execveat => {
            // The kernel takes the lower half.
            let folder = u32::try_from(registers.rdi & 0xffff_ffff).unwrap_or(0);
            absolute(pid, folder.cast_signed(), &at(registers.rsi))
        }
        _ => PathBuf::new(),
    };
    Some(Call {
        program: exe(pid),
        kind,
        path,
        done: false,
    })
}

/// Lets a thread go on; it may have been killed meanwhile.
fn resume(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(pid, signal);
}

fn exe(pid: Pid) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default()
}

/// Reads a text of a thread's memory.
fn text(pid: Pid, address: u64) -> String {
    let mut bytes = vec![0; 4096];
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| {
        // Up to the end of the page, behind which there may be nothing.
        let length = 4096 - usize::try_from(address % 4096).unwrap_or(0);
        let first = memory.read_at(&mut bytes[..length], address)?;
        let rest = &mut bytes[first..];
        Ok(first + memory.read_at(rest, address + first as u64).unwrap_or(0))
    });
    bytes.truncate(read.unwrap_or(0));
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the path that a thread means.
fn absolute(pid: Pid, folder: i32, path: &str) -> PathBuf {
    if path.starts_with('/') {
        return PathBuf::from(path);
    }
    let folder = if folder == libc::AT_FDCWD {
        format!("/proc/{pid}/cwd")
    } else {
        format!("/proc/{pid}/fd/{folder}")
    };
    std::fs::read_link(folder).unwrap_or_default().join(path)
}
