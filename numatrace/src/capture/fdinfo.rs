//! The kernel's counters of one BPF program, from `/proc/self/fdinfo/FD` of its descriptor.
//!
//! The audit needs `recursion_misses`: executions that the kernel skipped because the same program
//! was active on that CPU, each an event that was not counted. The kernel always maintains it;
//! `run_cnt` and `run_time_ns` only grow while BPF statistics are on ([`RunStatistics`]).

use std::{
    collections::HashSet,
    fs, io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use aya::sys::{Stats, enable_stats};
use thiserror::Error;

/// Counters of one loaded program; `None` where this kernel has no such line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramFdInfo {
    /// The kernel's id of the program, unique while it is loaded.
    pub prog_id: Option<u32>,
    /// Executions while statistics were on.
    pub run_cnt: Option<u64>,
    /// Nanoseconds of those executions.
    pub run_time_ns: Option<u64>,
    /// Executions skipped since it was loaded, on all CPUs.
    pub recursion_misses: Option<u64>,
    /// Instructions that the verifier processed when loading it.
    pub verified_insns: Option<u64>,
    /// Bytes of kernel memory for its code.
    pub memlock_bytes: Option<u64>,
}

impl ProgramFdInfo {
    /// Reads the counters of a program, by a descriptor of this process.
    ///
    /// # Errors
    /// `/proc` is not mounted, or belongs to a different PID namespace.
    pub fn of(program: BorrowedFd<'_>) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd()))?;
        Ok(Self::parse(&text))
    }

    /// Reads the known `name: value` lines and ignores the others.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let number = value.trim().parse::<u64>().ok();
            match name {
                "prog_id" => info.prog_id = number.and_then(|id| u32::try_from(id).ok()),
                "run_cnt" => info.run_cnt = number,
                "run_time_ns" => info.run_time_ns = number,
                "recursion_misses" => info.recursion_misses = number,
                "verified_insns" => info.verified_insns = number,
                "memlock" => info.memlock_bytes = number,
                _ => {}
            }
        }
        info
    }
}

/// Kernel memory behind the BPF descriptors of this process, as the kernel estimates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelMemory {
    /// Bytes of all maps, per-CPU copies included.
    pub maps_bytes: u64,
    /// The part of `maps_bytes` in maps that have a copy for each possible CPU.
    pub per_cpu_bytes: u64,
    /// Bytes of all programs.
    pub programs_bytes: u64,
}

/// `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_PERCPU_ARRAY` (include/uapi/linux/bpf.h).
const PER_CPU_TYPES: [u64; 2] = [5, 6];

impl KernelMemory {
    /// Returns the bytes of all maps on a machine with `cpus` possible CPUs, where this machine has
    /// `here`.
    #[must_use]
    pub fn maps_bytes_on(&self, cpus: u64, here: u64) -> Option<u64> {
        let each = self.per_cpu_bytes.checked_div(here)?;
        let shared = self.maps_bytes.checked_sub(self.per_cpu_bytes)?;
        shared.checked_add(each.checked_mul(cpus)?)
    }

    /// Adds up every map and program descriptor of this process, each object once.
    ///
    /// # Errors
    /// `/proc` is not mounted, or belongs to a different PID namespace.
    pub fn of_this_process() -> io::Result<Self> {
        let entries = fs::read_dir("/proc/self/fdinfo")?;
        // A descriptor can close meanwhile; its object then has no memory any more.
        let texts = entries
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok());
        Ok(Self::sum(texts))
    }

    fn sum(texts: impl Iterator<Item = String>) -> Self {
        let mut memory = Self::default();
        let mut seen = HashSet::new();
        for text in texts {
            let number = |name: &str| {
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.and_then(|value| value.trim().parse::<u64>().ok())
            };
            let map = number("map_id").map(|id| (true, id));
            let Some(object) = map.or_else(|| number("prog_id").map(|id| (false, id))) else {
                continue;
            };
            // A link's descriptor names its program but has none of its memory.
            let Some(bytes) = number("memlock").filter(|_| seen.insert(object)) else {
                continue;
            };
            let total = if object.0 {
                &mut memory.maps_bytes
            } else {
                &mut memory.programs_bytes
            };
            *total = total.saturating_add(bytes);
            if object.0 && number("map_type").is_some_and(|of| PER_CPU_TYPES.contains(&of)) {
                memory.per_cpu_bytes = memory.per_cpu_bytes.saturating_add(bytes);
            }
        }
        memory
    }
}

/// The kernel refused to count run times.
#[derive(Debug, Error)]
#[error(
    "cannot switch BPF run-time statistics on: {0}; the cost of tracing is not measured (it needs \
     CAP_SYS_ADMIN)"
)]
pub struct StatisticsRefused(#[source] io::Error);

/// BPF run-time statistics, on until dropped. They slow every BPF program of the machine, so keep
/// this value for a short time only.
///
/// The kernel counts users: statistics that other processes switched on stay on.
#[derive(Debug)]
pub struct RunStatistics(
    #[expect(dead_code, reason = "closing the descriptor switches statistics off")] OwnedFd,
);

impl RunStatistics {
    /// Switches the statistics on.
    ///
    /// # Errors
    /// No CAP_SYS_ADMIN in the initial user namespace, or a kernel that does not have them.
    pub fn on() -> Result<Self, StatisticsRefused> {
        enable_stats(Stats::RunTime)
            .map(Self)
            .map_err(|error| StatisticsRefused(error.io_error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn counters_are_read_and_missing_ones_are_none() {
        let text = "pos:\t0\nflags:\t02000002\nprog_type:\t26\nprog_tag:\t5c5c\n\
                    memlock:\t4096\nprog_id:\t44\n\
                    run_time_ns:\t1234\nrun_cnt:\t7\nrecursion_misses:\t106\n";
        let wanted = ProgramFdInfo {
            prog_id: Some(44),
            run_cnt: Some(7),
            run_time_ns: Some(1234),
            recursion_misses: Some(106),
            verified_insns: None,
            memlock_bytes: Some(4096),
        };
        assert_eq!(ProgramFdInfo::parse(text), wanted);
    }

    #[test]
    fn garbage_is_no_number() {
        let text = "run_cnt:\tmany\nprog_id:\t99999999999\nrecursion_misses\nverified_insns:\t-1\n";
        assert_eq!(ProgramFdInfo::parse(text), ProgramFdInfo::default());
    }

    #[test]
    fn each_map_and_program_is_added_up_once() {
        let texts = [
            "map_type:\t27\nmemlock:\t4096\nmap_id:\t7\n",
            "map_type:\t27\nmemlock:\t4096\nmap_id:\t7\n",
            "link_type:\ttracing\nprog_id:\t7\n",
            "prog_type:\t26\nmemlock:\t8192\nprog_id:\t7\n",
            "map_type:\t6\nmemlock:\t100\nmap_id:\t8\n",
            "pos:\t0\nmemlock:\t5\n",
        ];
        let memory = KernelMemory::sum(texts.map(str::to_owned).into_iter());
        assert_eq!(
            memory,
            KernelMemory {
                maps_bytes: 4196,
                per_cpu_bytes: 100,
                programs_bytes: 8192
            }
        );
        assert_eq!(memory.maps_bytes_on(64, 2), Some(4096 + 50 * 64));
        assert_eq!(memory.maps_bytes_on(64, 0), None);
    }

    #[test]
    fn a_descriptor_that_is_no_program_has_no_counters() {
        let file = fs::File::open("/proc/self/stat").unwrap();
        assert_eq!(
            ProgramFdInfo::of(file.as_fd()).unwrap(),
            ProgramFdInfo::default()
        );
    }
}
