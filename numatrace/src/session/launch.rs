//! A launched command: forked, and held before its exec until it is in scope.
//!
//! A held child never outlives the session that is being opened: it ends when the gate closes,
//! when numatrace dies, and by every signal that ends a program. From its exec on the command is on
//! its own, so it goes on when numatrace is killed: a tracer must not take down what it watches.

use std::{
    ffi::{CString, OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
};

use anyhow::Context;
use nix::{
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{User, getppid, initgroups, setgid, setuid},
};

use super::{descriptors, scarce, signals};
use crate::{
    exit::{Exit, Failure},
    ids::Pid,
    output::escape,
    plan::Launch,
};

/// A child process that waits before its exec; dropping it ends the child.
pub struct HeldCommand {
    /// PID of the command.
    pub pid: Pid,
    /// One byte written here releases the child, and closing it ends the child; `None` after
    /// either.
    gate: Option<File>,
    /// The thread that waits for the exec; `None` once it is joined.
    spawning: Option<JoinHandle<io::Result<Child>>>,
    program: OsString,
}

/// Forks the command and holds it right before its exec.
///
/// # Errors
/// The user does not exist, fork(2) failed, or a signal has ended the session.
pub fn hold(launch: &Launch) -> anyhow::Result<HeldCommand> {
    let (program, arguments) = launch.argv.split_first().context("no command given")?;
    check_signals(program)?;
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
    let (parent, parents_gate) = (nix::unistd::getpid(), gate.as_raw_fd());
    let open_files = descriptors::inherited();
    // SAFETY: between fork and exec the closure makes only async-signal-safe system calls (prctl,
    // getppid, close, sigaction, setrlimit, write, read, getpid, setgroups, setgid, setuid), on
    // descriptors and memory of which the child owns copies. Nothing else in the child uses the
    // descriptor that it closes.
    unsafe {
        command.pre_exec(move || {
            // The signal also comes when the thread ends that forks; that one waits for the exec.
            set_pdeathsig(Signal::SIGKILL)?;
            if getppid() != parent {
                // It died before the first line; an error that allocates nothing.
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            // With a copy of this end the child would never see the gate close.
            libc::close(parents_gate);
            signals::restore_inherited();
            if let Some(limits) = open_files {
                descriptors::give_back(limits)?;
            }
            pid_to_parent.write_all(&std::process::id().to_ne_bytes())?;
            let mut go = [0u8; 1];
            gate_in_child.read_exact(&mut go)?;
            if let Some((name, user)) = &user {
                initgroups(name, user.gid)?;
                setgid(user.gid)?;
                setuid(user.uid)?;
            }
            set_pdeathsig(None::<Signal>)?;
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
            gate: Some(gate),
            spawning: Some(spawning),
            program: program.clone(),
        }),
        Err(_) => match spawning.join() {
            Ok(Err(error)) => Err(cannot_run(program, &error).into()),
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
    /// The command cannot be found (exit status 127) or run (126), or a signal has ended the
    /// session (128 + its number): then nothing is run.
    pub fn release(mut self) -> anyhow::Result<Child> {
        // A signal after this line finds the child in its default state, or in its own program.
        check_signals(&self.program)?;
        if let Some(mut gate) = self.gate.take() {
            // If the child is dead already, the result of `spawn` says so.
            let _ = gate.write_all(&[1]);
        }
        match self.spawning.take().map(JoinHandle::join) {
            Some(Ok(Ok(child))) => Ok(child),
            Some(Ok(Err(error))) => Err(cannot_run(&self.program, &error).into()),
            _ => Err(anyhow::anyhow!(
                "the thread that starts the command panicked"
            )),
        }
    }
}

impl Drop for HeldCommand {
    fn drop(&mut self) {
        drop(self.gate.take());
        if let Some(spawning) = self.spawning.take() {
            // The thread returns when the child has ended; the reason is known elsewhere.
            let _ = spawning.join();
        }
    }
}

/// Refuses to start a command after a signal that was to end the session.
fn check_signals(program: &OsStr) -> Result<(), Failure> {
    let Some(signal) = signals::first() else {
        return Ok(());
    };
    let name = escape::text(program.as_bytes());
    let status = u8::try_from(128 + signal as i32).unwrap_or(u8::MAX);
    Err(Failure {
        exit: Exit::Command(status),
        what: format!("{signal} ended the session before {name} was started"),
        hint: None,
    })
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

/// Returns the failure of an exec, with the status that a shell gives it.
fn cannot_run(program: &OsStr, error: &io::Error) -> Failure {
    let name = escape::text(program.as_bytes());
    let is_path = program.as_bytes().contains(&b'/');
    if error.raw_os_error() == Some(libc::EMFILE) {
        return scarce::no_descriptors(&format!("cannot start {name}"));
    }
    match error.kind() {
        // exec(2) has the same error for the interpreter of a file that is there.
        io::ErrorKind::NotFound if is_path && Path::new(program).exists() => Failure::new(
            Exit::Command(126),
            format!("cannot run {name}: its interpreter does not exist"),
            "check its first line (#!), or for a program the loader that file(1) names",
        ),
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
