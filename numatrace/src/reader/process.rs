//! The reader as the tracer sees it: a process that may stop answering at any time.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    ARGUMENT, budget,
    lost::Lost,
    protocol::{Answer, Question},
    wire,
};

/// Time between two looks at whether somebody wants the tracer to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Time for a killed process to end. One that waits for a disk does not end before the disk
/// answers, and nobody waits for it.
const END: Duration = Duration::from_millis(500);

/// A running reader.
pub struct Process {
    child: Child,
    socket: UnixStream,
}

/// How long to wait, and what else ends the wait.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// When it ends.
    pub until: Instant,
    /// Whether somebody wants the tracer to stop.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl Process {
    /// Starts the reader. `program` is this program.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: &Path, interrupted: &dyn Fn() -> bool) -> Result<Self, Lost> {
        let (socket, theirs) = UnixStream::pair().map_err(|_| Lost::NoReader)?;
        socket.set_nonblocking(true).map_err(|_| Lost::NoReader)?;
        let child = Command::new(program)
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            // Ctrl-C at a terminal is for the tracer.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| Lost::NoReader)?;
        let mut process = Self { child, socket };
        let patience = Patience {
            until: Instant::now() + budget::START,
            interrupted,
        };
        match process.receive(patience) {
            Ok(Answer::Ready) => Ok(process),
            Err(Lost::Interrupted) => Err(Lost::Interrupted),
            _ => Err(Lost::NoReader),
        }
    }

    /// Asks a question, and waits for the answer. After an error the process is of no use.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn ask(
        &mut self,
        question: &Question,
        file: Option<&File>,
        patience: Patience<'_>,
    ) -> Result<Answer, Lost> {
        let bytes = wire::encode(question).map_err(|_| Lost::Nonsense)?;
        let asked = self
            .send(&bytes, file.map(AsFd::as_fd), patience)
            .and_then(|()| self.receive(patience));
        asked.map_err(|why| match why {
            Lost::Failed => self.why_it_ended(),
            why => why,
        })
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn send(
        &mut self,
        bytes: &[u8],
        file: Option<BorrowedFd<'_>>,
        patience: Patience<'_>,
    ) -> Result<(), Lost> {
        let mut sent = 0;
        while sent < bytes.len() {
            let rest = bytes.get(sent..).unwrap_or_default();
            let done = if sent == 0 {
                wire::send_start(&self.socket, rest, file)
            } else {
                self.socket.write(rest)
            };
            match done {
                Ok(length) => sent += length,
                Err(error) => self.wait(&error, PollFlags::POLLOUT, patience)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self, patience: Patience<'_>) -> Result<Answer, Lost> {
        let mut head = [0; 4];
        self.fill(&mut head, patience)?;
        let length = wire::length_of(head).ok_or(Lost::Nonsense)?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, patience)?;
        rmp_serde::from_slice(&bytes).map_err(|_| Lost::Nonsense)
    }

    fn fill(&mut self, bytes: &mut [u8], patience: Patience<'_>) -> Result<(), Lost> {
        let mut got = 0;
        while got < bytes.len() {
            match self.socket.read(bytes.get_mut(got..).unwrap_or_default()) {
                Ok(0) => return Err(Lost::Failed),
                Ok(length) => got += length,
                Err(error) => self.wait(&error, PollFlags::POLLIN, patience)?,
            }
        }
        Ok(())
    }

    /// Waits until the socket is ready, if that is what the error is about.
    fn wait(
        &self,
        error: &io::Error,
        ready: PollFlags,
        patience: Patience<'_>,
    ) -> Result<(), Lost> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {}
            io::ErrorKind::Interrupted => return Ok(()),
            _ => return Err(Lost::Failed),
        }
        loop {
            if (patience.interrupted)() {
                return Err(Lost::Interrupted);
            }
            let left = patience.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Lost::TooLong);
            }
            let mut sockets = [PollFd::new(self.socket.as_fd(), ready)];
            let time = PollTimeout::try_from(left.min(LOOK)).unwrap_or(PollTimeout::ZERO);
            match poll(&mut sockets, time) {
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(_) => return Err(Lost::Failed),
            }
        }
    }

    /// Returns why the process closed its socket.
    fn why_it_ended(&mut self) -> Lost {
        match self.end() {
            Some(status) => match status.signal() {
                Some(libc::SIGPROF | libc::SIGXCPU) => Lost::TooLong,
                // Rust aborts where memory cannot be had.
                Some(libc::SIGABRT) => Lost::Memory,
                _ => Lost::Failed,
            },
            None => Lost::Failed,
        }
    }

    /// Waits for the end of a process that is ending; `None` if it does not.
    fn end(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + END;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it has ended.
        let _ = self.child.kill();
        self.end();
    }
}
