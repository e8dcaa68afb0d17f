//! Sessions that are watched while they go on: what they share with `trace`.

use super::{Plan, STACK_EVERY, Scope, Verbosity, hooks, living, scoped_here};
use crate::{
    attach::inject::Faults,
    cli::{Format, live::LiveArgs},
    console::rendering::color,
    exit::Failure,
    limits::fail_if::FailIf,
};

/// The session behind `top` and `events`.
///
/// # Errors
/// Hooks that do not exist or exclude each other, a process that is not there, or a PID namespace in which none can be told.
pub(super) fn session(args: &LiveArgs) -> Result<Plan, Failure> {
    let verbosity = Verbosity::of(args.quiet, args.verbose);
    let hooks = hooks(&args.hooks, &args.fallback)?;
    let scope = if args.pids.is_empty() {
        Scope::System
    } else {
        scoped_here()?;
        Scope::Processes(living(&args.pids)?)
    };
    Ok(Plan {
        stacks: if scope == Scope::System {
            0
        } else {
            STACK_EVERY
        },
        scope,
        follow_children: !args.no_children,
        duration: args.duration,
        interval: None,
        faults: Faults::default(),
        audit_only: false,
        timeline: false,
        verify_reasons: false,
        hooks,
        residency: false,
        kernel_stacks: 0,
        max_overhead: None,
        fail_if: FailIf::default(),
        format: Format::Text,
        output: None,
        limit: 0,
        color: color(args.color, false),
        verbosity,
        recording: None,
    })
}
