//! What was typed, checked and completed: the only place where defaults and conflicts are decided.

pub mod events;
mod live;
pub mod top;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    attach::{
        catalog::{HOOKS, PAGE_ALLOC, TASK_MOVE},
        inject::Faults,
        selection::Selection,
    },
    cli::{Format, record::RecordArgs, trace::TraceArgs},
    console::rendering::color,
    enrich::facts::{Facts, ProcFacts},
    exit::{Exit, Failure},
    ids::Pid,
    limits::fail_if::{FailIf, ReportNames},
    recording::files::Limit,
};

/// Where a session is written down, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// The most it may take.
    pub limit: Option<Limit>,
    /// The report is printed all the same.
    pub report: bool,
}

/// A session that can be started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it looks at.
    pub scope: Scope,
    /// Children of processes in scope are in scope.
    pub follow_children: bool,
    /// It ends after this long.
    pub duration: Option<Duration>,
    /// A report of each such interval.
    pub interval: Option<Duration>,
    /// What is to go wrong, for tests.
    pub faults: Faults,
    /// Only the audit is printed.
    pub audit_only: bool,
    /// Tell what happened to the process of the session in order of time.
    pub timeline: bool,
    /// Hold the reason of each move against the kernel's stack.
    pub verify_reasons: bool,
    /// The hooks it has.
    pub hooks: Selection,
    /// Look where memory lies in the end.
    pub residency: bool,
    /// A user stack for so many pages touched first, beside the first of a run; 0 = none.
    pub stacks: u32,
    /// Share of all CPU time, 0 to 1, that our programs may take before details are given up.
    pub max_overhead: Option<f64>,
    /// A kernel stack for so many pages of kernel memory; 0 = none.
    pub kernel_stacks: u32,
    /// Form of the report.
    pub format: Format,
    /// Where the report goes; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Rows of text tables.
    pub limit: usize,
    /// Use colour in text.
    pub color: bool,
    /// How much is said on stderr.
    pub verbosity: Verbosity,
    /// Limits that each report is held to.
    pub fail_if: FailIf,
    /// Where it is written down.
    pub recording: Option<Recording>,
}

impl Plan {
    /// Is a report printed?
    pub fn prints(&self) -> bool {
        self.recording
            .as_ref()
            .is_none_or(|recording| recording.report)
    }

    /// The command that this is the plan of.
    pub fn command(&self) -> &'static str {
        match self.recording {
            Some(_) => "record",
            None => "trace",
        }
    }
}

/// What a session looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    System,
    /// These processes, with the starts that tell them from later ones with the same number.
    Processes(Vec<(Pid, u64)>),
    /// A command to be launched.
    Command(Launch),
}

/// A command to be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The user it runs as.
    pub user: Option<String>,
    /// It goes on when the session ends first.
    pub keep_running: bool,
    /// Its stdout is our stderr, because ours carries one document.
    pub stdout_to_stderr: bool,
}

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors.
    Quiet,
    /// What one should know.
    Normal,
    /// Every hook as it is tried.
    Verbose,
    /// The kernel side's own diagnostics too.
    Debug,
}

impl Verbosity {
    /// What `-q` and so many `-v` mean.
    fn of(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Verbose,
            (false, _) => Self::Debug,
        }
    }
}

/// Pages for one user stack where somebody asked about a process: a stack takes about as long as three page faults are apart.
const STACK_EVERY: u32 = 64;

/// Plans a `trace` session.
///
/// # Errors
/// Hooks that do not exist or exclude each other, a process that is not there, or a PID namespace in which none can be told.
pub fn trace(args: TraceArgs) -> Result<Plan, Failure> {
    let verbosity = Verbosity::of(args.quiet, args.verbose);
    let fail_if = FailIf::typed(&args.fail_if, &ReportNames)?;
    let hooks = hooks(&args.hooks, &args.fallback)?;
    if args.audit_only && !hooks.has(PAGE_ALLOC) {
        return Err(Failure::new(
            Exit::Usage,
            "--audit-only needs page_alloc, which --hooks leaves out",
            "add it: --hooks page_alloc,…",
        ));
    }
    if args.verify_reasons && !hooks.has(TASK_MOVE) {
        return Err(Failure::new(
            Exit::Usage,
            "--verify-reasons needs task_move, which --hooks leaves out",
            "add it: --hooks task_move,…",
        ));
    }
    let scoped = !args.command.is_empty() || !args.pids.is_empty();
    if scoped {
        scoped_here()?;
    }
    let scope = if !args.command.is_empty() {
        Scope::Command(Launch {
            argv: args.command,
            user: args.user,
            keep_running: args.keep_running,
            stdout_to_stderr: args.format == Format::Json && args.output.is_none(),
        })
    } else if args.pids.is_empty() {
        Scope::System
    } else {
        Scope::Processes(living(&args.pids)?)
    };
    if args.timeline && scope == Scope::System {
        return Err(Failure::new(
            Exit::Usage,
            "--timeline needs a process: what happened to all of them is not for reading",
            "add -p PID, or a command after --",
        ));
    }
    let color = color(args.color, args.output.is_some());
    Ok(Plan {
        scope,
        follow_children: !args.no_children,
        duration: args.duration,
        interval: args.interval,
        audit_only: args.audit_only,
        timeline: args.timeline,
        verify_reasons: args.verify_reasons,
        hooks,
        faults: args.inject.into_iter().collect(),
        residency: args.residency,
        stacks: args.stacks.unwrap_or(if scoped { STACK_EVERY } else { 0 }),
        max_overhead: args.max_overhead,
        kernel_stacks: args.kernel_stacks,
        format: args.format,
        output: args.output,
        limit: args.limit,
        color,
        verbosity,
        fail_if,
        recording: None,
    })
}

/// Plans a `record` session: as `trace`, with `-o` for the recording and the report, if any, on stdout.
///
/// # Errors
/// As [`trace`].
pub fn record(args: RecordArgs) -> Result<Plan, Failure> {
    let RecordArgs {
        trace: mut args,
        max_size,
        keep,
        report,
    } = args;
    let path = args.output.take().ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "record needs a file to write to",
            "add -o FILE; without a recording: numatrace trace",
        )
    })?;
    let mut plan = trace(args)?;
    if let Scope::Command(launch) = &mut plan.scope {
        launch.stdout_to_stderr &= report;
    }
    plan.recording = Some(Recording {
        path,
        limit: max_size.map(|bytes| Limit { bytes, keep }),
        report,
    });
    Ok(plan)
}

/// The hooks that were asked for.
fn hooks(words: &[String], fallback: &[String]) -> Result<Selection, Failure> {
    Selection::parse(words)
        .and_then(|selection| selection.force_fallback(fallback))
        .map_err(|error| {
            let known: Vec<&str> = HOOKS.iter().map(|row| row.hook).collect();
            Failure::new(
                Exit::Usage,
                format!("--hooks: {error}"),
                format!("hooks are {}; --hooks list explains them", known.join(", ")),
            )
        })
}

/// Can processes be told by number from here?
fn scoped_here() -> Result<(), Failure> {
    if initial_pid_namespace() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        "this is not the initial PID namespace: its process numbers are not the kernel's",
        "run numatrace on the host (docker run --pid=host, nsenter -t 1 -p -m), or trace the whole system without -p and a command",
    ))
}

/// Finds the given processes; a thread's number is answered with its process's.
fn living(pids: &[u32]) -> Result<Vec<(Pid, u64)>, Failure> {
    let mut facts = ProcFacts::new(Path::new("/"));
    let mut found: Vec<(Pid, u64)> = Vec::new();
    for pid in pids {
        let identity = facts.identity(Pid(*pid)).ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                format!("there is no process {pid}"),
                "list processes with: ps -eo pid,comm",
            )
        })?;
        if let Some(process) = process_of_thread(*pid).filter(|process| process != pid) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{pid} is a thread of process {process}"),
                format!("trace the process: -p {process}"),
            ));
        }
        if !found.iter().any(|(known, _)| known.0 == *pid) {
            found.push((Pid(*pid), identity.start_ticks));
        }
    }
    Ok(found)
}

/// The `Tgid:` of `/proc/TID/status`: `/proc` answers to the numbers of threads too.
fn process_of_thread(tid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// Inode number of the initial PID namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const INITIAL_PIDNS: &str = "pid:[4026531836]";

/// Is this process in the initial PID namespace? When `/proc` does not say, it is taken to be.
pub fn initial_pid_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").map_or(true, |link| link.as_os_str() == INITIAL_PIDNS)
}
