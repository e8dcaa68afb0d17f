//! `numatrace stat`: what was typed, read from /proc and /sys, printed once or at an interval.

mod clock;
mod plan;
mod read;
#[cfg(test)]
mod side_by_side;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::Format;
use crate::cli::stat::StatArgs;
use crate::exit::Exit;
use crate::model::stat::Sample;
use crate::output;
use clock::Clock;
use plan::Plan;
use read::{Problems, Reader};

/// Runs the command on the machine under `root` and prints to `out`; everything said to a person goes to stderr.
pub fn run(args: &StatArgs, root: &Path, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let plan = match Plan::new(args) {
        Ok(plan) => plan,
        Err(mistake) => {
            eprintln!("numatrace: {mistake}");
            return Ok(Exit::Usage.into());
        }
    };
    let mut reader = Reader::new(root, &plan);
    let mut clock = Clock::start(plan.interval)?;
    let mut status = ExitCode::SUCCESS;
    for reading in 0u64.. {
        let (sample, problems) = reader.read()?;
        status = say(&problems);
        match print(&sample, &plan, out) {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            printed => printed.context("cannot write")?,
        }
        if plan.count.is_some_and(|count| reading + 1 >= count) || !clock.tick()? {
            break;
        }
    }
    Ok(status)
}

fn print(sample: &Sample, plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    match plan.format {
        Format::Json if plan.interval.is_none() => {
            writeln!(out, "{}", serde_json::to_string_pretty(sample)?)?;
        }
        Format::Json => writeln!(out, "{}", serde_json::to_string(sample)?)?,
        Format::Text => out.write_all(output::stat::render(sample, &plan.text).as_bytes())?,
    }
    out.flush()
}

/// Tells a person what could not be read, and turns it into the exit status: numastat reports success here.
fn say(problems: &Problems) -> ExitCode {
    for line in &problems.lines {
        eprintln!("numatrace: {line}");
    }
    if problems.all_denied {
        Exit::Refused.into()
    } else if problems.failed {
        Exit::Failed.into()
    } else {
        Exit::Done.into()
    }
}
