//! A workload's ground truth, read for comparison.

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::Part;

/// A workload's JSON; see [`crate::workload::truth::GroundTruth`].
#[derive(Debug)]
pub struct Truth(pub Value);

impl Truth {
    /// Reads the last JSON object among the lines of a workload's stdout.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(stdout: &str) -> Result<Self> {
        let line = stdout.lines().rev().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the workload printed no JSON: {stdout:?}"))?;
        Ok(Self(
            serde_json::from_str(line).context("the workload printed broken JSON")?,
        ))
    }

    /// Returns the workload's process id; 0 without one.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.count("pid").unwrap_or(0)
    }

    /// Returns a count by name.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// Returns an array of counts by name.
    #[must_use]
    pub fn vector(&self, name: &str) -> Option<Vec<u64>> {
        Part(&self.0).vector(&format!("/{name}"))
    }

    /// Returns a node×node matrix by name.
    #[must_use]
    pub fn matrix(&self, name: &str) -> Option<Vec<Vec<u64>>> {
        Part(&self.0).matrix(&format!("/{name}"))
    }

    /// Returns the other processes that took part, each with its pages per node.
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
