//! `numatrace trace --hooks list`: prints the hooks with their measures, probes and costs.
//!
//! Nothing is attached, so no privileges are needed; `numatrace doctor` shows the state of each
//! hook on this machine.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use serde::Serialize;

use crate::{
    attach::catalog::{HOOKS, Probe, Row},
    cli::Format,
    output,
};

/// A hook as JSON.
#[derive(Debug, Serialize)]
struct Listed {
    hook: &'static str,
    measures: &'static str,
    exact: Vec<String>,
    fallback: Option<String>,
    needs: &'static [&'static str],
    cost: String,
}

/// Prints the hooks to `out`.
///
/// # Errors
/// `out` cannot be written.
pub fn run(format: Format, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let rows: Vec<Listed> = HOOKS.iter().map(listed).collect();
    let text = match format {
        Format::Json => output::json::to_pretty(&rows).context("cannot write JSON")?,
        Format::Text => rows.iter().map(described).collect::<String>() + HINT,
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader closed our stdout.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the list")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

const HINT: &str = "\nWithout --hooks a session has all of them. numatrace doctor shows the state \
                    of each on this machine.\n";

fn listed(row: &Row) -> Listed {
    Listed {
        hook: row.hook,
        measures: row.measures,
        exact: row.exact.iter().map(|set| probes(set)).collect(),
        fallback: (!row.fallback.is_empty()).then(|| probes(row.fallback)),
        needs: row.needs,
        cost: row.cost.to_string(),
    }
}

fn probes(probes: &[Probe]) -> String {
    let one = |probe: &Probe| format!("{} {}", probe.kind.name(), probe.targets.join("|"));
    probes.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn described(row: &Listed) -> String {
    let mut text = format!("{}\n  measures  {}\n", row.hook, row.measures);
    for (at, set) in row.exact.iter().enumerate() {
        let what = if at == 0 { "attaches" } else { "or      " };
        text.push_str(&format!("  {what}  {set}\n"));
    }
    if let Some(fallback) = &row.fallback {
        text.push_str(&format!("  else      {fallback}\n"));
    }
    if !row.needs.is_empty() {
        text.push_str(&format!("  needs     {}\n", row.needs.join(", ")));
    }
    text.push_str(&format!("  cost      {}\n", row.cost));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format) -> String {
        let mut out = Vec::new();
        run(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_hook_is_listed_with_its_cost_in_both_forms() {
        let text = printed(Format::Text);
        let json: Vec<serde_json::Value> = serde_json::from_str(&printed(Format::Json)).unwrap();
        assert_eq!(json.len(), HOOKS.len());
        for (row, json) in HOOKS.iter().zip(json) {
            assert!(
                text.contains(&format!("{}\n  measures  ", row.hook)),
                "{text}"
            );
            assert!(
                text.contains(&format!("  cost      {}\n", row.cost)),
                "{text}"
            );
            assert_eq!(json["hook"], row.hook);
        }
    }
}
