//! Boots one guest, streams its output, waits for its end with a deadline, and brings back what it left.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read, Write},
    os::unix::{
        net::{UnixListener, UnixStream},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    initramfs::{self, Put},
    kernel::Kernel,
    layout::Layout,
    qemu::{self, Qemu},
    verdict::{self, Ending, Report},
};
use crate::run;

/// Quick to boot and quiet. Mitigations cost emulated time and change nothing that is counted.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check random.trust_cpu=on \
                            cryptomgr.notests mitigations=off rdinit=/init";
/// Size of the disk that brings artifacts back; it is sparse on the host.
const ARTIFACT_BYTES: u64 = 512 << 20;
/// Size of the ext4 disk at /data: more than a node's memory, so that page cache can fill one.
const DATA_BYTES: u64 = 1 << 30;

/// A guest to boot.
pub struct Guest<'a> {
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// Its nodes.
    pub layout: &'a Layout,
    /// CPU topology, where the layout's own is not wanted.
    pub smp: Option<&'a str>,
    /// More words for the kernel's command line.
    pub append: &'a str,
    /// A shell script that is the command.
    pub script: &'a str,
    /// Files it gets.
    pub files: &'a [Put],
    /// Where what it leaves in `/artifacts` goes.
    pub artifacts: Option<&'a Path>,
    /// Whether it gets an ext4 file system at `/data`.
    pub data: bool,
    /// How long it may take, from power-on.
    pub timeout: Duration,
}

/// What became of it.
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What its init reported.
    pub report: Report,
    /// From power-on to the end.
    pub took: Duration,
    /// The console's last lines.
    pub console_tail: String,
}

impl Guest<'_> {
    /// Boots it and waits. `stdout` and `stderr` get the command's output as it comes.
    ///
    /// # Errors
    /// The guest could not be started, or what it left could not be taken in. How a started one ended is in the outcome.
    pub fn run(&self, stdout: Sink, stderr: Sink) -> Result<Outcome> {
        let qemu = Qemu::get()?;
        let folder = tempfile::Builder::new()
            .prefix("numatrace-lab-")
            .tempdir()?;
        let archive = folder.path().join("initramfs");
        initramfs::write(&archive, self.script, self.files)?;
        let disks = self.disks(folder.path())?;
        let lines = Lines::listen(folder.path())?;

        let mut command = qemu.command();
        command.args([
            "-machine",
            "pc",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"]);
        command.args(self.layout.arguments(self.smp));
        command
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(&archive);
        command.args(["-append", &format!("{COMMAND_LINE} {}", self.append)]);
        lines.arguments(&mut command);
        disks.arguments(&mut command);

        let started = Instant::now();
        let mut child = spawn(&mut command)?;
        let ended = lines.follow(&mut child, stdout, stderr, self.timeout);
        // Killing one that has ended by itself is no error worth telling.
        let _ = child.kill();
        child.wait().context("cannot wait for QEMU")?;
        let (report, console, timed_out) = ended?;
        let took = started.elapsed();
        let ending = verdict::ending(&report, &console, timed_out);
        if let (Some(to), Ending::Exited(_)) = (self.artifacts, &ending) {
            disks.take_artifacts(to)?;
        }
        Ok(Outcome {
            ending,
            report,
            took,
            console_tail: verdict::tail(&console),
        })
    }

    fn disks(&self, folder: &Path) -> Result<Disks> {
        let artifacts = folder.join("artifacts.img");
        File::create(&artifacts)?.set_len(ARTIFACT_BYTES)?;
        let data = self.data.then(|| folder.join("data.img"));
        if let Some(image) = &data {
            File::create(image)?.set_len(DATA_BYTES)?;
            let mut make = qemu::mke2fs()?;
            run::capture(make.args(["-q", "-F", "-t", "ext4"]).arg(image))?;
        }
        Ok(Disks { artifacts, data })
    }
}

/// Where a stream of a guest goes.
pub type Sink = Box<dyn Write + Send>;

/// The disks of a guest, as namespaces of one NVMe controller: the one block driver that every cloud kernel has built in.
struct Disks {
    artifacts: PathBuf,
    data: Option<PathBuf>,
}

impl Disks {
    fn arguments(&self, command: &mut Command) {
        command.args(["-device", "nvme,id=disks,serial=lab"]);
        for (id, image) in [Some(&self.artifacts), self.data.as_ref()]
            .into_iter()
            .flatten()
            .enumerate()
        {
            let drive = format!(
                "if=none,id=d{id},format=raw,cache=unsafe,file={}",
                image.display()
            );
            command.args([
                "-drive",
                &drive,
                "-device",
                &format!("nvme-ns,drive=d{id},bus=disks,nsid={}", id + 1),
            ]);
        }
    }

    /// Unpacks the tar archive that the guest wrote to the raw disk; an untouched disk is an empty archive.
    fn take_artifacts(&self, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        let mut tar = Command::new("tar");
        tar.arg("--extract")
            .arg("--file")
            .arg(&self.artifacts)
            .args(["--no-same-owner", "--directory"])
            .arg(to);
        run::capture(&mut tar)
            .with_context(|| format!("cannot take the guest's artifacts to {}", to.display()))?;
        Ok(())
    }
}

/// The serial lines, in the order of the guest's ttyS0 to ttyS3.
struct Lines {
    listeners: Vec<(PathBuf, UnixListener)>,
}

impl Lines {
    const NAMES: [&str; 4] = ["console", "stdout", "stderr", "status"];

    fn listen(folder: &Path) -> Result<Self> {
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

    fn arguments(&self, command: &mut Command) {
        for (name, (path, _)) in Self::NAMES.iter().zip(&self.listeners) {
            command.args([
                "-chardev",
                &format!("socket,id={name},path={}", path.display()),
            ]);
            command.args(["-serial", &format!("chardev:{name}")]);
        }
    }

    /// Copies the lines until QEMU closes them or the deadline passes: init's report, the console, whether it was late.
    fn follow(
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
            // A cut console is still a console.
            let _ = BufReader::new(console).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let copies =
            [(out, stdout), (err, stderr)].map(|(from, to)| thread::spawn(move || copy(from, to)));
        let timed_out = ended.recv_timeout(timeout).is_err();
        if timed_out {
            // Ends every stream, and so every thread. It may just have ended by itself.
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

    /// Accepts QEMU's four connections. It makes them in order before anything runs, or ends with its own message.
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
            // Nobody waits any more when QEMU did not come up in time.
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
            .map_err(|_| anyhow::anyhow!("QEMU opened another number of serial lines"))
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

/// Copies as it comes. A closed reader of ours ends the copy but not the guest, which must be able to finish.
fn copy(mut from: UnixStream, mut to: Sink) -> io::Result<()> {
    let mut block = [0; 16 << 10];
    let mut open = true;
    loop {
        let read = match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            // QEMU was killed with output on the way.
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

/// Starts QEMU so that it cannot outlive this process, whatever ends that.
fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let die_with_parent = || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(io::Error::from)
    };
    // SAFETY: runs between fork and exec, and makes one system call without allocating.
    unsafe { command.pre_exec(die_with_parent) };
    command.spawn().context("cannot start QEMU")
}
