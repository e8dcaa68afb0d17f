//! Chosen hooks of numatrace, in a session of their own: the cost of one program, or of the
//! fallbacks on a machine where the exact hooks work.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use numatrace::{
    attach::{
        catalog::{HOOKS, Row},
        globals::Switches,
    },
    enrich::topology::Topology,
    session::tracer::{self, Tracer},
};

use crate::until_eof;

/// Between two sweeps of the totals, as in a session.
const SWEEP: Duration = Duration::from_secs(1);

/// Options of `ours`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Hooks of the table by name; all when none is given
    hooks: Vec<String>,
    /// Only the fallbacks of hooks that have one
    #[arg(long)]
    fallback: bool,
    /// Without first touches and without runs by mapping: counting by thread and node alone
    #[arg(long)]
    counts_only: bool,
}

/// Attaches them, then drains and sweeps as a session does.
///
/// # Errors
/// A hook is not in the catalogue or does not attach.
pub fn run(args: &Args) -> Result<()> {
    let topology = Topology::read(Path::new("/"))?;
    let switches = Switches {
        first_touch: !args.counts_only,
        mappings: !args.counts_only,
        ..Switches::default()
    };
    let mut loaded = tracer::load(&topology, switches, false)?;
    loaded.rows = rows(args)?;
    let mut tracer = Tracer::start(loaded, &topology, &[], None)?;
    for hook in &tracer.session().hooks {
        ensure!(
            hook.via.is_some() || args.hooks.is_empty(),
            "{} does not attach: {}",
            hook.row.hook,
            hook.reason.as_deref().unwrap_or("no reason given")
        );
    }
    let mut swept = Instant::now();
    until_eof::hold(|| {
        tracer.drain()?;
        if swept.elapsed() >= SWEEP {
            tracer.sweep()?;
            swept = Instant::now();
        }
        Ok(())
    })
}

fn rows(args: &Args) -> Result<Vec<&'static Row>> {
    let mut rows: Vec<&'static Row> = Vec::new();
    for hook in &args.hooks {
        let row = HOOKS.iter().find(|row| row.hook == hook);
        rows.push(row.with_context(|| format!("there is no hook {hook}"))?);
    }
    if args.hooks.is_empty() {
        rows = HOOKS.iter().collect();
    }
    if args.fallback {
        // Rows without their exact sets, which live as long as the process, as the catalogue does.
        rows = rows
            .into_iter()
            .map(|row| match row.fallback {
                [] => row,
                _ => &*Box::leak(Box::new(Row { exact: &[], ..*row })),
            })
            .collect();
    }
    Ok(rows)
}
