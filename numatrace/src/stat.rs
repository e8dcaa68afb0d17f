//! `numatrace stat`: what was typed, read from /proc and /sys, printed once or at an interval.

mod clock;
mod plan;
mod print;
mod read;
#[cfg(test)]
mod side_by_side;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::stat::StatArgs;
use crate::exit::Exit;
use clock::Clock;
use plan::Plan;
use print::Printer;
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
    let mut printer = Printer::new(&plan);
    let mut printed = 0;
    loop {
        let (sample, problems) = reader.read()?;
        let status = say(&problems);
        // Where growth is shown, the first reading is only what the second is compared with.
        let baseline = plan.interval.is_some() && plan.counters && sample.interval_s.is_none();
        if !baseline {
            match printer.print(&sample, out) {
                // The reader has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Exit::Done.into());
                }
                result => result.context("cannot write")?,
            }
            printed += 1;
        }
        if plan.count.is_some_and(|count| printed >= count) || !clock.tick()? {
            return Ok(status.into());
        }
    }
}

/// Tells a person what could not be read, and turns it into the exit status: numastat reports success here.
fn say(problems: &Problems) -> Exit {
    for line in &problems.lines {
        eprintln!("numatrace: {line}");
    }
    if problems.all_denied {
        Exit::Refused
    } else if problems.failed {
        Exit::Failed
    } else {
        Exit::Done
    }
}
