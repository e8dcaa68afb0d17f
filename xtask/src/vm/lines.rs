//! A guest's serial lines, as sockets that QEMU connects to: console, stdout, stderr, and the
//! reports of its init.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::verdict::Report;

/// The destination of a guest's stream.
pub type Sink = Box<dyn Write + Send>;

/// The serial lines, in the order of the guest's ttyS0 to ttyS3.
pub struct Lines {
    listeners: Vec<(PathBuf, UnixListener)>,
}

impl Lines {
    const NAMES: [&str; 4] = ["console", "stdout", "stderr", "status"];

    /// Listens in `folder`, before QEMU connects.
    ///
    /// # Errors
    /// The folder's path is too long for a socket.
    pub fn listen(folder: &Path) -> Result<Self> {
        let listen = |name: &str| {
            let path = folder.join(name);
            let listener = UnixListener::bind(&path)
                .with_context(|| format!("cannot listen on {}", path.display()))?;
            Ok((path, listener))
        };
        Ok(Self {
            listeners: Self::NAMES.into_iter().map(listen).collect::<Result<_>>()?,
        })
    }

    /// Adds QEMU's arguments that connect them.
    pub fn arguments(&self, command: &mut Command) {
        for (name, (path, _)) in Self::NAMES.iter().zip(&self.listeners) {
            command.args([
                "-chardev",
                &format!("socket,id={name},path={}", path.display()),
            ]);
            command.args(["-serial", &format!("chardev:{name}")]);
        }
    }

    /// Copies the lines until QEMU closes them or the deadline passes. Returns init's report, the
    /// console, and whether the guest was late.
    ///
    /// # Errors
    /// QEMU did not start, or a stream could not be read.
    pub fn follow(
        self,
        child: &mut Child,
        stdout: Sink,
        stderr: Sink,
        timeout: Duration,
    ) -> Result<(Report, String, bool)> {
        let streams = self.accept(child)?;
        let [console, out, err, status] = streams;
        let (done, ended) = mpsc::channel();
        let report = thread::spawn(move || {
            let report = read_report(status);
            // The receiver is gone when the deadline came first.
            let _ = done.send(());
            report
        });
        let console = thread::spawn(move || {
            let mut text = Vec::new();
            // A truncated console is still a console.
            let _ = BufReader::new(console).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let copies =
            [(out, stdout), (err, stderr)].map(|(from, to)| thread::spawn(move || copy(from, to)));
        let timed_out = ended.recv_timeout(timeout).is_err();
        if timed_out {
            // Ends every stream, and so every thread. QEMU may just have ended by itself.
            let _ = child.kill();
        }
        for thread in copies {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("copying the guest's output panicked"))??;
        }
        let report = report
            .join()
            .map_err(|_| anyhow::anyhow!("reading the guest's status panicked"))?;
        let console = console
            .join()
            .map_err(|_| anyhow::anyhow!("reading the guest's console panicked"))?;
        Ok((report, console, timed_out))
    }

    /// Accepts QEMU's four connections. QEMU makes them in order before anything runs, or ends with
    /// its own message.
    fn accept(&self, child: &mut Child) -> Result<[UnixStream; 4]> {
        let (sender, accepted) = mpsc::channel();
        let listeners = self
            .listeners
            .iter()
            .map(|(_, l)| l.try_clone())
            .collect::<io::Result<Vec<_>>>()?;
        thread::spawn(move || {
            let streams: io::Result<Vec<_>> = listeners
                .iter()
                .map(|l| l.accept().map(|(stream, _)| stream))
                .collect();
            // The receiver is gone when QEMU did not come up in time.
            let _ = sender.send(streams);
        });
        let start = Duration::from_secs(30);
        let Ok(streams) = accepted.recv_timeout(start) else {
            match child.try_wait()? {
                Some(status) => bail!("QEMU did not start: {status}; its message is above"),
                None => bail!(
                    "QEMU did not open its serial lines within {} s",
                    start.as_secs()
                ),
            }
        };
        streams?
            .try_into()
            .map_err(|_| anyhow::anyhow!("QEMU opened a different number of serial lines"))
    }
}

fn read_report(status: UnixStream) -> Report {
    let mut report = Report::default();
    for line in BufReader::new(status).split(b'\n') {
        let Ok(line) = line else { break };
        report.line(String::from_utf8_lossy(&line).trim_end());
    }
    report
}

/// Copies a stream as it comes. A closed reader on this side ends the copy but not the guest, which
/// must be able to finish.
fn copy(mut from: UnixStream, mut to: Sink) -> io::Result<()> {
    let mut block = [0; 16 << 10];
    let mut open = true;
    loop {
        let read = match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            // QEMU was killed with output under way.
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(e) => return Err(e),
        };
        if open {
            open = to
                .write_all(&block[..read])
                .and_then(|()| to.flush())
                .is_ok();
        }
    }
}
