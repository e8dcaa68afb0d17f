//! Runs `numatrace trace` around a workload in each of its three scopes, and returns the report
//! with the workload's ground truth.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::report::Report;
use super::running::{Finished, Running};
use super::truth::Truth;
use super::{contract, programs};

/// numatrace's line on stderr once all hooks are in place.
pub const READY: &str = "numatrace: tracing";
/// A guest is up to ten times slower than the host, and loading programs is slowest there.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A tracer with its arguments, before it runs.
#[derive(Debug)]
pub struct Tracer {
    name: String,
    args: Vec<OsString>,
}

/// A session that has ended.
#[derive(Debug)]
pub struct Traced {
    /// The tracer's report.
    pub report: Report,
    /// The workload's ground truth.
    pub truth: Truth,
    /// The end of the tracer.
    pub tracer: Finished,
}

/// A session, or the reason why there was none.
#[derive(Debug)]
pub enum Outcome {
    /// The session took place.
    Done(Box<Traced>),
    /// This machine cannot run the workload.
    Unsupported(String),
}

impl Tracer {
    /// Returns a tracer for the test `name`, which also names its reports.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.replace("::", "-"),
            args: Vec::new(),
        }
    }

    /// Adds arguments of `numatrace trace`.
    #[must_use]
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs `numatrace trace -- workload …`.
    ///
    /// # Errors
    /// The tracer fails, the kernel does not confirm the workload's truth, or the report breaks the
    /// contract.
    pub fn launch(&self, workload: &[&str]) -> Result<Outcome> {
        let kept = Kept::new(&self.name)?;
        let mut command = self.command(&kept.path)?;
        command.arg("--").arg(programs::workload()?).args(workload);
        let tracer = Running::start(&mut command)?.finish(DEADLINE)?;
        // The tracer's own refusals begin differently; this status is the workload's.
        if tracer.status.code() == Some(2) && tracer.stderr.contains(UNSUPPORTED) {
            return Ok(Outcome::Unsupported(why(&tracer.stderr)));
        }
        succeeded("numatrace trace --", &tracer)?;
        let truth = Truth::parse(&tracer.stdout)?;
        done(&kept, truth, tracer)
    }

    /// Runs `numatrace trace -p PID` of a workload that waits until the tracer is ready.
    ///
    /// # Errors
    /// As [`Tracer::launch`].
    pub fn attach(&self, workload: &[&str]) -> Result<Outcome> {
        let mut program = Running::start(
            Command::new(programs::workload()?)
                .arg("--start-on-stdin")
                .args(workload),
        )?;
        if program.wait_for("workload: ready", DEADLINE).is_err() {
            return unsupported(program);
        }
        let kept = Kept::new(&self.name)?;
        let mut command = self.command(&kept.path)?;
        let tracer = Running::start(command.args(["-p", &program.pid().to_string()]))?;
        tracer.wait_for(READY, DEADLINE)?;
        program.send("\n")?;
        Self::around(&kept, program, tracer)
    }

    /// Runs `numatrace trace` of the whole system while a workload runs.
    ///
    /// # Errors
    /// As [`Tracer::launch`].
    pub fn system_wide(&self, workload: &[&str]) -> Result<Outcome> {
        let kept = Kept::new(&self.name)?;
        let tracer = Running::start(&mut self.command(&kept.path)?)?;
        tracer.wait_for(READY, DEADLINE)?;
        let program = Running::start(Command::new(programs::workload()?).args(workload))?;
        Self::around(&kept, program, tracer)
    }

    /// Runs `numatrace trace` of the whole system while workloads run one after the other.
    /// Workloads that this machine cannot run are left out, with a line on stderr.
    ///
    /// # Errors
    /// As [`Tracer::launch`].
    pub fn system_wide_all(&self, workloads: &[String]) -> Result<(Report, Vec<Truth>)> {
        self.one_after_the_other(workloads, true, || Ok(()))
    }

    /// Does so with something more that happens first. A workload that did not get the placement it
    /// was after is a load all the same.
    ///
    /// # Errors
    /// As [`Tracer::launch`].
    pub fn system_wide_with(
        &self,
        workloads: &[String],
        more: impl FnOnce() -> Result<()>,
    ) -> Result<(Report, Vec<Truth>)> {
        self.one_after_the_other(workloads, false, more)
    }

    fn one_after_the_other(
        &self,
        workloads: &[String],
        strict: bool,
        more: impl FnOnce() -> Result<()>,
    ) -> Result<(Report, Vec<Truth>)> {
        let kept = Kept::new(&self.name)?;
        let tracer = Running::start(&mut self.command(&kept.path)?)?;
        tracer.wait_for(READY, DEADLINE)?;
        more()?;
        let mut truths = Vec::new();
        for workload in workloads {
            let mut command = Command::new(programs::workload()?);
            let finished = Running::start(command.args(workload.split(' ')))?.finish(DEADLINE)?;
            if finished.status.code() == Some(2) {
                super::left_out(
                    &self.name,
                    &format!("{workload}: {}", why(&finished.stderr)),
                );
                continue;
            }
            // With status 1 it has printed its truth, and the expectation that the kernel did not
            // confirm.
            if strict || finished.status.code() != Some(1) {
                succeeded(workload, &finished)?;
            }
            truths.push(Truth::parse(&finished.stdout)?);
        }
        tracer.signal(Signal::SIGINT)?;
        let tracer = tracer.finish(DEADLINE)?;
        succeeded("numatrace trace", &tracer)?;
        Ok((read(&kept, &tracer)?, truths))
    }

    /// Runs `numatrace trace -i EVERY` of the whole system while workloads run one after the other,
    /// and returns the report of each interval.
    ///
    /// # Errors
    /// As [`Tracer::launch`], for each interval's report.
    pub fn intervals(&self, every: &str, workloads: &[&str]) -> Result<(Vec<Report>, Vec<Truth>)> {
        let kept = Kept::new(&self.name)?;
        // A file of JSON Lines is no report: each line becomes one.
        let lines = kept.path.with_extension("jsonl");
        let tracer = Running::start(self.command(&lines)?.args(["-i", every]))?;
        tracer.wait_for(READY, DEADLINE)?;
        let mut truths = Vec::new();
        for workload in workloads {
            let mut command = Command::new(programs::workload()?);
            let finished = Running::start(command.args(workload.split(' ')))?.finish(DEADLINE)?;
            succeeded(workload, &finished)?;
            truths.push(Truth::parse(&finished.stdout)?);
        }
        tracer.signal(Signal::SIGINT)?;
        let tracer = tracer.finish(DEADLINE)?;
        succeeded("numatrace trace -i", &tracer)?;
        let text = std::fs::read_to_string(&lines)?;
        let reports = text.lines().map(|line| {
            let kept = Kept::new(&self.name)?;
            std::fs::write(&kept.path, line)?;
            read(&kept, &tracer)
        });
        Ok((reports.collect::<Result<_>>()?, truths))
    }

    fn around(kept: &Kept, program: Running, tracer: Running) -> Result<Outcome> {
        let finished = program.finish(DEADLINE)?;
        if finished.status.code() == Some(2) {
            return Ok(Outcome::Unsupported(why(&finished.stderr)));
        }
        // A tracer of one process may have ended with it; the signal would find nobody.
        if !tracer.has_ended(Duration::ZERO)? {
            tracer.signal(Signal::SIGINT)?;
        }
        let tracer = tracer.finish(DEADLINE)?;
        succeeded("workload", &finished)?;
        succeeded("numatrace trace", &tracer)?;
        done(kept, Truth::parse(&finished.stdout)?, tracer)
    }

    /// Returns the command `numatrace trace -f json -o REPORT` with this tracer's arguments, for
    /// tests that run it themselves.
    ///
    /// # Errors
    /// There is no such binary.
    pub fn command(&self, report: &Path) -> Result<Command> {
        let mut command = Command::new(programs::numatrace()?);
        command
            .args(["trace", "-f", "json", "-o"])
            .arg(report)
            .args(&self.args);
        Ok(command)
    }
}

/// The beginning of a workload's line when this machine cannot run it.
const UNSUPPORTED: &str = "workload: cannot be done here: ";

fn why(stderr: &str) -> String {
    let line = stderr
        .lines()
        .find_map(|line| line.strip_prefix(UNSUPPORTED));
    line.unwrap_or(stderr.trim()).to_owned()
}

fn unsupported(program: Running) -> Result<Outcome> {
    let finished = program.finish(DEADLINE)?;
    ensure!(
        finished.status.code() == Some(2),
        "the workload did not start: {finished:?}"
    );
    Ok(Outcome::Unsupported(why(&finished.stderr)))
}

fn succeeded(what: &str, finished: &Finished) -> Result<()> {
    ensure!(
        finished.status.success(),
        "{what} ended with {}; stdout: {}; stderr: {}",
        finished.status,
        finished.stdout,
        finished.stderr
    );
    Ok(())
}

fn done(kept: &Kept, truth: Truth, tracer: Finished) -> Result<Outcome> {
    Ok(Outcome::Done(Box::new(Traced {
        report: read(kept, &tracer)?,
        truth,
        tracer,
    })))
}

/// Reads a report and holds it against the contract and its own sums.
fn read(kept: &Kept, tracer: &Finished) -> Result<Report> {
    let report = Report::read(&kept.path).with_context(|| format!("stderr: {}", tracer.stderr))?;
    contract::check(&kept.path)?;
    let broken = report.broken_sums();
    ensure!(broken.is_empty(), "sums do not hold: {broken:#?}");
    Ok(report)
}

/// A report file, kept when `NUMATRACE_ARTIFACTS` names a folder.
struct Kept {
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Kept {
    fn new(test: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!(
            "report-{test}-{}.json",
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        if let Some(folder) = std::env::var_os("NUMATRACE_ARTIFACTS") {
            let folder = PathBuf::from(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            return Ok(Self {
                path: folder.join(name),
                _folder: None,
            });
        }
        let folder = tempfile::tempdir()?;
        Ok(Self {
            path: folder.path().join(name),
            _folder: Some(folder),
        })
    }
}
