//! The plans of `numatrace trace` and `numatrace record`.

use super::{
    hooks, overwritten,
    report::ReportPlan,
    scope::{Launch, Scope},
    session::{RecordingPlan, Residency, SessionPlan},
    switches,
};
use crate::{
    attach::{
        catalog::{PAGE_ALLOC, TASK_MOVE},
        globals::Switches,
        selection::Selection,
    },
    cli::{
        Format,
        record::{KeepArg, RecordArgs},
        trace::TraceArgs,
    },
    console::{
        messages::Verbosity,
        rendering::{Rendering, color},
    },
    exit::{Exit, Failure},
    limits::fail_if::{FailIf, ReportNames},
    recording::files::{Keep, Limit},
};

/// A session with a report at its end.
#[derive(Clone, Debug)]
pub struct TracePlan {
    /// The session.
    pub session: SessionPlan,
    /// Its report, or those of its intervals.
    pub report: ReportPlan,
    /// The report lists every event of the process that the session is about, in order of time.
    pub timeline: bool,
    /// The report is printed, not only judged and recorded.
    pub prints: bool,
}

/// Plans a `trace` session.
///
/// # Errors
/// A hook, limit or process does not exist, options exclude each other, or PIDs here are not the
/// kernel's.
pub fn trace(args: TraceArgs) -> Result<TracePlan, Failure> {
    let verbosity = Verbosity::from_flags(args.quiet, args.verbose);
    let fail_if = FailIf::typed(&args.fail_if, &ReportNames)?;
    let hooks = hooks::parse(&args.hooks, &args.fallback)?;
    require_hooks(&args, &hooks)?;
    if args
        .command
        .first()
        .is_some_and(|program| program.is_empty())
    {
        return Err(Failure::new(
            Exit::Usage,
            "the command after -- has an empty name",
            "a variable may be empty: check what stands after --",
        ));
    }
    if let Some(program) = args.command.first() {
        overwritten::check(args.output.as_deref(), program)?;
    }
    let scope = if args.command.is_empty() {
        Scope::of_pids(&args.pids)?
    } else {
        Scope::of_command(Launch {
            argv: args.command.clone(),
            user: args.user.clone(),
            keep_running: args.keep_running,
            stdout_to_stderr: args.format == Format::Json && args.output.is_none(),
        })?
    };
    if args.timeline && !scope.is_limited() {
        return Err(Failure::new(
            Exit::Usage,
            "--timeline needs a process",
            "add -p PID, or a command after --",
        ));
    }
    let to_file = args.output.is_some();
    let color = color(args.color, to_file);
    Ok(TracePlan {
        session: SessionPlan {
            command: "trace",
            switches: switches_of(&args, &scope, &hooks),
            scope,
            hooks,
            duration: args.duration,
            interval: args.interval,
            residency: residency(&args),
            max_overhead: args.max_overhead,
            keep_processes: args.keep_processes,
            recording: None,
            verbosity,
        },
        report: ReportPlan {
            rendering: Rendering::new(
                args.format,
                args.audit_only,
                to_file,
                args.sections.wanted(),
                args.limit,
                color,
            ),
            output: args.output,
            fail_if,
        },
        timeline: args.timeline,
        prints: true,
    })
}

/// Plans a `record` session: as `trace`, but `-o` names the recording, and the report goes to
/// stdout if it is printed at all.
///
/// # Errors
/// As [`trace`].
pub fn record(args: RecordArgs) -> Result<TracePlan, Failure> {
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
    if let Some(program) = args.command.first() {
        overwritten::check(Some(&path), program)?;
    }
    let mut plan = trace(args)?;
    if let Scope::Command(launch) = &mut plan.session.scope {
        launch.stdout_to_stderr &= report;
    }
    plan.session.command = "record";
    plan.session.recording = Some(RecordingPlan {
        path,
        limit: max_size.map(|bytes| Limit {
            bytes,
            keep: match keep {
                KeepArg::First => Keep::First,
                KeepArg::Last => Keep::Last,
            },
        }),
    });
    plan.prints = report;
    Ok(plan)
}

/// Refuses options whose hook is left out.
fn require_hooks(args: &TraceArgs, hooks: &Selection) -> Result<(), Failure> {
    for (given, option, hook) in [
        (args.audit_only, "--audit-only", PAGE_ALLOC),
        (args.verify_reasons, "--verify-reasons", TASK_MOVE),
    ] {
        if given && !hooks.has(hook) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{option} needs {hook}, which --hooks leaves out"),
                format!("add it: --hooks {hook},…"),
            ));
        }
    }
    Ok(())
}

/// Returns when the session reads where memory lies. An audit needs counts alone.
fn residency(args: &TraceArgs) -> Residency {
    match (args.residency, args.no_residency || args.audit_only) {
        (true, _) => Residency::EachSweep,
        (false, true) => Residency::Off,
        (false, false) => Residency::Bounded,
    }
}

/// Returns the work of the kernel side. An audit needs counts alone.
fn switches_of(args: &TraceArgs, scope: &Scope, hooks: &Selection) -> Switches {
    let by_mapping = switches::by_mapping(scope, hooks, !args.no_children);
    let stack_every = args
        .stacks
        .unwrap_or_else(|| switches::default_stack_every(scope));
    Switches {
        // A run of moves may last longer than an interval, which then lacks it.
        gather_moves: args.interval.is_none(),
        faults: args.inject.iter().copied().collect(),
        mappings: !args.audit_only,
        reducible: args.max_overhead.is_some(),
        verify_reasons: args.verify_reasons,
        stack_every: if args.audit_only { 0 } else { stack_every },
        kernel_stack_every: if args.audit_only {
            0
        } else {
            args.kernel_stacks
        },
        ..by_mapping
    }
}
