//! The arithmetic of `numatrace stat`: readings of /proc and /sys to the sections of a sample. No
//! I/O.

pub mod cgroup;
pub mod counters;
pub mod kinds;
pub mod meminfo;
pub mod pressure;
pub mod process;
pub mod since;
