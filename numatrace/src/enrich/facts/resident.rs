//! One reading of the nodes of a process's memory: `/proc/PID/numa_maps`, with what else a reading
//! is judged by. Reading it touches no page, but the kernel walks the page tables, so a reading has
//! a limit in time.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{parse_stat, status_value};
use crate::{
    capture::sys::{
        ReadError,
        mounts::{Mounts, unescaped},
        numa_maps::{self, is_shared_memory},
        proc_files::{Ended, ProcFiles},
    },
    enrich::topology::page_size,
    ids::{NodeId, Pid},
    model::Name,
};

/// One mapping's pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// First address of the mapping.
    pub start: u64,
    /// The path of its file: the only name when the process ended before its mappings could be
    /// read.
    pub file: Option<Name>,
    /// The number of base pages on each node.
    pub pages: Pages,
    /// Type of the file system that its file is on; `None` for small files, and where it is not
    /// known.
    #[serde(default)]
    pub file_system: Option<String>,
}

/// Base pages on each node that has any.
pub type Pages = Vec<(NodeId, u64)>;

/// One reading of a process's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// The process.
    pub pid: Pid,
    /// Its start in clock ticks since boot.
    pub start_ticks: u64,
    /// Time at the end of the reading, ns since boot.
    pub at_ns: u64,
    /// Time that it took, ns.
    pub took_ns: u64,
    /// Memory of its own: all but [`Reading::files`]. Memory that it shares with processes of the
    /// same program (memfd, System V, POSIX, shared anonymous) belongs here.
    pub own: Pages,
    /// Pages of files: page cache and program text, which lie where the first user in the machine
    /// brought them in.
    pub files: Pages,
    /// Each mapping; empty when only sums were wanted.
    pub mappings: Vec<Resident>,
    /// The CPUs that its main thread may run on, in the kernel's list format; `None` when they
    /// could not be read.
    pub cpus: Option<String>,
    /// Why it is not whole.
    pub gap: Option<Gap>,
}

/// The reason for which a reading lacks something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gap {
    /// The process has so many base pages that the reading was not begun: it would have taken too
    /// long.
    TooLarge(u64),
    /// Cut when its time was over.
    Cut,
    /// The kernel refused it.
    Refused,
}

impl Reading {
    /// Makes a reading from mappings, of which only the names of files say what they are.
    pub fn of_mappings(
        (pid, start_ticks): (Pid, u64),
        at_ns: u64,
        mappings: Vec<Resident>,
    ) -> Self {
        let mut reading = Self {
            pid,
            start_ticks,
            at_ns,
            ..Self::default()
        };
        for mapping in &mappings {
            let path = mapping.file.as_ref().map(Name::as_bytes);
            let is_own = path
                .is_none_or(|path| is_shared_memory(path) || path.starts_with(b"/anon_hugepage"));
            let pages = mapping.pages.iter();
            pages.for_each(|more| reading.add(is_own, *more));
        }
        reading.mappings = mappings;
        reading
    }

    fn add(&mut self, is_own: bool, (node, more): (NodeId, u64)) {
        let sum = if is_own {
            &mut self.own
        } else {
            &mut self.files
        };
        match sum.iter_mut().find(|(known, _)| *known == node) {
            Some((_, pages)) => *pages = pages.saturating_add(more),
            None => sum.push((node, more)),
        }
    }
}

/// Reads where the memory of processes lies, one after the other.
#[derive(Debug)]
pub struct Reader {
    files: ProcFiles,
    /// Time for a base page in the last reading that tells, in ns.
    page_ns: u64,
}

/// Time for a base page, in ns, as long as no reading took longer. Measured on a busy machine with
/// 2 GiB of small pages: 108 to 205 ns (five readings of `/proc/PID/numa_maps`, Linux 6.18). Memory
/// in huge pages takes much less, but how much memory that is would take as long to find out.
const PAGE_NS: u64 = 100;

/// Base pages of a file from which on its file system is named: 4 MiB, from where on a finding may
/// be about it.
const LARGE_FILE: u64 = 1024;

/// Base pages from which on a reading tells how long a page takes: with fewer, opening the file is
/// most of it.
const TELLING: u64 = 65_536;

impl Reader {
    /// Opens `/proc`.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn open(root: &std::path::Path) -> Result<Self, ReadError> {
        Ok(Self {
            files: ProcFiles::open(root)?,
            page_ns: PAGE_NS,
        })
    }

    /// Reads the memory of a process; `None` when the process is gone, or its pid stands for a
    /// different one by now. `now_ns` returns ns since boot.
    pub fn read(
        &mut self,
        (pid, start_ticks): (Pid, u64),
        by_mapping: bool,
        limit: Duration,
        now_ns: impl Fn() -> u64,
    ) -> Option<Reading> {
        let began = Instant::now();
        let mut reading = Reading {
            pid,
            start_ticks,
            ..Reading::default()
        };
        let status = self.files.start(pid, "status").ok()?;
        reading.cpus = status_value(status, "Cpus_allowed_list:").map(str::to_owned);
        let kb = |name| status_value(status, name)?.split(' ').next()?.parse().ok();
        let resident_kb: u64 = kb("VmRSS:").unwrap_or(0);
        let resident = resident_kb / (page_size() / 1024).max(1);
        if resident.saturating_mul(self.page_ns) > nanos(limit) {
            reading.gap = Some(Gap::TooLarge(resident));
        } else {
            self.read_mappings(&mut reading, by_mapping, began + limit);
        }
        // Last, because a process that ended during the reading has no mappings either.
        let stat = self.files.start(pid, "stat").ok()?;
        if parse_stat(stat)?.start_ticks != start_ticks {
            return None;
        }
        reading.at_ns = now_ns();
        reading.took_ns = nanos(began.elapsed());
        let read = reading.own.iter().chain(&reading.files);
        let pages: u64 = read.map(|(_, pages)| *pages).sum();
        if reading.gap.is_none() && pages >= TELLING {
            self.page_ns = PAGE_NS.max(reading.took_ns / pages);
        }
        Some(reading)
    }

    fn read_mappings(&mut self, reading: &mut Reading, by_mapping: bool, until: Instant) {
        let base_kb = page_size() / 1024;
        let ended = numa_maps::for_each_until(&mut self.files, reading.pid, until, |line| {
            let unit = line
                .page_kb
                .and_then(|page_kb| page_kb.checked_div(base_kb))
                .unwrap_or(1);
            if line.pages.is_empty() {
                return;
            }
            let pages = line.pages.iter();
            let pages: Pages = pages.map(|(node, pages)| (*node, pages * unit)).collect();
            let is_own = !line.is_of_a_file();
            pages.iter().for_each(|more| reading.add(is_own, *more));
            if by_mapping {
                reading.mappings.push(Resident {
                    start: line.start,
                    file: line.file.map(unescaped).map(Name::from),
                    pages,
                    file_system: None,
                });
            }
        });
        match ended {
            Ok((Ended::Whole, _)) => {}
            Ok((Ended::Cut, _)) => reading.gap = Some(Gap::Cut),
            Err(_) => reading.gap = Some(Gap::Refused),
        }
        self.name_file_systems(reading);
    }

    /// Names the file systems of large files. Mounts are read only where there are any: machines
    /// with containers have thousands.
    fn name_file_systems(&mut self, reading: &mut Reading) {
        let is_large = |resident: &&mut Resident| {
            resident.pages.iter().map(|(_, pages)| pages).sum::<u64>() >= LARGE_FILE
        };
        let named = reading.mappings.iter_mut().filter(is_large);
        let named: Vec<&mut Resident> = named.filter(|resident| resident.file.is_some()).collect();
        if named.is_empty() {
            return;
        }
        let Ok(mounts) = Mounts::of(&mut self.files, reading.pid) else {
            return;
        };
        for resident in named {
            let path = resident.file.as_ref().map(Name::as_bytes);
            let kind = path.and_then(|path| mounts.file_system(path));
            resident.file_system = kind.map(str::to_owned);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    const STAT: &str = "7 (app) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
    const MAPS: &str = "1000 default file=/usr/bin/app mapped=9 N0=9 kernelpagesize_kB=4
2000 default anon=5 dirty=5 N0=1 N1=4 kernelpagesize_kB=4
3000 default file=/SYSV00000000\\040(deleted) mapped=7 N1=7 kernelpagesize_kB=4
4000 bind:0 file=/dev/hugepages/x huge dirty=2 N0=2 kernelpagesize_kB=2048
";

    fn read(start_ticks: u64, limit: Duration) -> Option<Reading> {
        let dir = tempfile::tempdir().unwrap();
        let proc = dir.path().join("proc/7");
        write(&proc.join("stat"), STAT);
        write(
            &proc.join("status"),
            "Name:\tapp\nVmRSS:\t 4100 kB\nCpus_allowed_list:\t0-1\n",
        );
        write(&proc.join("numa_maps"), MAPS);
        let mut reader = Reader::open(dir.path()).unwrap();
        reader.read((Pid(7), start_ticks), true, limit, || 99)
    }

    #[test]
    fn memory_of_files_is_kept_apart_and_shared_memory_is_not() {
        let reading = read(4242, Duration::from_secs(9)).unwrap();
        let node = NodeId;
        assert_eq!(reading.own, [(node(0), 1 + 1024), (node(1), 4 + 7)]);
        assert_eq!(reading.files, [(node(0), 9)]);
        assert_eq!((reading.mappings.len(), reading.at_ns), (4, 99));
        assert_eq!(reading.cpus.as_deref(), Some("0-1"));
        assert_eq!(reading.gap, None);
    }

    #[test]
    fn a_later_process_with_the_same_pid_is_not_the_one_asked_for() {
        assert_eq!(read(4243, Duration::from_secs(9)), None);
    }

    #[test]
    fn a_reading_that_would_take_too_long_is_not_begun() {
        let reading = read(4242, Duration::from_micros(1)).unwrap();
        assert_eq!(reading.gap, Some(Gap::TooLarge(1025)));
        assert_eq!(
            (reading.own, reading.cpus.as_deref()),
            (vec![], Some("0-1"))
        );
    }
}
