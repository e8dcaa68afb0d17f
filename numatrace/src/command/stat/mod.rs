//! `numatrace stat`: reads /proc and /sys, once or at an interval, and prints tables.

mod alerts;
mod clock;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod mismatch_tests;
#[cfg(test)]
mod placement_tests;
mod plan;
mod print;
mod read;
mod save;
#[cfg(test)]
mod side_by_side_tests;
mod values;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::stat::StatArgs;
use crate::console::messages::say;
use crate::exit::Exit;
use crate::model::stat::Sample;
use crate::output::sink::Sink;
use alerts::Alerts;
use clock::Clock;
use plan::Plan;
use print::Printer;
use read::{Problems, Reader};
use values::SampleValues;

/// Runs the command on the machine under `root` and prints to `out`. Messages to a person go to
/// stderr.
///
/// # Errors
/// A saved reading cannot be read, or the output cannot be written. A usage error is printed here.
pub fn run(args: &StatArgs, root: &Path, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let parsed = Plan::new(args)
        .map_err(|mistake| mistake.to_string())
        .and_then(|plan| {
            let alerts = Alerts::parse(&args.alert, &args.fail_if, args.alert_presets);
            Ok((plan, alerts.map_err(|mistake| mistake.to_string())?))
        });
    match parsed {
        Ok((plan, alerts)) => watch(plan, alerts, args.since.as_deref(), root, out),
        Err(mistake) => {
            say(&mistake);
            Ok(Exit::Usage.into())
        }
    }
}

/// Reads, checks conditions and prints, until the count is reached or a signal comes.
fn watch(
    mut plan: Plan,
    mut alerts: Alerts,
    since: Option<&Path>,
    root: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let saved = since.map(save::load).transpose()?;
    if let Some(saved) = &saved {
        plan.compare_with(saved);
    }
    // Opened first, so that a file that cannot be written is reported before anything is read.
    let mut sink = plan
        .save
        .as_deref()
        .map(|path| Sink::open(Some(path)))
        .transpose()?;
    let mut reader = Reader::new(root, &plan);
    if let Some(saved) = saved {
        reader.since(saved);
    }
    let mut clock = Clock::start(plan.interval)?;
    let mut printer = Printer::new(&plan);
    let mut warnings = Warnings::default();
    let mut before: Option<Sample> = None;
    let mut printed = 0;
    loop {
        let (mut sample, problems) = reader.read()?;
        warnings.print(&problems.lines);
        if let Some(sink) = sink.take() {
            sink.finish(&save::bytes(&sample)?)
                .context("cannot write the reading")?;
        }
        // With an interval growth is printed, and the first reading is only the base of the second.
        let baseline = plan.interval.is_some() && plan.counters && sample.interval_s.is_none();
        if !baseline {
            for line in alerts.check(&SampleValues {
                now: &sample,
                before: before.as_ref(),
            }) {
                say(&line);
            }
            let whole = (!alerts.is_empty()).then(|| sample.clone());
            plan.hidden.strip(&mut sample);
            match printer.print(&sample, out) {
                // The reader closed our stdout.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(end(&alerts, Exit::Done));
                }
                result => result.context("cannot write")?,
            }
            before = whole;
            printed += 1;
        }
        if plan.count.is_some_and(|count| printed >= count) || !clock.tick() {
            return Ok(end(&alerts, exit(&problems)));
        }
    }
}

/// Returns the exit status: a crossed `--fail-if` takes precedence over files that cannot be read.
fn end(alerts: &Alerts, exit: Exit) -> ExitCode {
    let (exit, lines) = alerts.fail_if.decide(exit);
    for line in lines {
        say(&line);
    }
    exit.into()
}

/// Returns the exit status for what could not be read, where numastat reports success.
fn exit(problems: &Problems) -> Exit {
    match (problems.all_denied, problems.failed) {
        (true, _) => Exit::Refused,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    }
}

/// Warnings on stderr about what could not be read: each one once, and a limited number of them.
#[derive(Default)]
struct Warnings(BTreeSet<String>);

impl Warnings {
    /// Largest number of lines per reading: more would push the table off the screen.
    const MOST: usize = 10;

    fn print(&mut self, lines: &[String]) {
        for line in self.choose(lines) {
            say(&line);
        }
    }

    /// Returns the first few new lines, and a line with the number of further ones.
    fn choose(&mut self, lines: &[String]) -> Vec<String> {
        let mut new: Vec<String> = lines
            .iter()
            .filter(|line| self.0.insert((*line).clone()))
            .cloned()
            .collect();
        let more = new.len().saturating_sub(Self::MOST);
        if more > 0 {
            new.truncate(Self::MOST);
            new.push(format!(
                "and {more} more like these; -f json lists them under missing"
            ));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_said_once_and_only_some_of_many() {
        let mut warnings = Warnings::default();
        let lines: Vec<String> = (0..12).map(|n| format!("line {n}")).collect();
        let said = warnings.choose(&lines);
        assert_eq!((said.len(), said[9].as_str()), (11, "line 9"));
        assert!(said[10].starts_with("and 2 more"), "{said:?}");
        assert_eq!(warnings.choose(&lines), Vec::<String>::new());
    }
}
