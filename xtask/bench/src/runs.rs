//! The kernel's account of all BPF programs while its run-time statistics are on: executions and
//! their time.

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use aya::programs::loaded_programs;
use serde::{Deserialize, Serialize};

/// The switch of the statistics (Documentation/admin-guide/sysctl/kernel.rst).
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Executions and time of one program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Runs {
    /// The program's name in the kernel, at most 15 bytes.
    pub name: String,
    /// Executions.
    pub runs: u64,
    /// Their time, ns.
    pub ns: u64,
}

/// Statistics, switched on until dropped, with the readings before.
pub struct Statistics {
    before: BTreeMap<u32, Runs>,
    switch: String,
}

impl Statistics {
    /// Switches the statistics on.
    ///
    /// # Errors
    /// No right to, or no such switch.
    pub fn on() -> Result<Self> {
        let switch = fs::read_to_string(SWITCH)?;
        fs::write(SWITCH, "1")?;
        Ok(Self {
            before: read()?,
            switch,
        })
    }

    /// Returns what ran since.
    ///
    /// # Errors
    /// The programs cannot be listed.
    pub fn since(&self) -> Result<Vec<Runs>> {
        let mut found = Vec::new();
        for (id, mut now) in read()? {
            if let Some(before) = self.before.get(&id) {
                now.runs -= before.runs;
                now.ns -= before.ns;
            }
            if now.runs > 0 {
                found.push(now);
            }
        }
        Ok(found)
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, self.switch.trim()) {
            eprintln!("cannot set {SWITCH} back: {error}");
        }
    }
}

fn read() -> Result<BTreeMap<u32, Runs>> {
    let mut found = BTreeMap::new();
    for program in loaded_programs() {
        // A program can go while the list is read.
        let Ok(program) = program else { continue };
        let runs = Runs {
            name: program.name_as_str().unwrap_or("?").to_owned(),
            runs: program.run_count(),
            ns: u64::try_from(program.run_time().as_nanos())?,
        };
        found.insert(program.id(), runs);
    }
    Ok(found)
}
