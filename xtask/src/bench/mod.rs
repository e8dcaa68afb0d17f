//! `cargo xtask bench`: measures what numatrace costs, compared with empty programs and with its
//! peers, on this machine and in a guest that counts instructions. Writes docs/performance.md.
//!
//! A scenario is a file. Each compares within one session, turn by turn, and returns a section and
//! verdicts on the budgets.

mod compare;
mod crowd;
mod document;
mod figures;
mod machine;
mod peers;
mod verdict;

mod instructions;
mod memory;
mod programs;
mod real;
mod startup;
mod stat;
mod storms;
mod userspace;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};

use compare::Mode;
use document::Section;
use peers::Peers;
use verdict::Verdict;

use crate::{build, run, toolchain::Toolchain, workspace};

/// Options of `cargo xtask bench`.
#[derive(Args, Debug)]
pub struct Options {
    /// Only these scenarios; docs/performance.md stays as it is
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Scenario>,
    /// Few turns, for a first look; docs/performance.md stays as it is
    #[arg(long)]
    quick: bool,
    /// Cargo profile to build with; `lab` builds in seconds, and docs/performance.md stays as it is
    #[arg(long, default_value = RELEASE, value_name = "NAME")]
    profile: String,
}

/// The profile of released binaries.
const RELEASE: &str = "release";

/// The scenarios, in the order of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Program time of each hook, by the kernel's own statistics
    Programs,
    /// Faults on one CPU and on all, huge pages, page cache, fork and exec, switches, moves
    Storms,
    /// Redis and a C compiler
    Real,
    /// Instructions added, in a guest that counts them
    Instructions,
    /// Decode, attribute, fold
    Userspace,
    /// Memory against processes
    Memory,
    /// Start to attached, Ctrl-C to report
    Startup,
    /// `numatrace stat` of 10,000 processes
    Stat,
}

/// Everything that scenarios share.
pub struct Bench {
    /// The binary under test.
    numatrace: PathBuf,
    /// The path of numatrace-bench: loads, empty programs and the interleaver.
    program: PathBuf,
    peers: Peers,
    /// Turns of each comparison.
    rounds: usize,
    quick: bool,
    /// A folder on a disk, for files of this run.
    work: tempfile::TempDir,
}

/// The results of a scenario.
struct Found {
    section: Section,
    verdicts: Vec<Verdict>,
}

/// Measures and writes the document.
///
/// # Errors
/// Something does not build, or a scenario cannot be run at all.
pub fn run(options: &Options, toolchain: &Toolchain) -> Result<ExitCode> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "measuring needs root, as tracing does"
    );
    let begun = Instant::now();
    let bench = Bench::prepare(options, toolchain)?;
    let all = Scenario::value_variants();
    let wanted = all
        .iter()
        .filter(|scenario| options.only.is_empty() || options.only.contains(scenario));
    let load = machine::load();
    let (mut sections, mut verdicts) = (Vec::new(), Vec::new());
    for scenario in wanted {
        eprintln!(
            "xtask: bench: {scenario:?} ({} s so far)",
            begun.elapsed().as_secs()
        );
        let found = match scenario {
            Scenario::Programs => programs::run(&bench),
            Scenario::Storms => storms::run(&bench),
            Scenario::Real => real::run(&bench),
            Scenario::Instructions => instructions::run(&bench),
            Scenario::Userspace => userspace::run(&bench),
            Scenario::Memory => memory::measure(&bench),
            Scenario::Startup => startup::run(&bench),
            Scenario::Stat => stat::run(&bench),
        };
        let found = found.with_context(|| format!("scenario {scenario:?}"))?;
        print!("{}", found.section.text());
        sections.push(found.section);
        verdicts.extend(found.verdicts);
    }
    let mut summary = Section::new("Budgets");
    verdict::table(&verdicts, &mut summary);
    print!("{}", summary.text());
    if options.only.is_empty() && !options.quick && options.profile == RELEASE {
        let head = bench.head(&load, begun.elapsed().as_secs());
        let texts = std::iter::once(&summary).chain(&sections);
        let text: String = texts.map(Section::text).collect();
        let path = workspace::root().join("docs/performance.md");
        fs::write(&path, format!("{head}{}\n", text.trim_end()))?;
        eprintln!("xtask: bench: wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

impl Bench {
    fn prepare(options: &Options, toolchain: &Toolchain) -> Result<Self> {
        let mut cargo = run::cargo();
        cargo.args(["build", "--profile", &options.profile, "--bins"]);
        cargo.args(["--package", "numatrace", "--package", "numatrace-bench"]);
        toolchain.static_target.apply(&mut cargo, &[]);
        let built = build::executables(&mut cargo)?;
        let find = |name: &str| {
            let found = built.iter().find(|built| built.name == name);
            found
                .map(|built| built.path.clone())
                .with_context(|| format!("cargo built no `{name}`"))
        };
        let lab = workspace::lab();
        fs::create_dir_all(&lab)?;
        let work = tempfile::Builder::new().prefix("bench-").tempdir_in(lab)?;
        let bench = Self {
            numatrace: find("numatrace")?,
            program: find("numatrace-bench")?,
            peers: Peers::find(),
            rounds: if options.quick { 3 } else { 7 },
            quick: options.quick,
            work,
        };
        bench.look_like_ours()?;
        Ok(bench)
    }

    /// Writes a report of a short session, whose hooks the empty programs then take.
    fn look_like_ours(&self) -> Result<()> {
        let mut trace = Command::new(&self.numatrace);
        trace.args(["trace", "-q", "-d", "0.2", "-f", "json", "-o"]);
        let output = run::output(trace.arg(self.like()))?;
        if !output.status.success() {
            bail!(
                "numatrace does not trace here: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    fn like(&self) -> PathBuf {
        self.work.path().join("like.json")
    }

    fn file(&self, name: &str) -> String {
        self.work.path().join(name).to_string_lossy().into_owned()
    }

    fn head(&self, load: &str, seconds: u64) -> String {
        let missing: String = self
            .peers
            .missing
            .iter()
            .map(|line| format!("{line}\n\n"))
            .collect();
        let written = format!(
            "Written by `cargo xtask bench`, which took {seconds} s; not edited by hand. Measured \
             at commit {}, on a {}, with a load average of {load} before it began.",
            machine::commit(),
            machine::described(),
        );
        let method = format!(
            "Each comparison runs its modes in turn ({} turns), so that a change of the \
             machine's load falls on all of them alike. Figures are medians, with quartiles \
             in brackets. Compare ratios within a table, not figures of two tables. CPU time \
             is the load's own, which includes the programs of tracers, because they run in \
             it. *Empty* means programs of two instructions at the same hooks: no tracer can \
             be cheaper there.",
            self.rounds,
        );
        format!(
            "# What numatrace costs\n\n{}\n\n{}\n\n{missing}",
            document::wrapped(&written),
            document::wrapped(&method),
        )
    }
}

/// Returns a mode in which nothing traces.
fn untraced() -> Mode {
    Mode {
        name: "untraced".to_owned(),
        argv: Vec::new(),
        ready: None,
        report: None,
    }
}

/// Returns a tracer that runs while the load does.
fn beside(name: &str, program: &Path, arguments: &[&str], ready: &str) -> Mode {
    let mut argv = vec![program.to_string_lossy().into_owned()];
    argv.extend(arguments.iter().map(|word| (*word).to_owned()));
    Mode {
        name: name.to_owned(),
        argv,
        ready: Some(ready.to_owned()),
        report: None,
    }
}

/// Returns the command `numatrace trace` of the whole system.
fn trace(program: &Path, report: &str) -> Mode {
    let arguments = ["trace", "-f", "json", "-o", report];
    Mode {
        report: Some(report.to_owned()),
        ..beside(TRACE, program, &arguments, "numatrace: tracing")
    }
}

/// Name of the mode in which numatrace traces the system with all its hooks.
const TRACE: &str = "numatrace trace";
/// Name of the mode with empty programs on the same hooks.
const EMPTY: &str = "empty programs, same hooks";
