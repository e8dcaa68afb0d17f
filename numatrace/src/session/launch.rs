//! A launched command: forked, held before its exec until it is in scope, its status passed on.

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
};

use anyhow::Context;
use nix::unistd::{User, initgroups, setgid, setuid};

use crate::{
    exit::{Exit, Failure},
    ids::Pid,
    output::escape,
    plan::Launch,
};

/// A child that waits before its exec.
pub struct Held {
    /// Its number.
    pub pid: Pid,
    gate: File,
    spawning: JoinHandle<io::Result<Child>>,
    name: String,
}

/// Forks the command and holds it right before exec.
///
/// # Errors
/// The user does not exist, or there is no process to be had.
pub fn hold(launch: &Launch) -> anyhow::Result<Held> {
    let (program, arguments) = launch.argv.split_first().context("no command given")?;
    let name = escape::text(program.as_bytes()).into_owned();
    let user = launch.user.as_deref().map(find_user).transpose()?;

    // Two pipes, both close-on-exec: the child says who it is, then waits for one byte.
    let (mut tells, mut told) = pipe()?;
    let (gate_child, gate) = pipe()?;
    let mut command = Command::new(program);
    command.args(arguments);
    if launch.stdout_to_stderr {
        let stderr = io::stderr()
            .as_fd()
            .try_clone_to_owned()
            .context("cannot duplicate stderr")?;
        command.stdout(Stdio::from(stderr));
    }
    let mut gate_child = gate_child;
    // SAFETY: between fork and exec only system calls are made that are async-signal-safe (write, read, getpid, setgroups, setgid, setuid), on
    // descriptors and memory that the child owns copies of.
    unsafe {
        command.pre_exec(move || {
            told.write_all(&std::process::id().to_ne_bytes())?;
            let mut go = [0u8; 1];
            // A tracer that dies meanwhile closes the gate: nothing is run.
            gate_child.read_exact(&mut go)?;
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
        // The closure holds our copies of the child's pipe ends: an early failure must reach the reader below.
        drop(command);
        result
    });
    let mut pid = [0u8; 4];
    match tells.read_exact(&mut pid) {
        Ok(()) => Ok(Held {
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

impl Held {
    /// Lets the command go; it is running when this returns.
    ///
    /// # Errors
    /// The command cannot be found (127) or run (126).
    pub fn release(mut self) -> anyhow::Result<Child> {
        // A child that is already dead shows in the spawn's result.
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

/// The status of an ended command, as a shell would pass it on.
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

/// Asks a running command to end.
pub fn terminate(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // One that has just ended needs no signal.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
    }
}
