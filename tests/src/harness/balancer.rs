//! The NUMA balancer, made quick enough for a test or switched off, with its settings restored
//! afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The setting that switches it on.
const SWITCH: &str = "/proc/sys/kernel/numa_balancing";

/// The balancer's settings before the test; written back on drop.
#[derive(Debug)]
pub struct Balancer {
    before: Vec<(PathBuf, String)>,
}

impl Balancer {
    /// Switches balancing on, with the first scan at once and scans as often as the kernel allows.
    /// Returns `None` when the kernel has no balancer or no debugfs.
    ///
    /// # Errors
    /// A setting that exists cannot be written.
    pub fn quick() -> Result<Option<Self>> {
        let debug = Path::new("/sys/kernel/debug/sched/numa_balancing");
        Self::with(&[
            (PathBuf::from(SWITCH), "1"),
            (debug.join("scan_delay_ms"), "100"),
            (debug.join("scan_period_min_ms"), "100"),
        ])
    }

    /// Has hot memory promoted to fast nodes and cold memory demoted to slow ones, as soon as the
    /// kernel allows. Returns `None` when the kernel cannot.
    ///
    /// # Errors
    /// A setting that exists cannot be written.
    pub fn tiering() -> Result<Option<Self>> {
        let debug = Path::new("/sys/kernel/debug/sched/numa_balancing");
        Self::with(&[
            (PathBuf::from(SWITCH), "2"),
            (PathBuf::from("/sys/kernel/mm/numa/demotion_enabled"), "1"),
            (debug.join("scan_delay_ms"), "100"),
            (debug.join("scan_period_min_ms"), "100"),
        ])
    }

    /// Switches balancing off. Returns `None` when the kernel has no balancer.
    ///
    /// # Errors
    /// The setting cannot be written.
    pub fn off() -> Result<Option<Self>> {
        Self::with(&[(PathBuf::from(SWITCH), "0")])
    }

    fn with(wanted: &[(PathBuf, &str)]) -> Result<Option<Self>> {
        if wanted.iter().any(|(path, _)| !path.exists()) {
            return Ok(None);
        }
        let mut balancer = Self { before: Vec::new() };
        for (path, value) in wanted {
            let old = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            std::fs::write(path, value)
                .with_context(|| format!("cannot write {}", path.display()))?;
            balancer.before.push((path.clone(), old));
        }
        Ok(Some(balancer))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        for (path, value) in &self.before {
            if let Err(error) = std::fs::write(path, value.trim()) {
                eprintln!(
                    "cannot set {} back to {}: {error}",
                    path.display(),
                    value.trim()
                );
            }
        }
    }
}
