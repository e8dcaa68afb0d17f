//! Sessions that are watched while they go on: what they share with `trace`.

use std::io::IsTerminal;

use super::{Plan, STACK_EVERY, Scope, Talk, hooks, living, scoped_here};
use crate::{
    attach::inject::Faults,
    cli::{Color, Format, live::LiveArgs},
    exit::Failure,
};

/// The session behind `top` and `events`.
///
/// # Errors
/// Hooks that do not exist or exclude each other, a process that is not there, or a PID namespace in which none can be told.
pub(super) fn session(args: LiveArgs) -> Result<Plan, Failure> {
    let talk = Talk::of(args.quiet, args.verbose);
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
        hooks,
        residency: false,
        kernel_stacks: 0,
        max_overhead: None,
        format: Format::Text,
        output: None,
        limit: 0,
        color: match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        },
        talk,
    })
}
