//! A launched command: forked, held before its exec until it is in scope, and ended after the
//! session.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            process::{CommandExt, ExitStatusExt},
        },
    },
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::unistd::{User, initgroups, setgid, setuid};

use crate::{
    exit::{Exit, Failure},
    ids::Pid,
    output::escape,
    plan::Launch,
};

/// Time that a command has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two checks whether it has ended.
const CHECK: Duration = Duration::from_millis(10);

/// A child process that waits before its exec.
pub struct HeldCommand {
    /// PID of the command.
    pub pid: Pid,
    /// One byte written here releases the child.
    gate: File,
    spawning: JoinHandle<io::Result<Child>>,
    name: String,
}

/// Forks the command and holds it right before its exec.
///
/// # Errors
/// The user does not exist, or fork(2) failed.
pub fn hold(launch: &Launch) -> anyhow::Result<HeldCommand> {
    let (program, arguments) = launch.argv.split_first().context("no command given")?;
    let name = escape::text(program.as_bytes()).into_owned();
    let user = launch.user.as_deref().map(find_user).transpose()?;

    // Two pipes, both close-on-exec: the child writes its PID, then waits for one byte.
    let (mut pid_from_child, mut pid_to_parent) = pipe()?;
    let (mut gate_in_child, gate) = pipe()?;
    let mut command = Command::new(program);
    command.args(arguments);
    if launch.stdout_to_stderr {
        let stderr = io::stderr()
            .as_fd()
            .try_clone_to_owned()
            .context("cannot duplicate stderr")?;
        command.stdout(Stdio::from(stderr));
    }
    // SAFETY: between fork and exec the closure makes only async-signal-safe system calls (write,
    // read, getpid, setgroups, setgid, setuid), on descriptors and memory of which the child owns
    // copies.
    unsafe {
        command.pre_exec(move || {
            pid_to_parent.write_all(&std::process::id().to_ne_bytes())?;
            let mut go = [0u8; 1];
            // If numatrace dies meanwhile, the pipe closes and nothing is run.
            gate_in_child.read_exact(&mut go)?;
            if let Some((name, user)) = &user {
                initgroups(name, user.gid)?;
                setgid(user.gid)?;
                setuid(user.uid)?;
            }
            Ok(())
        });
    }
    // `spawn` returns only after the exec, so it waits on a thread of its own.
    let spawning = std::thread::spawn(move || {
        let result = command.spawn();
        // The closure has copies of the child's ends of the pipes. They must close after an early
        // failure, or the reader below would wait for ever.
        drop(command);
        result
    });
    let mut pid = [0u8; 4];
    match pid_from_child.read_exact(&mut pid) {
        Ok(()) => Ok(HeldCommand {
            pid: Pid(u32::from_ne_bytes(pid)),
            gate,
            spawning,
            name,
        }),
        Err(_) => match spawning.join() {
            Ok(Err(error)) => Err(cannot_run(&name, &error).into()),
            _ => Err(anyhow::anyhow!(
                "the command's process ended before it could be run"
            )),
        },
    }
}

impl HeldCommand {
    /// Releases the command; it is running when this returns.
    ///
    /// # Errors
    /// The command cannot be found (exit status 127) or run (126).
    pub fn release(mut self) -> anyhow::Result<Child> {
        // If the child is dead already, the result of `spawn` says so.
        let _ = self.gate.write_all(&[1]);
        match self.spawning.join() {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(error)) => Err(cannot_run(&self.name, &error).into()),
            Err(_) => Err(anyhow::anyhow!(
                "the thread that starts the command panicked"
            )),
        }
    }
}

/// Ends a running command: SIGTERM first, SIGKILL after five seconds. Returns when it has ended.
///
/// # Errors
/// wait4(2) or kill(2) failed.
pub async fn end(child: &mut Child) -> anyhow::Result<()> {
    send_sigterm(child);
    let asked = Instant::now();
    while child
        .try_wait()
        .context("cannot wait for the command")?
        .is_none()
    {
        if asked.elapsed() >= GRACE {
            child.kill().context("cannot kill the command")?;
            child.wait().context("cannot wait for the command")?;
            break;
        }
        tokio::time::sleep(CHECK).await;
    }
    Ok(())
}

/// Returns the exit status of numatrace for that of its command, as a shell passes it on.
pub fn passed_on(status: ExitStatus) -> Exit {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    Exit::Command(
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(u8::MAX),
    )
}

fn cannot_run(name: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(
            Exit::Command(127),
            format!("{name}: command not found"),
            "give its path, or check PATH (sudo may set its own)",
        ),
        _ => Failure::new(
            Exit::Command(126),
            format!("cannot run {name}: {error}"),
            "check that it is an executable file that this user may run",
        ),
    }
}

fn find_user(name: &str) -> anyhow::Result<(CString, User)> {
    let user = User::from_name(name).with_context(|| format!("cannot look up user {name}"))?;
    let user = user.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("there is no user {}", escape::text(name.as_bytes())),
            "list users with: getent passwd",
        )
    })?;
    Ok((CString::new(name)?, user))
}

fn pipe() -> anyhow::Result<(File, File)> {
    let (read, write): (OwnedFd, OwnedFd) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    Ok((File::from(read), File::from(write)))
}

fn send_sigterm(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // A process that has just ended needs no signal.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
    }
}
