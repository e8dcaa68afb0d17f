//! `numatrace export`: converts a session for other tools.

use std::io::{IsTerminal, stdout};

use anyhow::Context;

use crate::{
    cli::export::{ExportArgs, To, Weight},
    exit::{Exit, Failure},
    model::Snapshot,
    output::{
        self,
        export::{csv, flamegraph, folded, perfetto},
        sink::Sink,
    },
    recording::load,
};

/// Converts a session.
///
/// # Errors
/// The report cannot be read, holds nothing of the wanted weight, or the result cannot be written.
pub fn run(args: &ExportArgs) -> anyhow::Result<Exit> {
    if args.to == To::Perfetto && args.output.is_none() && stdout().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "a Perfetto trace is binary and cannot be shown on a terminal",
            "write it to a file: -o trace.pftrace",
        )
        .into());
    }
    let sink = Sink::open(args.output.as_deref())?;
    sink.must_differ_from(&args.file)?;
    let bytes = match args.to {
        To::Perfetto => {
            let loaded = load::in_time(&args.file)?;
            perfetto::render(&loaded.reports, &loaded.moves)
        }
        To::Folded => stacks(&load::snapshot(&args.file)?, args.weight)?,
        To::Flamegraph => graph(&load::snapshot(&args.file)?, args.weight)?,
        To::Csv => {
            let mut table = csv::HEADER.to_owned();
            for report in load::in_time(&args.file)?.reports {
                table.push_str(&csv::lines(&report));
            }
            table.into_bytes()
        }
        To::Json => {
            let mut lines = Vec::new();
            for report in load::in_time(&args.file)?.reports {
                output::json::write_line(&mut lines, &report)?;
            }
            lines
        }
    };
    sink.finish(&bytes).context("cannot write the export")?;
    Ok(Exit::Done)
}

fn weight(weight: Weight) -> folded::Weight {
    match weight {
        Weight::Pages => folded::Weight::Pages,
        Weight::Accesses => folded::Weight::Accesses,
    }
}

fn stacks(report: &Snapshot, of: Weight) -> anyhow::Result<Vec<u8>> {
    let lines = folded::lines(report, weight(of));
    if lines.is_empty() {
        return Err(nothing(of).into());
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Ok(text.into_bytes())
}

fn graph(report: &Snapshot, of: Weight) -> anyhow::Result<Vec<u8>> {
    let svg = flamegraph::render(report, weight(of)).context("cannot draw the flame graph")?;
    svg.ok_or_else(|| nothing(of).into())
}

/// Returns the error for a report that holds nothing of this weight.
fn nothing(of: Weight) -> Failure {
    let (what, hint) = match of {
        Weight::Pages => (
            "first touches",
            "trace with the hook page_fault, which is on unless --hooks leaves it out, or use \
             --weight accesses",
        ),
        Weight::Accesses => (
            "sampled accesses",
            "they come from NUMA balancing (sysctl kernel.numa_balancing=1) on two or more nodes; \
             --weight pages shows first touches",
        ),
    };
    Failure::new(
        Exit::Failed,
        format!("there are no {what} in this report"),
        hint,
    )
}
