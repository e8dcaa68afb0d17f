//! Address spaces: what lay where in a process, as far as anybody looked or was told while it was there.
//!
//! A run says what its mapping is, not what it is called. Names come from the kernel's records of mappings as they are made, and from
//! `/proc/PID/maps`, read when a process shows up with memory nobody knows yet, and once more for the report. A file seen in any process
//! has a name in all of them.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use super::{facts::Facts, lines::Lines, maps::MapLine, process::ProcessIndex};
use crate::{
    decode::mapping_run::{Area, FileId},
    ids::Pid,
    model::Name,
};

/// A process is looked at again after so long, then after twice as long, and so on: it maps most right after it began, and reading `maps`
/// holds the lock of its address space.
const FIRST_WAIT_NS: u64 = 10_000_000;
/// At the latest after so long, when it uses memory that is not known; and the first time, when records told all so far.
const UNKNOWN_WAIT_NS: u64 = 200_000_000;
/// At the latest after so long in any case.
const LONGEST_WAIT_NS: u64 = 10_000_000_000;

/// Files whose names are kept; a machine has some thousands of programs and libraries in use.
const FILES: usize = 65_536;

/// Times a file is looked for among open ones.
const TRIES: u8 = 3;

/// Lines of all processes that are kept: about 60 MB.
const LINES: usize = 400_000;

/// Parents of parents whose lines are looked at: shells fork shells.
const GENERATIONS: usize = 8;

/// Zeroed variables of a library are at most so many bytes: glibc has 52 KiB, libstdc++ 12; Python's arenas, which end up behind
/// its modules, are 256 KiB or 1 MiB each.
const ZEROED_OF_LIBRARY: u64 = 192 * 1024;

/// What is known of all address spaces.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Spaces {
    by_process: HashMap<ProcessIndex, Space>,
    files: HashMap<FileId, Name>,
    /// Files that were looked for among those that processes have open, and how often.
    sought: HashMap<FileId, u8>,
    lines: usize,
    /// Lines there was no room for.
    pub no_room: u64,
}

/// What is known of one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Space {
    lines: Lines,
    /// Whose memory it began with, when it has not begun another program since.
    parent: Option<ProcessIndex>,
    /// Records told of it, and nobody has looked yet.
    only_told: bool,
    read_ns: Option<u64>,
    wait_ns: u64,
}

impl Spaces {
    /// A run fell into a mapping: looks at the process again, when it is time to.
    pub fn saw(
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
        let wait = match (known, space.only_told) {
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
        self.look(process, pid, facts);
    }

    /// Reads what there is now. What was there before and is not any more stays known.
    pub fn look(&mut self, process: ProcessIndex, pid: Pid, facts: &mut impl Facts) {
        let Some(lines) = facts.maps(pid).filter(|lines| !lines.is_empty()) else {
            return;
        };
        for line in lines {
            self.lay(process, line);
        }
        self.by_process.entry(process).or_default().only_told = false;
    }

    /// The kernel told of a mapping that a process made, at `time_ns` after boot.
    pub fn told(&mut self, process: ProcessIndex, line: MapLine, time_ns: u64) {
        self.lay(process, line);
        let space = self.by_process.entry(process).or_default();
        if space.read_ns.is_none() {
            space.only_told = true;
            space.read_ns = Some(time_ns);
            space.wait_ns = FIRST_WAIT_NS;
        }
    }

    fn lay(&mut self, process: ProcessIndex, line: MapLine) {
        if let Some(file) = line.file {
            self.name_file(file, &line.name);
        }
        let space = self.by_process.entry(process).or_default();
        let before = space.lines.count();
        if self.lines >= LINES || !space.lines.lay(line) {
            self.no_room += 1;
        }
        self.lines = self.lines.saturating_sub(before) + space.lines.count();
    }

    /// A process was born, with the memory of its parent.
    pub fn forked(&mut self, child: ProcessIndex, parent: ProcessIndex) {
        if child != parent {
            self.by_process.entry(child).or_default().parent = Some(parent);
        }
    }

    /// The process runs another program. What lay where it lay stays known: it was touched there.
    pub fn execed(&mut self, process: ProcessIndex) {
        let space = self.by_process.entry(process).or_default();
        space.parent = None;
        if !space.only_told {
            space.read_ns = None;
            space.wait_ns = 0;
        }
    }

    /// Does anybody want to know what lies where in a process?
    pub fn has(&self, process: ProcessIndex) -> bool {
        self.by_process.contains_key(&process)
    }

    /// Is anything known of what lies where in a process?
    pub fn has_lines(&self, process: ProcessIndex) -> bool {
        let space = self.by_process.get(&process);
        space.is_some_and(|space| space.lines.count() > 0 || space.parent.is_some())
    }

    /// Keeps the address spaces of these processes; names of files stay.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        self.by_process.retain(|process, _| keep(*process));
        self.lines = self
            .by_process
            .values()
            .map(|space| space.lines.count())
            .sum();
    }

    /// A process brings in pages of a file: while it has it open, the file can be named.
    pub fn fills(&mut self, pid: Pid, file: FileId, facts: &mut impl Facts) {
        if self.files.contains_key(&file) || self.sought.len() >= FILES {
            return;
        }
        let tries = self.sought.entry(file).or_default();
        if *tries < TRIES {
            *tries += 1;
            if let Some(name) = facts.open_file(pid, file) {
                self.name_file(file, &name);
            }
        }
    }

    /// Names a file for all processes.
    fn name_file(&mut self, file: FileId, name: &Name) {
        if self.files.get(&file) != Some(name)
            && (self.files.len() < FILES || self.files.contains_key(&file))
        {
            self.files.insert(file, name.clone());
        }
    }

    /// The line an address of a process lies in, or lay in in its parent when it was born.
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

    /// Plain memory that lies right behind a program's or library's data, which so has its zeroed variables: the path of that file. Behind a
    /// library the kernel makes one mapping of them and of whatever is mapped next, so much of it is not called after the library.
    pub fn zeroed_of(&self, process: ProcessIndex, at: u64) -> Option<(FileId, &Name)> {
        let line = self.line(process, at)?;
        let before = self.line(process, line.start.checked_sub(1)?)?;
        let plain = line.file.is_none() && line.name.is_empty();
        let file = before.file.filter(|_| plain && before.writable)?;
        let much = line.end - line.start > ZEROED_OF_LIBRARY;
        (!much || self.lowest_program(process) == Some(file)).then_some((file, &before.name))
    }

    /// The file of the code at the lowest addresses: the process's own program, with nothing near it but its heap.
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

    /// Does a process have code of a file?
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

    /// The path of a file.
    pub fn file(&self, file: FileId) -> Option<&Name> {
        self.files.get(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::process::Processes;

    fn line(start: u64, end: u64, name: &str) -> MapLine {
        MapLine {
            start,
            end,
            executable: false,
            writable: true,
            shared: false,
            offset: 0,
            file: None,
            name: Name::from(name),
        }
    }

    fn of_file(start: u64, end: u64, ino: u64, executable: bool) -> MapLine {
        MapLine {
            executable,
            writable: !executable,
            file: Some(FileId { dev: 1, ino }),
            ..line(start, end, if ino == 1 { "/app" } else { "/lib.so" })
        }
    }

    /// A process whose maps were read as often as there are looks, the last of them first.
    fn looked_at(looks: Vec<Vec<MapLine>>) -> (Spaces, ProcessIndex) {
        let times = looks.len();
        let mut facts = Changing(looks);
        let thread = crate::decode::count::ThreadId {
            pid: Pid(7),
            tid: crate::ids::Tid(7),
            start_ns: 1,
        };
        let process = Processes::default().of_thread(thread, &mut facts);
        let mut spaces = Spaces::default();
        for _ in 0..times {
            spaces.look(process, Pid(7), &mut facts);
        }
        (spaces, process)
    }

    #[test]
    fn much_memory_behind_a_library_is_not_its_zeroed_variables() {
        const MIB: u64 = 1 << 20;
        let lines = vec![
            of_file(MIB, 2 * MIB, 1, true),
            of_file(2 * MIB, 3 * MIB, 1, false),
            line(3 * MIB, 9 * MIB, ""),
            of_file(20 * MIB, 21 * MIB, 2, true),
            of_file(21 * MIB, 22 * MIB, 2, false),
            line(22 * MIB, 22 * MIB + 0xd000, ""),
            of_file(40 * MIB, 41 * MIB, 2, false),
            line(41 * MIB, 42 * MIB, ""),
        ];
        let (spaces, process) = looked_at(vec![lines]);
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
        assert_eq!(of(41 * MIB), None, "somebody's arena");
        assert_eq!(of(MIB), None);
    }

    /// A `/proc` whose maps change between two looks.
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
    fn what_was_unmapped_keeps_its_name_until_something_else_lies_there() {
        let (spaces, process) = looked_at(vec![
            vec![line(0x3000, 0x5000, "[anon:c]")],
            vec![
                line(0x1000, 0x2000, "[anon:a]"),
                line(0x4000, 0x6000, "[anon:b]"),
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
            "only a part of its place was taken"
        );
    }
}
