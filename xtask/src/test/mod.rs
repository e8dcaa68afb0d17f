//! `cargo xtask test`: three tiers, from tests that need nothing to tests that need NUMA nodes.
//!
//! `pure` is `cargo test`; `host` traces this machine, as root; `vm` traces guests with the nodes
//! and kernels asked for.

mod contract;
pub mod tally;
pub mod vm;

use std::{
    io,
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::{build, run, toolchain::Toolchain, vm::numastat};
use tally::{Counted, Tally};

/// Options of `cargo xtask test`.
#[derive(Args, Debug)]
pub struct Options {
    /// Tiers to run; without any, all that this machine allows.
    tiers: Vec<Tier>,
    #[command(flatten)]
    guests: vm::Guests,
    /// Only tests whose name contains one of these.
    #[arg(last = true, value_name = "FILTER")]
    filters: Vec<String>,
}

/// The needs of a test.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Tier {
    /// Nothing: decoding, folding, rendering, replays.
    Pure,
    /// Root, and a kernel that allows tracing.
    Host,
    /// QEMU and kernels from the Debian mirror.
    Vm,
}

impl Tier {
    const ALL: [Self; 3] = [Self::Pure, Self::Host, Self::Vm];

    fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Host => "host",
            Self::Vm => "vm",
        }
    }
}

/// Runs the tiers, prints a verdict for each, and the sum last.
///
/// # Errors
/// A tier that was asked for cannot run here, or something did not build.
pub fn run(options: &Options, toolchain: &Toolchain) -> Result<ExitCode> {
    let asked = !options.tiers.is_empty();
    let tiers = if asked {
        options.tiers.clone()
    } else {
        Tier::ALL.to_vec()
    };
    let mut left_out = Vec::new();
    let mut total = Tally::default();
    for tier in tiers {
        match (missing(tier, options), asked) {
            (Some(why), false) => left_out.push(format!("{}: left out: {why}", tier.name())),
            (Some(why), true) => bail!("the {} tier cannot run here: {why}", tier.name()),
            (None, _) => {
                let tally = match tier {
                    Tier::Pure => pure(options)?,
                    Tier::Host => host(options, toolchain)?,
                    Tier::Vm => vm::run(&options.guests, &options.filters, toolchain)?,
                };
                println!("{}: {tally}", tier.name());
                total += tally;
            }
        }
    }
    left_out.iter().for_each(|line| println!("{line}"));
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns why a tier cannot run on this machine.
fn missing(tier: Tier, options: &Options) -> Option<String> {
    match tier {
        Tier::Pure => None,
        Tier::Host => (!nix::unistd::geteuid().is_root())
            .then(|| "it traces this machine, run it as root".to_owned()),
        Tier::Vm => vm::prepare(&options.guests)
            .err()
            .map(|why| format!("{why:#}")),
    }
}

fn pure(options: &Options) -> Result<Tally> {
    let mut command = run::cargo();
    command.args([
        "test",
        "--no-fail-fast",
        "--workspace",
        "--exclude",
        "numatrace-ebpf",
    ]);
    if !options.filters.is_empty() {
        command.arg("--").args(&options.filters);
    }
    counted(&mut command)
}

fn host(options: &Options, toolchain: &Toolchain) -> Result<Tally> {
    let programs = build::static_programs(toolchain)?;
    let mut command = Command::new(programs.path("host")?);
    command.arg("--test-threads=1").args(&options.filters);
    command.current_dir(crate::workspace::root().join("tests"));
    command
        .env("NUMATRACE_BIN", programs.path("numatrace")?)
        .env("NUMATRACE_WORKLOAD", programs.path("workload")?);
    match numastat::script() {
        Ok(theirs) => {
            command.env("NUMASTAT", theirs);
        }
        Err(why) => eprintln!("xtask: no numastat to compare with: {why:#}"),
    }
    let artifacts = crate::workspace::lab().join("artifacts/host");
    fresh(&artifacts)?;
    command.env("NUMATRACE_ARTIFACTS", &artifacts);
    let mut tally = counted(&mut command)?;
    tally += contract::check(&artifacts, &artifacts, options.filters.is_empty())?;
    Ok(tally)
}

/// Runs a test program, passes its output through and counts it.
fn counted(command: &mut Command) -> Result<Tally> {
    let shown = run::shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let mut out = child.stdout.take().context("no pipe for stdout")?;
    let mut err = child.stderr.take().context("no pipe for stderr")?;
    let errors = thread::spawn(move || {
        let mut counted = Counted::new(io::stderr());
        io::copy(&mut err, &mut counted).map(|_| counted.tally())
    });
    let mut results = Counted::new(io::stdout());
    io::copy(&mut out, &mut results)?;
    let skips = errors
        .join()
        .map_err(|_| anyhow::anyhow!("reading the tests' stderr panicked"))??;
    let status = child.wait()?;
    Ok((results.tally() + skips).settled(status.success()))
}

/// Makes an empty folder: a report of an earlier session must not pass for one of this.
fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}
