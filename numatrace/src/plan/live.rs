//! The session behind `top` and `events`, which people watch while it runs.

use super::{
    scope::Scope,
    session::{Residency, SessionPlan},
    switches,
};
use crate::{
    attach::selection::Selection, cli::live::LiveArgs, console::messages::Verbosity, exit::Failure,
};

/// Plans the session of a command that shows events as they happen. The kernel side sends each move
/// of pages at once instead of coalescing them into runs.
///
/// # Errors
/// A process does not exist, or PIDs here are not the kernel's.
pub(super) fn session(
    command: &'static str,
    args: &LiveArgs,
    hooks: Selection,
    keep_processes: usize,
) -> Result<SessionPlan, Failure> {
    let scope = Scope::of_pids(&args.pids)?;
    let mut switches = switches::by_mapping(&scope, &hooks, !args.no_children);
    switches.faults = args.inject.iter().copied().collect();
    Ok(SessionPlan {
        command,
        switches,
        scope,
        hooks,
        duration: args.duration,
        interval: None,
        residency: if command == "top" {
            Residency::Bounded
        } else {
            Residency::Off
        },
        max_overhead: None,
        keep_processes,
        recording: None,
        verbosity: Verbosity::from_flags(args.quiet, args.verbose),
    })
}
