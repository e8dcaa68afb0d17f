//! The plan of `numatrace top`.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use super::{hooks, live, session::SessionPlan, switches};
use crate::{
    cli::top::TopArgs,
    console::rendering::color,
    exit::{Exit, Failure},
};

/// A full-screen view that can be opened.
#[derive(Clone, Debug)]
pub struct TopPlan {
    /// The session behind the screen.
    pub session: SessionPlan,
    /// Time between two refreshes, until a key changes it.
    pub refresh: Duration,
    /// Use colour.
    pub color: bool,
    /// File that the report of each interval is written to, too; `None` without one.
    pub log: Option<PathBuf>,
}

/// Plans a full-screen view.
///
/// # Errors
/// Stdout is no terminal, or the session cannot be planned.
pub fn top(args: TopArgs) -> Result<TopPlan, Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "top needs a terminal on stdout",
            "for a file or a pipe: numatrace trace -i 1, or numatrace events",
        ));
    }
    if std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb") {
        return Err(Failure::new(
            Exit::Usage,
            "top needs a terminal with a cursor that can be moved, and TERM is dumb",
            "for lines of text: numatrace trace -i 1, or numatrace events",
        ));
    }
    let hooks = hooks::parse(&args.live.hooks, &args.live.fallback)?;
    let mut session = live::session("top", &args.live, hooks, args.keep_processes)?;
    session.interval = Some(args.interval);
    session.switches.stack_every = args
        .stacks
        .unwrap_or_else(|| switches::default_stack_every(&session.scope));
    Ok(TopPlan {
        session,
        refresh: args.interval,
        color: color(args.live.color, false),
        log: args.output,
    })
}
