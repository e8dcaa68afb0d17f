//! Real programs: Redis under its own benchmark, and a C compiler.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    Bench, EMPTY, Found, TRACE, beside,
    compare::{self, Outcome, Plan},
    document::{Section, cell},
    figures::{Figure, percent},
    trace, untraced,
    verdict::Verdict,
};
use crate::{debian::Mirror, run, workspace};

/// Limit of the slow-down by the default mode.
const LIMIT: f64 = 1.01;
/// Requests of one turn, of each kind.
const REQUESTS: u64 = 60_000;
/// Functions of the file that is compiled.
const FUNCTIONS: usize = 900;
/// How long Redis may take to start.
const DEADLINE: Duration = Duration::from_secs(10);

/// Measures both.
///
/// # Errors
/// A comparison could not be run. A program that cannot be had is named in the section.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Real programs");
    let mut verdicts = Vec::new();
    section.say(
        "Redis: wall time of a request at its client. The compiler: CPU time of a run. \
         The quartiles are the noise: a slow-down below them is none.",
    );
    match Redis::start(bench) {
        Ok(redis) => {
            let load = redis.load();
            let outcomes = compared(bench, load)?;
            table(
                "Redis, GET and SET from 20 clients",
                "ns",
                &outcomes,
                wall,
                &mut section,
            );
            verdicts.push(judge("Redis", &outcomes, wall));
        }
        Err(why) => section.say(&format!("Redis could not be had: {why:#}")),
    }
    match compiler(bench) {
        Ok(load) => {
            let outcomes = compared(bench, load)?;
            let title = format!("cc -O1 of {FUNCTIONS} functions");
            table(&title, "ms", &outcomes, cpu_ms, &mut section);
            verdicts.push(judge("a C compiler", &outcomes, cpu_ms));
        }
        Err(why) => section.say(&format!("A C compiler could not be had: {why:#}")),
    }
    Ok(Found { section, verdicts })
}

fn wall(outcome: &Outcome) -> Option<Figure> {
    outcome.wall_ns()
}

fn cpu_ms(outcome: &Outcome) -> Option<Figure> {
    outcome.figure(|sample| sample.done.cpu_ns / sample.done.count / 1e6)
}

fn compared(bench: &Bench, load: Vec<String>) -> Result<Vec<Outcome>> {
    let like = bench.like();
    let plan = Plan {
        rounds: bench.rounds + 2,
        first: Vec::new(),
        load,
        modes: vec![
            untraced(),
            beside(
                EMPTY,
                &bench.program,
                &["empty", "--like", &like.to_string_lossy()],
                "ready",
            ),
            trace(&bench.numatrace, &bench.file("report.json")),
        ],
    };
    compare::here(&bench.program, &plan)
}

type Measure = fn(&Outcome) -> Option<Figure>;

fn table(title: &str, unit: &str, outcomes: &[Outcome], of: Measure, section: &mut Section) {
    section.say(&format!("**{title}**"));
    let base = outcomes.first().and_then(of);
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| {
            let figure = of(outcome);
            let slower = figure
                .zip(base)
                .map(|(f, base)| percent(f.median / base.median));
            vec![
                outcome.name.clone(),
                cell(figure),
                slower.unwrap_or_default(),
                outcome.failed.clone().unwrap_or_default(),
            ]
        })
        .collect();
    section.table(&["mode", unit, "over untraced", ""], &rows);
}

fn judge(what: &str, outcomes: &[Outcome], of: Measure) -> Verdict {
    let figure = |name: &str| compare::of(outcomes, name).and_then(of);
    let (base, traced) = (figure("untraced"), figure(TRACE));
    let mut verdict = Verdict::at_most(
        &format!("slow-down of {what}"),
        LIMIT,
        base.zip(traced)
            .map(|(base, traced)| traced.median / base.median),
        percent,
    );
    if let Some(base) = base {
        let noise = (base.high - base.low) / 2.0 / base.median;
        // Writing to a string cannot fail.
        let _ = write!(verdict.measured, ", noise ±{:.1} %", noise * 100.0);
    }
    verdict
}

/// A Redis server on a socket of its own; it ends when this value is dropped.
struct Redis {
    server: Child,
    client: Vec<String>,
    socket: PathBuf,
}

impl Redis {
    fn start(bench: &Bench) -> Result<Self> {
        let (server, client) = redis()?;
        let socket = bench.work.path().join("redis.sock");
        let mut command = Command::new(&server[0]);
        command.args(&server[1..]);
        command.args(["--port", "0", "--save", "", "--unixsocket"]);
        let server = command
            .arg(&socket)
            .current_dir(bench.work.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-server")?;
        let mut redis = Self {
            server,
            client,
            socket,
        };
        let until = Instant::now() + DEADLINE;
        while std::os::unix::net::UnixStream::connect(&redis.socket).is_err() {
            if let Some(ended) = redis.server.try_wait()? {
                bail!("redis-server ended at once: {ended}");
            }
            if Instant::now() > until {
                bail!("redis-server does not come up");
            }
            std::thread::yield_now();
        }
        Ok(redis)
    }

    fn load(&self) -> Vec<String> {
        let events = (2 * REQUESTS).to_string();
        let mut words: Vec<String> = ["command", "--events", &events, "--"]
            .map(str::to_owned)
            .to_vec();
        words.extend(self.client.iter().cloned());
        let (requests, socket) = (REQUESTS.to_string(), self.socket.to_string_lossy());
        let rest = [
            "-q", "-t", "set,get", "-c", "20", "-n", &requests, "-s", &socket,
        ];
        words.extend(rest.map(str::to_owned));
        words
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // The server has nothing that needs saving.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Returns the command lines of Redis's server and benchmark: the system's, or Debian's unpacked
/// into the lab.
fn redis() -> Result<(Vec<String>, Vec<String>)> {
    if run::on_path("redis-server") && run::on_path("redis-benchmark") {
        return Ok((vec!["redis-server".into()], vec!["redis-benchmark".into()]));
    }
    let tree = workspace::lab().join("redis");
    if !tree.exists() {
        let mirror = Mirror::open()?;
        let fresh = tempfile::tempdir_in(workspace::lab())?;
        mirror.unpack_with_libraries("redis-server", fresh.path())?;
        fs::rename(fresh.keep(), &tree)?;
    }
    let words = |program: &str| {
        let libraries = tree.join("usr/lib/x86_64-linux-gnu");
        let libraries = format!("LD_LIBRARY_PATH={}", libraries.display());
        let program = tree.join("usr/bin").join(program);
        vec![
            "env".to_owned(),
            libraries,
            program.to_string_lossy().into_owned(),
        ]
    };
    Ok((words("redis-server"), words("redis-benchmark")))
}

/// Returns a file of many small functions, and the compiler to run on it.
fn compiler(bench: &Bench) -> Result<Vec<String>> {
    anyhow::ensure!(run::on_path("cc"), "no cc on PATH");
    let mut source = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    for n in 0..FUNCTIONS {
        // Writing to a string cannot fail.
        let _ = writeln!(
            source,
            "int f{n}(int a, char *s) {{ int i, t = {n}; for (i = 0; i < a; i++) {{ \
             t ^= s[i] * {n}; if (t & 1) t += (int)strlen(s); else t -= abs(a - i); }} return t; }}"
        );
    }
    let path = Path::new(&bench.file("many.c")).to_owned();
    fs::write(&path, source)?;
    let path = path.to_string_lossy();
    let words = ["command", "--", "cc", "-O1", "-c", &path, "-o", "/dev/null"];
    Ok(words.map(str::to_owned).to_vec())
}
