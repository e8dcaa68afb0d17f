//! `numatrace diff`: compares two sessions.

use anyhow::Context;

use crate::{
    cli::{Format, diff::DiffArgs},
    console::{
        messages::say,
        rendering::{Rendering, color},
    },
    exit::{Exit, Failure},
    limits::fail_if::{DiffNames, DiffValues, FailIf},
    model::{Name, diff::Diff, section::Sections},
    output::{self, sink::Sink},
    recording::load,
};

/// Compares two sessions and prints the changes.
///
/// # Errors
/// A report cannot be read, a limit cannot be parsed, or the comparison cannot be written.
pub fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    // Limits first: a typo should not wait for two large files.
    let mut fail_if = FailIf::typed(&args.fail_if, &DiffNames)?;
    let sink = Sink::open(args.output.as_deref())?;
    sink.must_differ_from(&args.before)?;
    sink.must_differ_from(&args.after)?;
    if args.before.as_os_str() == "-" && args.after.as_os_str() == "-" {
        return Err(Failure::new(
            Exit::Usage,
            "both reports cannot be standard input",
            "give one of them as a file",
        )
        .into());
    }
    let (before, after) = (load::snapshot(&args.before)?, load::snapshot(&args.after)?);
    let name = |path: &std::path::Path| Name::from(path.as_os_str());
    let diff = Diff::of((&name(&args.before), &before), (&name(&args.after), &after));
    let mut bytes = Vec::new();
    match args.format {
        Format::Json => output::json::write_line(&mut bytes, &diff)?,
        Format::Text => {
            let to_file = args.output.is_some();
            let color = color(args.color, to_file);
            let sections = Sections::Full;
            let rendering =
                Rendering::new(args.format, false, to_file, sections, args.limit, color);
            bytes.extend(output::diff::render(&diff, &rendering.text).into_bytes());
        }
    }
    sink.finish(&bytes).context("cannot write the comparison")?;
    for line in fail_if.check(&DiffValues(&diff), None) {
        say(&line);
    }
    let (exit, lines) = fail_if.decide(Exit::Done);
    for line in lines {
        say(&line);
    }
    Ok(exit)
}
