//! Address spaces: the mappings of processes, as far as they were recorded or read while they
//! existed.
//!
//! A run has the kind of its mapping but no name. Names come from the kernel's records of new
//! mappings, and from `/proc/PID/maps`, read when a run falls into unknown memory and once more for
//! the report. The name of a file seen in any process is used for all of them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{facts::Facts, lines::Lines, maps::MapLine, process::ProcessIndex};
use crate::{
    decode::mapping_run::{Area, FileId},
    ids::Pid,
    model::Name,
};

/// Time in ns from the first reading of a process's `maps` to the second; each further one waits
/// twice as long. A process maps most right after it began, and reading `maps` holds the lock of
/// its address space.
const FIRST_WAIT_NS: u64 = 10_000_000;
/// Longest wait in ns when a process uses unknown memory, and the wait before the first reading
/// when records have all its mappings so far.
const UNKNOWN_WAIT_NS: u64 = 200_000_000;
/// Longest wait in ns in any case.
const LONGEST_WAIT_NS: u64 = 10_000_000_000;

/// Most files whose names are kept. A machine has some thousands of programs and libraries in use.
const FILES: usize = 65_536;

/// Most searches for a file among the open ones.
const TRIES: u8 = 3;

/// Most lines kept of all processes: about 60 MB.
const LINES: usize = 400_000;

/// Most ancestors whose lines are searched: shells fork shells.
const GENERATIONS: usize = 8;

/// Most bytes of a library's zeroed variables: glibc has 52 KiB, libstdc++ 12 KiB. Python's arenas,
/// which can follow its modules in memory, are 256 KiB or 1 MiB each.
const ZEROED_OF_LIBRARY: u64 = 192 * 1024;

/// The known address spaces of all processes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Spaces {
    by_process: HashMap<ProcessIndex, Space>,
    files: HashMap<FileId, Name>,
    /// Searches for each file among the open ones.
    #[serde(rename = "sought")]
    searches: HashMap<FileId, u8>,
    lines: usize,
    /// Lines for which there was no room.
    pub no_room: u64,
}

/// One known address space.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Space {
    lines: Lines,
    /// The parent whose memory it began with; `None` after an exec.
    parent: Option<ProcessIndex>,
    /// True while it is known from records only, and `maps` was never read.
    #[serde(rename = "only_recorded")]
    only_recorded: bool,
    read_ns: Option<u64>,
    wait_ns: u64,
}

impl Spaces {
    /// Reads the process's mappings if a run fell into one and the time for a reading has come.
    pub fn refresh_for(
        &mut self,
        process: ProcessIndex,
        pid: Pid,
        area: &Area,
        at: u64,
        now_ns: u64,
        facts: &mut impl Facts,
    ) {
        let known = match area.file {
            Some(file) => self.files.contains_key(&file),
            None => self.line(process, at).is_some(),
        };
        let space = self.by_process.entry(process).or_default();
        let wait = match (known, space.only_recorded) {
            (true, true) => UNKNOWN_WAIT_NS,
            (true, false) => space.wait_ns,
            (false, _) => space.wait_ns.min(UNKNOWN_WAIT_NS),
        };
        if space
            .read_ns
            .is_some_and(|read| now_ns < read.saturating_add(wait))
        {
            return;
        }
        space.read_ns = Some(now_ns);
        space.wait_ns = (space.wait_ns * 2).clamp(FIRST_WAIT_NS, LONGEST_WAIT_NS);
        self.refresh(process, pid, facts);
    }

    /// Reads the current mappings. Earlier ones that are gone stay known.
    pub fn refresh(&mut self, process: ProcessIndex, pid: Pid, facts: &mut impl Facts) {
        let Some(lines) = facts.maps(pid).filter(|lines| !lines.is_empty()) else {
            return;
        };
        for line in lines {
            self.overlay(process, line);
        }
        self.by_process.entry(process).or_default().only_recorded = false;
    }

    /// Adds a new mapping of a process that the kernel recorded at `time_ns` after boot.
    pub fn recorded(&mut self, process: ProcessIndex, line: MapLine, time_ns: u64) {
        self.overlay(process, line);
        let space = self.by_process.entry(process).or_default();
        if space.read_ns.is_none() {
            space.only_recorded = true;
            space.read_ns = Some(time_ns);
            space.wait_ns = FIRST_WAIT_NS;
        }
    }

    fn overlay(&mut self, process: ProcessIndex, line: MapLine) {
        if let Some(file) = line.file {
            self.name_file(file, &line.name);
        }
        let space = self.by_process.entry(process).or_default();
        let before = space.lines.count();
        if self.lines >= LINES || !space.lines.overlay(line) {
            self.no_room += 1;
        }
        self.lines = self.lines.saturating_sub(before) + space.lines.count();
    }

    /// A process was forked, with the memory of its parent.
    pub fn forked(&mut self, child: ProcessIndex, parent: ProcessIndex) {
        if child != parent {
            self.by_process.entry(child).or_default().parent = Some(parent);
        }
    }

    /// The process runs a different program. Its earlier mappings stay known: their memory was
    /// touched.
    pub fn execed(&mut self, process: ProcessIndex) {
        let space = self.by_process.entry(process).or_default();
        space.parent = None;
        if !space.only_recorded {
            space.read_ns = None;
            space.wait_ns = 0;
        }
    }

    /// Returns whether the address space of a process is of interest.
    pub fn has(&self, process: ProcessIndex) -> bool {
        self.by_process.contains_key(&process)
    }

    /// Returns whether any mappings of a process are known.
    pub fn has_lines(&self, process: ProcessIndex) -> bool {
        let space = self.by_process.get(&process);
        space.is_some_and(|space| space.lines.count() > 0 || space.parent.is_some())
    }

    /// Keeps the address spaces of these processes, and those that they were copied from; names of
    /// files stay.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        let mut kept: HashSet<ProcessIndex> = HashSet::new();
        for process in self.by_process.keys().filter(|process| keep(**process)) {
            let mut next = Some(*process);
            for _ in 0..GENERATIONS {
                let Some(space) = next.and_then(|process| self.by_process.get(&process)) else {
                    break;
                };
                kept.extend(next);
                next = space.parent;
            }
        }
        self.by_process.retain(|process, _| kept.contains(process));
        self.lines = self
            .by_process
            .values()
            .map(|space| space.lines.count())
            .sum();
    }

    /// Looks up the name of a file whose pages a process adds to the page cache, among the files
    /// that it has open.
    pub fn find_open_file(&mut self, pid: Pid, file: FileId, facts: &mut impl Facts) {
        if self.files.contains_key(&file) || self.searches.len() >= FILES {
            return;
        }
        let tries = self.searches.entry(file).or_default();
        if *tries < TRIES {
            *tries += 1;
            if let Some(name) = facts.open_file(pid, file) {
                self.name_file(file, &name);
            }
        }
    }

    /// Sets the name of a file for all processes.
    fn name_file(&mut self, file: FileId, name: &Name) {
        if self.files.get(&file) != Some(name)
            && (self.files.len() < FILES || self.files.contains_key(&file))
        {
            self.files.insert(file, name.clone());
        }
    }

    /// Returns the line with an address of a process, or of the parent whose memory it began with.
    pub fn line(&self, process: ProcessIndex, at: u64) -> Option<&MapLine> {
        let mut next = Some(process);
        for _ in 0..GENERATIONS {
            let space = self.by_process.get(&next?)?;
            if let Some(line) = space.lines.at(at) {
                return Some(line);
            }
            next = space.parent;
        }
        None
    }

    /// Returns the file whose zeroed variables an address belongs to: plain memory directly after
    /// the writable data of a program or library. The kernel merges such memory of a library with
    /// the next plain mapping, so a large mapping is not attributed to a library.
    pub fn zeroed_of(&self, process: ProcessIndex, at: u64) -> Option<(FileId, &Name)> {
        let line = self.line(process, at)?;
        let before = self.line(process, line.start.checked_sub(1)?)?;
        let plain = line.file.is_none() && line.name.is_empty();
        let file = before.file.filter(|_| plain && before.writable)?;
        let is_large = line.end - line.start > ZEROED_OF_LIBRARY;
        (!is_large || self.lowest_program(process) == Some(file)).then_some((file, &before.name))
    }

    /// Returns the file of the code at the lowest addresses: the process's own program, with only
    /// its heap nearby.
    fn lowest_program(&self, process: ProcessIndex) -> Option<FileId> {
        let mut next = Some(process);
        for _ in 0..GENERATIONS {
            let space = self.by_process.get(&next?)?;
            let mut code = space.lines.iter().filter(|line| line.executable);
            if let Some(lowest) = code.find_map(|line| line.file) {
                return Some(lowest);
            }
            next = space.parent;
        }
        None
    }

    /// Returns whether a process has code of a file mapped.
    pub fn runs(&self, process: ProcessIndex, file: FileId) -> bool {
        let mut next = Some(process);
        for _ in 0..GENERATIONS {
            let Some(space) = next.and_then(|process| self.by_process.get(&process)) else {
                return false;
            };
            if space
                .lines
                .iter()
                .any(|line| line.executable && line.file == Some(file))
            {
                return true;
            }
            next = space.parent;
        }
        false
    }

    /// Returns the path of a file.
    pub fn file(&self, file: FileId) -> Option<&Name> {
        self.files.get(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::process::Processes;

    fn of_file(start: u64, end: u64, ino: u64, executable: bool) -> MapLine {
        MapLine {
            executable,
            writable: !executable,
            file: Some(FileId { dev: 1, ino }),
            ..MapLine::example(start, end, if ino == 1 { "/app" } else { "/lib.so" })
        }
    }

    /// Returns a process whose maps were read once for each reading, from the last one to the
    /// first.
    fn after_readings(readings: Vec<Vec<MapLine>>) -> (Spaces, ProcessIndex) {
        let times = readings.len();
        let mut facts = Changing(readings);
        let thread = crate::decode::count::ThreadId {
            pid: Pid(7),
            tid: crate::ids::Tid(7),
            start_ns: 1,
        };
        let process = Processes::default().of_thread(thread, &mut facts);
        let mut spaces = Spaces::default();
        for _ in 0..times {
            spaces.refresh(process, Pid(7), &mut facts);
        }
        (spaces, process)
    }

    #[test]
    fn a_large_mapping_after_a_library_is_not_its_zeroed_variables() {
        const MIB: u64 = 1 << 20;
        let lines = vec![
            of_file(MIB, 2 * MIB, 1, true),
            of_file(2 * MIB, 3 * MIB, 1, false),
            MapLine::example(3 * MIB, 9 * MIB, ""),
            of_file(20 * MIB, 21 * MIB, 2, true),
            of_file(21 * MIB, 22 * MIB, 2, false),
            MapLine::example(22 * MIB, 22 * MIB + 0xd000, ""),
            of_file(40 * MIB, 41 * MIB, 2, false),
            MapLine::example(41 * MIB, 42 * MIB, ""),
        ];
        let (spaces, process) = after_readings(vec![lines]);
        let of = |at| {
            spaces
                .zeroed_of(process, at)
                .map(|(_, path)| path.to_utf8().into_owned())
        };
        assert_eq!(
            of(5 * MIB).as_deref(),
            Some("/app"),
            "a program's static arrays"
        );
        assert_eq!(of(22 * MIB).as_deref(), Some("/lib.so"));
        assert_eq!(of(41 * MIB), None, "an allocator's arena");
        assert_eq!(of(MIB), None);
    }

    /// A `/proc` whose maps change between two readings.
    struct Changing(Vec<Vec<MapLine>>);

    impl Facts for Changing {
        fn identity(&mut self, _pid: Pid) -> Option<crate::enrich::facts::Identity> {
            None
        }
        fn details(&mut self, _pid: Pid) -> crate::enrich::facts::Details {
            Default::default()
        }
        fn thread(
            &mut self,
            _pid: Pid,
            _tid: crate::ids::Tid,
        ) -> Option<crate::enrich::facts::Identity> {
            None
        }
        fn pids(&mut self) -> Vec<Pid> {
            Vec::new()
        }
        fn maps(&mut self, _pid: Pid) -> Option<Vec<MapLine>> {
            self.0.pop()
        }
    }

    #[test]
    fn unmapped_memory_keeps_its_name_until_a_new_mapping_covers_it() {
        let (spaces, process) = after_readings(vec![
            vec![MapLine::example(0x3000, 0x5000, "[anon:c]")],
            vec![
                MapLine::example(0x1000, 0x2000, "[anon:a]"),
                MapLine::example(0x4000, 0x6000, "[anon:b]"),
            ],
        ]);
        let name = |at| {
            spaces
                .line(process, at)
                .map(|line| line.name.to_utf8().into_owned())
        };
        assert_eq!(name(0x1800).as_deref(), Some("[anon:a]"));
        assert_eq!(name(0x4800).as_deref(), Some("[anon:c]"));
        assert_eq!(
            name(0x5800).as_deref(),
            Some("[anon:b]"),
            "only a part of it was covered"
        );
    }
}
