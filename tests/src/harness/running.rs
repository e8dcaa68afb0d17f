//! A child process whose output is collected while it runs. Every wait has a deadline.

use std::io::{Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::signals;

/// A running program.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    end: Watch,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
}

/// The end of a program, with its whole output.
#[derive(Debug)]
pub struct Finished {
    /// The exit status.
    pub status: ExitStatus,
    /// Everything written to stdout.
    pub stdout: String,
    /// Everything written to stderr.
    pub stderr: String,
}

impl Running {
    /// Starts `command` with all three streams piped.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        signals::by_default(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = Stream::collect(child.stdout.take().context("no stdout")?);
        let stderr = Stream::collect(child.stderr.take().context("no stderr")?);
        let end = Watch::on(child.id())?;
        Ok(Self {
            name,
            end,
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
        })
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until stderr holds `text`.
    ///
    /// # Errors
    /// stderr ends or the deadline passes before; the message has the output so far.
    pub fn wait_for(&self, text: &str, deadline: Duration) -> Result<()> {
        self.stderr
            .wait_for(text, deadline)
            .with_context(|| format!("{} never wrote {text:?} to stderr", self.name))
    }

    /// Waits until stdout holds `text`.
    ///
    /// # Errors
    /// As [`Running::wait_for`].
    pub fn wait_for_output(&self, text: &str, deadline: Duration) -> Result<()> {
        self.stdout
            .wait_for(text, deadline)
            .with_context(|| format!("{} never wrote {text:?}", self.name))
    }

    /// Waits until stdout holds that many lines.
    ///
    /// # Errors
    /// As [`Running::wait_for`].
    pub fn wait_for_lines(&self, lines: usize, deadline: Duration) -> Result<()> {
        self.stdout
            .wait_until(|bytes| lines_of(bytes) >= lines, deadline)
            .with_context(|| format!("{} never wrote {lines} lines", self.name))
    }

    /// Returns the lines of stdout so far.
    #[must_use]
    pub fn lines(&self) -> usize {
        lines_of(&self.stdout.lock().bytes)
    }

    /// Writes to the program's stdin.
    ///
    /// # Errors
    /// The program no longer reads.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        stdin
            .write_all(text.as_bytes())
            .with_context(|| format!("{} does not read", self.name))
    }

    /// Closes the program's stdin.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// The program is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), signal)
            .with_context(|| format!("cannot signal {}", self.name))
    }

    /// Closes the program's stdin and waits for its end.
    ///
    /// # Errors
    /// The program runs beyond the deadline; it is killed then.
    pub fn finish(mut self, deadline: Duration) -> Result<Finished> {
        self.hang_up();
        let until = Instant::now() + deadline;
        if !self.has_ended(deadline)? {
            bail!(
                "{} still runs after {deadline:?}; stderr: {}",
                self.name,
                self.stderr.text()
            );
        }
        let status = self.child.wait()?;
        // A process that it started may keep its output open for longer.
        let left = until
            .saturating_duration_since(Instant::now())
            .max(Duration::from_secs(1));
        Ok(Finished {
            status,
            stdout: self.stdout.finish(left),
            stderr: self.stderr.finish(left),
        })
    }

    /// Returns whether the program ends within `deadline`.
    ///
    /// # Errors
    /// The kernel cannot say.
    pub fn has_ended(&self, deadline: Duration) -> Result<bool> {
        self.end.within(deadline)
    }

    /// Returns the text that it has written to stdout so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.stdout.text()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for the end of any process, a child or not.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Begins to watch a process that runs.
    ///
    /// # Errors
    /// There is no such process.
    pub fn on(pid: u32) -> Result<Self> {
        // SAFETY: the call takes two integers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, i64::from(pid), 0) };
        ensure!(
            fd >= 0,
            "pidfd_open of {pid}: {}",
            std::io::Error::last_os_error()
        );
        // SAFETY: the kernel just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) }))
    }

    /// Returns whether the process ends within `deadline`.
    ///
    /// # Errors
    /// The kernel cannot say.
    pub fn within(&self, deadline: Duration) -> Result<bool> {
        let timeout = PollTimeout::try_from(deadline).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, timeout)? > 0)
    }
}

/// The text that a stream has brought so far.
#[derive(Clone, Debug)]
struct Stream(Arc<(Mutex<Brought>, Condvar)>);

#[derive(Debug, Default)]
struct Brought {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn collect(mut from: impl Read + Send + 'static) -> Self {
        let stream = Self(Arc::default());
        let into = stream.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = from.read(&mut buffer).unwrap_or(0);
                let mut brought = into.lock();
                brought.bytes.extend_from_slice(&buffer[..read]);
                brought.ended = read == 0;
                into.0.1.notify_all();
                if brought.ended {
                    return;
                }
            }
        });
        stream
    }

    fn lock(&self) -> MutexGuard<'_, Brought> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    fn wait_for(&self, text: &str, deadline: Duration) -> Result<()> {
        self.wait_until(
            |bytes| String::from_utf8_lossy(bytes).contains(text),
            deadline,
        )
    }

    fn wait_until(&self, has: impl Fn(&[u8]) -> bool, deadline: Duration) -> Result<()> {
        let waited = self
            .0
            .1
            .wait_timeout_while(self.lock(), deadline, |brought| {
                !brought.ended && !has(&brought.bytes)
            });
        let (brought, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ensure!(
            has(&brought.bytes),
            "its output: {}",
            String::from_utf8_lossy(&brought.bytes)
        );
        Ok(())
    }

    fn finish(&self, deadline: Duration) -> String {
        let waited = self
            .0
            .1
            .wait_timeout_while(self.lock(), deadline, |brought| !brought.ended);
        let (brought, _) = waited.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&brought.bytes).into_owned()
    }
}

fn lines_of(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        Running::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn output_and_status_are_kept() {
        let done = shell("echo out; echo err >&2; exit 3")
            .finish(Duration::from_secs(10))
            .unwrap();
        assert_eq!(
            (
                done.stdout.as_str(),
                done.stderr.as_str(),
                done.status.code()
            ),
            ("out\n", "err\n", Some(3))
        );
    }

    #[test]
    fn a_program_that_never_ends_is_an_error_and_is_killed() {
        let program = Running::start(Command::new("sleep").arg("1000")).unwrap();
        let pid = program.pid();
        assert!(program.finish(Duration::from_millis(20)).is_err());
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn waiting_for_a_line_ends_at_the_line_or_with_the_program() {
        let mut program = shell("echo ready >&2; read x; echo got $x");
        program.wait_for("ready", Duration::from_secs(10)).unwrap();
        program.send("it\n").unwrap();
        assert_eq!(
            program.finish(Duration::from_secs(10)).unwrap().stdout,
            "got it\n"
        );
        assert!(
            shell("echo no >&2")
                .wait_for("ready", Duration::from_secs(10))
                .is_err()
        );
    }
}
