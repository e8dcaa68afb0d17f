//! `numatrace stat`: what was typed, read from /proc and /sys, printed once or at an interval.

mod alerts;
mod clock;
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
use crate::exit::Exit;
use crate::model::stat::Sample;
use crate::output::sink::Sink;
use alerts::Alerts;
use clock::Clock;
use plan::Plan;
use print::Printer;
use read::{Problems, Reader};
use values::SampleValues;

/// Runs the command on the machine under `root` and prints to `out`; everything said to a person goes to stderr.
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
            eprintln!("numatrace: {mistake}");
            Ok(Exit::Usage.into())
        }
    }
}

/// Reading, alerts, printing, until the count is reached or a signal comes.
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
    // Opened now, so that an unwritable file is found before anything is read.
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
    let mut verbosity = Verbosity::default();
    let mut before: Option<Sample> = None;
    let mut printed = 0;
    loop {
        let (mut sample, problems) = reader.read()?;
        verbosity.say(&problems.lines);
        if let Some(sink) = sink.take() {
            sink.finish(&save::bytes(&sample)?)
                .context("cannot write the reading")?;
        }
        // Where growth is shown, the first reading is only what the second is compared with.
        let baseline = plan.interval.is_some() && plan.counters && sample.interval_s.is_none();
        if !baseline {
            for line in alerts.look(&SampleValues {
                now: &sample,
                before: before.as_ref(),
            }) {
                eprintln!("numatrace: {line}");
            }
            let whole = (!alerts.is_empty()).then(|| sample.clone());
            plan.hidden.strip(&mut sample);
            match printer.print(&sample, out) {
                // The reader has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(end(&alerts, Exit::Done));
                }
                result => result.context("cannot write")?,
            }
            before = whole;
            printed += 1;
        }
        if plan.count.is_some_and(|count| printed >= count) || !clock.tick()? {
            return Ok(end(&alerts, exit(&problems)));
        }
    }
}

/// The exit status: a crossed `--fail-if` comes first, then what could not be read.
fn end(alerts: &Alerts, exit: Exit) -> ExitCode {
    let (exit, lines) = alerts.fail_if.decide(exit);
    for line in lines {
        eprintln!("numatrace: {line}");
    }
    exit.into()
}

/// What could not be read, as an exit status: numastat reports success here.
fn exit(problems: &Problems) -> Exit {
    match (problems.all_denied, problems.failed) {
        (true, _) => Exit::Refused,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    }
}

/// Tells a person what could not be read: each thing once, however often it is read, and not ten thousand things.
#[derive(Default)]
struct Verbosity(BTreeSet<String>);

impl Verbosity {
    /// More lines than fit beside a table help nobody.
    const MOST: usize = 10;

    fn say(&mut self, lines: &[String]) {
        for line in self.choose(lines) {
            eprintln!("numatrace: {line}");
        }
    }

    /// The lines that are new, the first few of them, and how many more there are.
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
        let mut verbosity = Verbosity::default();
        let lines: Vec<String> = (0..12).map(|n| format!("line {n}")).collect();
        let said = verbosity.choose(&lines);
        assert_eq!((said.len(), said[9].as_str()), (11, "line 9"));
        assert!(said[10].starts_with("and 2 more"), "{said:?}");
        assert_eq!(verbosity.choose(&lines), Vec::<String>::new());
    }
}
