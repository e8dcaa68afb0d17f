//! A program on a terminal of its own: tests read its screen as a person would see it, and press
//! keys. Every wait has a deadline.

use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{SetArg, Termios, tcgetattr, tcsetattr},
    },
    unistd::Pid,
};

use super::{running::Watch, signals};

/// A running program and its terminal.
pub struct OnTerminal {
    child: Child,
    end: Watch,
    master: File,
    /// Kept open, so that its settings can be read after the program has ended.
    slave: OwnedFd,
    before: Termios,
    shown: Arc<(Mutex<Shown>, Condvar)>,
}

/// The output so far, and the screen it makes.
struct Shown {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    /// How many of the bytes are on the screen.
    drawn: usize,
    ended: bool,
}

/// Between these two a terminal keeps showing the previous screen (synchronized update).
const UPDATE: (&[u8], &[u8]) = (b"\x1b[?2026h", b"\x1b[?2026l");

impl Shown {
    /// Draws the bytes that have come, except for half an update.
    fn draw(&mut self) {
        let last = |mark: &[u8]| self.bytes.windows(mark.len()).rposition(|at| at == mark);
        let whole = match (last(UPDATE.0), last(UPDATE.1)) {
            (Some(begun), done) if !self.ended && done.is_none_or(|done| done < begun) => begun,
            _ => self.bytes.len(),
        };
        if let Some(new) = self.bytes.get(self.drawn..whole) {
            self.parser.process(new);
            self.drawn = whole;
        }
    }
}

/// The end of a program, with its screen and its whole output.
#[derive(Debug)]
pub struct Left {
    /// The exit status.
    pub status: ExitStatus,
    /// The screen at the end.
    pub screen: String,
    /// Everything written.
    pub bytes: Vec<u8>,
    /// True if the terminal's settings are as before.
    pub as_before: bool,
}

impl OnTerminal {
    /// Starts `command` on a terminal of that size.
    ///
    /// # Errors
    /// No terminal can be had, or the program cannot be started.
    pub fn start(command: &mut Command, rows: u16, columns: u16) -> Result<Self> {
        // A session of its own, so that the terminal of whoever runs the tests is out of reach. The
        // terminal does not become the controlling one: the kernel would reset it when its leader
        // ends, and the test could not see the state it was left in.
        Self::begin(command, rows, columns, false)
    }

    /// Starts `command` as a shell does in the foreground: Ctrl-C goes to it and its children as a
    /// signal. The terminal's settings are not those it leaves behind.
    ///
    /// # Errors
    /// As [`OnTerminal::start`].
    pub fn start_in_foreground(command: &mut Command, rows: u16, columns: u16) -> Result<Self> {
        Self::begin(command, rows, columns, true)
    }

    fn begin(command: &mut Command, rows: u16, columns: u16, controls: bool) -> Result<Self> {
        let pty = openpty(&size(rows, columns), None).context("no pseudo terminal")?;
        let before = tcgetattr(&pty.slave)?;
        let slave = || -> Result<Stdio> { Ok(Stdio::from(File::from(pty.slave.try_clone()?))) };
        command
            .stdin(slave()?)
            .stdout(slave()?)
            .stderr(slave()?)
            .env("TERM", "xterm-256color");
        signals::by_default(command);
        // SAFETY: the calls are safe between fork and exec, and touch nothing of this process.
        unsafe {
            command.pre_exec(move || {
                nix::unistd::setsid()?;
                if controls && libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().context("cannot start it")?;
        let end = Watch::on(child.id())?;
        let shown = Arc::new((
            Mutex::new(Shown {
                parser: vt100::Parser::new(rows, columns, 0),
                bytes: Vec::new(),
                drawn: 0,
                ended: false,
            }),
            Condvar::new(),
        ));
        let master = File::from(pty.master);
        read(master.try_clone()?, Arc::clone(&shown));
        Ok(Self {
            child,
            end,
            master,
            slave: pty.slave,
            before,
            shown,
        })
    }

    /// Types text.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.master
            .write_all(keys.as_bytes())
            .context("the terminal takes no keys")
    }

    /// Changes the terminal's size.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        let size = size(rows, columns);
        lock(&self.shown.0)
            .parser
            .screen_mut()
            .set_size(rows, columns);
        // SAFETY: the descriptor is open and the kernel copies the structure.
        let done =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        ensure!(done == 0, "{}", std::io::Error::last_os_error());
        // Only a controlling terminal sends this signal by itself.
        self.signal(Signal::SIGWINCH)
    }

    /// Says that the terminal has a size that no screen has. The picture keeps its own.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn claim(&self, rows: u16, columns: u16) -> Result<()> {
        let size = size(rows, columns);
        // SAFETY: the descriptor is open and the kernel copies the structure.
        let done =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        ensure!(done == 0, "{}", std::io::Error::last_os_error());
        self.signal(Signal::SIGWINCH)
    }

    /// Gives the terminal the settings of before the program, as a shell does when a job stops.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn take_back(&self) -> Result<()> {
        Ok(tcsetattr(&self.slave, SetArg::TCSANOW, &self.before)?)
    }

    /// Waits until the program has written a text so often.
    ///
    /// # Errors
    /// It does not by the deadline, or ends.
    pub fn wait_for_output(&self, text: &str, times: usize, deadline: Duration) -> Result<()> {
        let count = |shown: &Shown| {
            let places = shown.bytes.windows(text.len());
            places.filter(|place| *place == text.as_bytes()).count()
        };
        let waited = self
            .shown
            .1
            .wait_timeout_while(lock(&self.shown.0), deadline, |shown| {
                !shown.ended && count(shown) < times
            });
        let (shown, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = count(&shown);
        ensure!(found >= times, "{text:?}: {found} of {times}");
        Ok(())
    }

    /// Waits until the screen shows the wanted text, and returns the screen.
    ///
    /// # Errors
    /// The deadline passed; the message has the screen.
    pub fn wait_for(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let shows = |shown: &Shown| wanted(&shown.parser.screen().contents());
        let waited = self
            .shown
            .1
            .wait_timeout_while(lock(&self.shown.0), deadline, |shown| {
                !shown.ended && !shows(shown)
            });
        let (shown, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let screen = shown.parser.screen().contents();
        let state = match self.end.within(Duration::ZERO) {
            Ok(true) => "it has ended",
            _ => "it still runs",
        };
        ensure!(
            wanted(&screen),
            "never showed {what}; {state} and shows:\n{screen}"
        );
        Ok(screen)
    }

    /// Returns the screen.
    #[must_use]
    pub fn screen(&self) -> String {
        lock(&self.shown.0).parser.screen().contents()
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// The program is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).context("cannot signal it")
    }

    /// Waits for the program's end.
    ///
    /// # Errors
    /// The program runs beyond the deadline; it is killed then.
    pub fn finish(mut self, deadline: Duration) -> Result<Left> {
        ensure!(
            self.end.within(deadline)?,
            "it still runs; it shows:\n{}",
            self.screen()
        );
        let status = self.child.wait()?;
        let as_before = settings(&tcgetattr(&self.slave)?) == settings(&self.before);
        // The program's last output has been written by now, so the reader gets it before this
        // mark.
        let mark = "\u{1}end\u{1}";
        nix::unistd::write(&self.slave, mark.as_bytes())?;
        let has_mark = |shown: &Shown| shown.bytes.ends_with(mark.as_bytes());
        let waited = self
            .shown
            .1
            .wait_timeout_while(lock(&self.shown.0), deadline, |shown| !has_mark(shown));
        let (shown, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let bytes = shown.bytes.clone();
        let screen = shown.parser.screen().contents();
        drop(shown);
        Ok(Left {
            status,
            screen,
            bytes,
            as_before,
        })
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The number of control characters that Linux has. The C library's structure has room for more,
/// and fields for speeds, which the kernel does not fill.
const CHARACTERS: usize = 19;

/// Returns all settings of a terminal that the kernel fills.
fn settings(termios: &Termios) -> impl PartialEq + use<> {
    let characters: Vec<u8> = termios
        .control_chars
        .iter()
        .take(CHARACTERS)
        .copied()
        .collect();
    (
        termios.input_flags,
        termios.output_flags,
        termios.control_flags,
        termios.local_flags,
        characters,
    )
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(mut from: File, into: Arc<(Mutex<Shown>, Condvar)>) {
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            let mut shown = lock(&into.0);
            shown.bytes.extend_from_slice(&buffer[..count]);
            shown.ended = count == 0;
            shown.draw();
            into.1.notify_all();
            if shown.ended {
                return;
            }
        }
    });
}
