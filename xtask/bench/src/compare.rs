//! The interleaver: a load under several modes in turn (A B C A B C …), so that other activity of
//! the machine affects all alike.
//!
//! A mode is a tracer that runs while the load does, one that runs the load itself, or nothing. A
//! mode's own report is kept with each sample.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{empty, load::Done};

/// How long a tracer may take to be ready or to end; emulated machines need most of it.
const DEADLINE: Duration = Duration::from_secs(120);
/// The word in a mode's command that stands for the whole load as one argument.
const LOAD: &str = "{load}";
/// The word that stands for the load as arguments.
const LOAD_WORDS: &str = "{load...}";

/// A comparison, read from stdin.
#[derive(Debug, Deserialize)]
struct Plan {
    /// How many turns.
    rounds: usize,
    /// Arguments of `numatrace-bench load`.
    load: Vec<String>,
    /// Hooks that get an empty program first: the first program of a hook pays for bringing what
    /// all of them need into the cache, and should be nobody's.
    #[serde(default)]
    first: Vec<String>,
    /// Modes, in the order of a turn.
    modes: Vec<Mode>,
}

/// One way to run the load.
#[derive(Debug, Deserialize)]
struct Mode {
    name: String,
    /// Command line; empty for no tracer.
    #[serde(default)]
    argv: Vec<String>,
    /// The line on stderr once it traces; `None` when it runs the load itself, at `{load}` or
    /// `{load...}`.
    #[serde(default)]
    ready: Option<String>,
    /// The path of its JSON report.
    #[serde(default)]
    report: Option<PathBuf>,
}

/// The samples of a mode.
#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    samples: Vec<Sample>,
    /// The reason why there are no samples.
    failed: Option<String>,
}

/// One turn of a mode.
#[derive(Debug, Serialize)]
struct Sample {
    done: Done,
    /// `coverage` and `cost` of the mode's report.
    coverage: Option<Value>,
    cost: Option<Value>,
    /// From the tracer's start until it was ready, ms.
    start_ms: Option<u64>,
    /// From the signal until it had ended, ms.
    end_ms: Option<u64>,
}

/// Runs the plan.
///
/// # Errors
/// The plan makes no sense, or the load alone fails. A mode that fails is named in the results.
pub fn run() -> Result<()> {
    let plan: Plan = serde_json::from_reader(std::io::stdin().lock()).context("the plan")?;
    let mut outcomes: Vec<Outcome> = plan
        .modes
        .iter()
        .map(|mode| Outcome {
            name: mode.name.clone(),
            samples: Vec::new(),
            failed: None,
        })
        .collect();
    let _first = empty::attach_all(&plan.first)?;
    for _ in 0..plan.rounds {
        for (mode, outcome) in plan.modes.iter().zip(&mut outcomes) {
            if outcome.failed.is_some() {
                continue;
            }
            match turn(&plan, mode) {
                Ok(sample) => outcome.samples.push(sample),
                Err(error) => outcome.failed = Some(format!("{error:#}")),
            }
        }
    }
    println!("{}", serde_json::to_string(&outcomes)?);
    Ok(())
}

fn turn(plan: &Plan, mode: &Mode) -> Result<Sample> {
    let result = std::env::temp_dir().join(format!("numatrace-bench-{}.json", std::process::id()));
    let mut load = vec![
        std::env::current_exe()?.to_string_lossy().into_owned(),
        "load".to_owned(),
        "--result".to_owned(),
        result.to_string_lossy().into_owned(),
    ];
    load.extend(plan.load.iter().cloned());
    let (mut start_ms, mut end_ms) = (None, None);
    match (&mode.argv[..], &mode.ready) {
        ([], _) => run_to_end(&load)?,
        (argv, None) => run_to_end(&filled_in(argv, &load))?,
        (argv, Some(ready)) => {
            let begun = Instant::now();
            let tracer = Tracer::start(argv, ready)?;
            start_ms = Some(millis(begun)?);
            let ran = run_to_end(&load);
            let asked = Instant::now();
            tracer.end()?;
            end_ms = Some(millis(asked)?);
            ran?;
        }
    }
    let done = take_json(&result)?;
    let report: Option<Value> = mode.report.as_deref().map(take_json).transpose()?;
    let part = |name: &str| report.as_ref().and_then(|report| report.get(name).cloned());
    Ok(Sample {
        done: serde_json::from_value(done).context("the load's result")?,
        coverage: part("coverage"),
        cost: part("cost"),
        start_ms,
        end_ms,
    })
}

fn millis(since: Instant) -> Result<u64> {
    Ok(u64::try_from(since.elapsed().as_millis())?)
}

/// Returns the mode's command with the load in its place.
fn filled_in(argv: &[String], load: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for word in argv {
        match word.as_str() {
            LOAD => words.push(load.join(" ")),
            LOAD_WORDS => words.extend(load.iter().cloned()),
            _ => words.push(word.clone()),
        }
    }
    words
}

fn command(argv: &[String]) -> Result<Command> {
    let (program, arguments) = argv.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn run_to_end(argv: &[String]) -> Result<()> {
    let output = command(argv)?
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", argv[0]))?;
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        argv[0],
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Reads a JSON file and removes it: a file of an earlier turn must not pass for one of the next.
fn take_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    fs::remove_file(path)?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// A tracer that runs while the load does.
struct Tracer {
    child: Child,
    name: String,
    ended: mpsc::Receiver<String>,
}

impl Tracer {
    fn start(argv: &[String], ready: &str) -> Result<Self> {
        let name = argv[0].clone();
        let mut child = command(argv)?
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stderr = child.stderr.take().context("no pipe")?;
        let (tell_ready, is_ready) = mpsc::channel();
        let (tell_ended, ended) = mpsc::channel();
        let ready = ready.to_owned();
        thread::spawn(move || {
            let mut said = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains(&ready) {
                    // The receiver is gone when the deadline has passed.
                    let _ = tell_ready.send(());
                }
                said.push_str(&line);
                said.push('\n');
            }
            let _ = tell_ended.send(said);
        });
        let tracer = Self { child, name, ended };
        if is_ready.recv_timeout(DEADLINE).is_err() {
            let said = tracer.ended.recv_timeout(Duration::ZERO);
            bail!(
                "{} was never ready: {}",
                tracer.name,
                said.unwrap_or_default().trim()
            );
        }
        Ok(tracer)
    }

    /// Ends the tracer as Ctrl-C and the end of its input do, and waits.
    fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        kill(
            Pid::from_raw(i32::try_from(self.child.id())?),
            Signal::SIGINT,
        )?;
        let said = self.ended.recv_timeout(DEADLINE);
        ensure!(said.is_ok(), "{} does not end", self.name);
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
