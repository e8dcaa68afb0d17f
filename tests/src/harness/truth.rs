//! What a workload told of itself, read for comparison.

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::Part;

/// A workload's JSON; see [`crate::workload::told::Told`].
#[derive(Debug)]
pub struct Truth(pub Value);

impl Truth {
    /// Reads the last JSON object among the lines of a workload's stdout.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(stdout: &str) -> Result<Self> {
        let line = stdout.lines().rev().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the workload told nothing: {stdout:?}"))?;
        Ok(Self(
            serde_json::from_str(line).context("what the workload told is no JSON")?,
        ))
    }

    /// Its process id; 0 when it told none.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.count("pid").unwrap_or(0)
    }

    /// A count by name.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// An array of counts by name.
    #[must_use]
    pub fn vector(&self, name: &str) -> Option<Vec<u64>> {
        Part(&self.0).vector(&format!("/{name}"))
    }

    /// A node×node matrix by name.
    #[must_use]
    pub fn matrix(&self, name: &str) -> Option<Vec<Vec<u64>>> {
        Part(&self.0).matrix(&format!("/{name}"))
    }

    /// Other processes that took part: pid and their pages per node.
    #[must_use]
    pub fn members(&self) -> Vec<(u64, Vec<u64>)> {
        let members = self.0["members"].as_array();
        members
            .into_iter()
            .flatten()
            .filter_map(|m| Some((m["pid"].as_u64()?, Part(m).vector("/placement")?)))
            .collect()
    }
}
