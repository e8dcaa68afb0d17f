//! Boots one guest, streams its output, waits for its end with a deadline, and brings back its
//! artifacts.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    disks::Disks,
    initramfs::{self, Put},
    kernel::Kernel,
    layout::Layout,
    lines::{Lines, Sink},
    modules,
    qemu::Qemu,
    verdict::{self, Ending, Report},
};

/// Quick to boot and quiet. Mitigations cost emulated time and change nothing that is counted.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check \
                            random.trust_cpu=on cryptomgr.notests mitigations=off rdinit=/init";

/// A guest to boot.
pub struct Guest<'a> {
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// Its nodes.
    pub layout: &'a Layout,
    /// CPU topology, instead of the layout's own.
    pub smp: Option<&'a str>,
    /// More words for the kernel's command line.
    pub append: &'a str,
    /// The command, as a shell script.
    pub script: &'a str,
    /// Files of the host to put into the guest.
    pub files: &'a [Put],
    /// The folder for the guest's `/artifacts`.
    pub artifacts: Option<&'a Path>,
    /// True for the modules that tests load, under `/lab/modules`. A kernel that boots only with
    /// modules has them anyway.
    pub modules: bool,
    /// True for an ext4 file system at `/data`.
    pub data: bool,
    /// True if its clock counts instructions instead of time, on one thread for all CPUs: slower,
    /// and nearly equal in each run of the guest.
    pub icount: bool,
    /// How long it may take, from power-on.
    pub timeout: Duration,
}

/// The end of a guest.
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The report of its init.
    pub report: Report,
    /// From power-on to the end.
    pub took: Duration,
    /// The console's last lines.
    pub console_tail: String,
}

impl Guest<'_> {
    /// Boots the guest and waits. `sinks` makes the writers for the command's stdout and stderr,
    /// which get its output as it comes.
    ///
    /// A kernel that never reaches init is booted once more: on a busy host, emulation now and then
    /// breaks a kernel while it patches its own text at boot. Nothing is repeated once init is up.
    ///
    /// # Errors
    /// The guest could not be started, or its artifacts could not be read. The end of a started
    /// guest is in the outcome.
    pub fn run(&self, sinks: &dyn Fn() -> (Sink, Sink)) -> Result<Outcome> {
        let (stdout, stderr) = sinks();
        let first = self.boot(stdout, stderr)?;
        if first.report.up || matches!(first.ending, Ending::Exited(_)) {
            return Ok(first);
        }
        eprintln!(
            "xtask: {} never reached init ({}); booting it once more",
            self.kernel, first.ending
        );
        let (stdout, stderr) = sinks();
        self.boot(stdout, stderr)
    }

    /// One boot.
    fn boot(&self, stdout: Sink, stderr: Sink) -> Result<Outcome> {
        let qemu = Qemu::get()?;
        let folder = tempfile::Builder::new()
            .prefix("numatrace-lab-")
            .tempdir()?;
        let archive = folder.path().join("initramfs");
        let mut files = self.files.to_vec();
        if self.modules || self.kernel.needs_modules() {
            files.extend(modules::put(&self.kernel.modules()?)?);
        }
        initramfs::write(&archive, self.script, &files)?;
        let disks = Disks::make(folder.path(), self.data)?;
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
        let accelerator = if self.icount {
            command.args(["-icount", "shift=0,sleep=off"]);
            "tcg,thread=single"
        } else {
            "tcg,thread=multi"
        };
        command.args(["-accel", accelerator, "-cpu", "max,la57=off"]);
        command.args(self.layout.arguments(self.smp));
        command
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(&archive);
        let disks_made = if self.data { 2 } else { 1 };
        let made = format!("lab.disks={disks_made}");
        let words = [COMMAND_LINE, &made, self.layout.kernel_words(), self.append];
        command.args(["-append", &words.join(" ")]);
        lines.arguments(&mut command);
        disks.arguments(&mut command);

        let started = Instant::now();
        let mut child = spawn(&mut command)?;
        let ended = lines.follow(&mut child, stdout, stderr, self.timeout);
        // Killing a guest that has ended by itself is no error worth reporting.
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
}

/// Starts QEMU so that it cannot outlive this process, however that ends.
fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let die_with_parent = || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(io::Error::from)
    };
    // SAFETY: runs between fork and exec, and makes one system call without allocating.
    unsafe { command.pre_exec(die_with_parent) };
    command.spawn().context("cannot start QEMU")
}
