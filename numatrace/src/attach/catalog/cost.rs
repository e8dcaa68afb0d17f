//! The cost of each hook: how often it runs, and how long one run takes.
//!
//! A measured figure is the kernel's own run time of the programs (`BPF_ENABLE_STATS`), including
//! the clock reads that the kernel adds to it, on a virtual machine with two CPUs and Linux 6.18
//! that refuses programs at functions; so most exact probes have no figure. Instructions were
//! counted in guests (`-icount`) with 7.2. To measure again on any machine, run
//! `numatrace trace -v -d 60` beside a load of forks, faults, context switches and moves: its last
//! lines give the mean run time of each program.

use std::fmt;

/// How often a hook runs, and how long one run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The event that runs it; completes "runs …".
    pub fires: &'static str,
    /// Run time of the exact probes.
    pub exact: RunTime,
    /// Run time of the fallback; [`RunTime::None`] for a hook without one.
    pub fallback: RunTime,
}

/// Time of one run of a hook's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTime {
    /// There are no such probes.
    None,
    /// Nanoseconds, measured as the module's documentation says.
    Ns(u32),
    /// Not measured yet; the text is what is known instead, for comparison, and may be empty.
    Unmeasured(&'static str),
}

impl fmt::Display for RunTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunTime::None => f.write_str("none"),
            RunTime::Ns(ns) => write!(f, "{ns} ns"),
            RunTime::Unmeasured("") => f.write_str("not measured yet"),
            RunTime::Unmeasured(instead) => write!(f, "not measured yet ({instead})"),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runs {}; time of a run: ", self.fires)?;
        match (self.exact, self.fallback) {
            (exact, RunTime::None) => write!(f, "{exact}"),
            (exact, fallback) => write!(f, "{exact}, on the fallback {fallback}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_says_what_is_not_measured() {
        let cost = Cost {
            fires: "at each page fault",
            exact: RunTime::Unmeasured(""),
            fallback: RunTime::Ns(100),
        };
        assert_eq!(
            cost.to_string(),
            "runs at each page fault; time of a run: not measured yet, on the fallback 100 ns"
        );
    }
}
