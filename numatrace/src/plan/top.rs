//! `numatrace top`, checked and completed.

use std::{io::IsTerminal, path::PathBuf};

use super::{Plan, live};
use crate::{
    cli::top::TopArgs,
    exit::{Exit, Failure},
};

/// A screen that can be opened.
#[derive(Clone, Debug)]
pub struct TopPlan {
    /// The session behind it; its interval is the first one.
    pub session: Plan,
    /// Where the report of each interval goes, too.
    pub log: Option<PathBuf>,
}

/// Plans a screen.
///
/// # Errors
/// There is no terminal, or the session cannot be planned.
pub fn top(args: TopArgs) -> Result<TopPlan, Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "top needs a terminal on stdout",
            "for a file or a pipe: numatrace trace -i 1, or numatrace events",
        ));
    }
    let mut session = live::session(&args.live)?;
    session.interval = Some(args.interval);
    if let Some(stacks) = args.stacks {
        session.stacks = stacks;
    }
    Ok(TopPlan {
        session,
        log: args.output,
    })
}
