//! What each hook costs: how often it runs, and how long a run takes.
//!
//! A measured figure is the kernel's own run time of the programs (`BPF_ENABLE_STATS`), the clock reads that the kernel adds to it
//! included, on a virtual machine with two CPUs and Linux 6.18 that refuses programs at functions; so most exact probes have no figure.
//! Instructions were counted in guests (`-icount`) with 7.2. To measure again, on any machine: `numatrace trace -v -d 60` beside a load
//! of forks, faults, switches and moves, which says the mean time of a run of each program at its end.

/// How often a hook runs, and what a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// What it runs at.
    pub fires: &'static str,
    /// Of the exact probes.
    pub exact: Price,
    /// Of what stands in for them; [`Price::None`] when nothing does.
    pub fallback: Price,
}

/// What one run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// There are no such probes.
    None,
    /// Nanoseconds, measured as this file says.
    Ns(u32),
    /// Nobody has measured it yet; what is known instead, for comparison.
    Unmeasured(&'static str),
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Price::None => f.write_str("none"),
            Price::Ns(ns) => write!(f, "{ns} ns"),
            Price::Unmeasured("") => f.write_str("not measured yet"),
            Price::Unmeasured(instead) => write!(f, "not measured yet ({instead})"),
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "runs {}; time of a run: ", self.fires)?;
        match (self.exact, self.fallback) {
            (exact, Price::None) => write!(f, "{exact}"),
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
            exact: Price::Unmeasured(""),
            fallback: Price::Ns(100),
        };
        assert_eq!(
            cost.to_string(),
            "runs at each page fault; time of a run: not measured yet, on the fallback 100 ns"
        );
    }
}
