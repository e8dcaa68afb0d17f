//! Plays one recording into an ingest: the order of its chunks, and the bounds of the wanted part.

use std::time::Duration;

use numatrace_common::{scope::NS_PER_TICK, totals::TotalKey};

use super::{
    chunks::{Chunk, Made, Opening, Sample},
    code::ReplayedCode,
    selection,
    wanted::Wanted,
};
use crate::{
    capture::recording::{Garbled, budget::Budget, records},
    decode::{count::ThreadId, event::Event},
    enrich::facts::{noted::Fact, replayed::ReplayedFacts, resident::Reading},
    exit::{Exit, Failure},
    fold::counted::Counted,
    ids::{Pid, Tid},
    ingest::{Ingest, input::Input},
    label::{
        report::report,
        session_info::{CostParts, SessionInfo},
    },
    model::{Part, Snapshot},
};

/// Reason for which the audit of a part is unavailable.
const PART: &str = "this is a part of a recording: the kernel's counters were read where the \
                    session began and ended";

/// Steps that checking a pid with waiting mappings takes.
const CHECKS: usize = 4;

/// State of a replay.
pub struct Player {
    wanted: Wanted,
    /// Memory and time that reading may still take.
    pub budget: Budget,
    /// Pending mappings were assigned, and nothing that they depend on has come since.
    assigned: bool,
    /// `None` until the first facts, which list the processes that were alive at the start.
    ingest: Option<Ingest<ReplayedFacts>>,
    opening: Option<Opening>,
    code: ReplayedCode,
    /// Time and losses at the last sweep.
    sample: Sample,
    /// Start of the session, ns since boot.
    origin_ns: u64,
    begun: bool,
    /// Bounds of the wanted part.
    part: Bounds,
    /// Counts of the part, once it has ended.
    part_counts: Option<Counted>,
    /// The last report was made.
    done: bool,
    /// The recording left out everything up to the next base.
    gap: bool,
    /// Details that the sums lack, in a sentence.
    left_out: Option<String>,
    records: u64,
    remarks: Vec<String>,
}

/// Bounds of a part in time, ns since the start of the session.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    from_ns: Option<u64>,
    to_ns: Option<u64>,
    /// Time of the sweep at which the part began.
    began: Option<u64>,
    /// Time of the sweep at which the part ended.
    ended: Option<u64>,
}

impl Bounds {
    /// Returns whether the counts are those of a part, not of the whole session.
    fn is_part(self) -> bool {
        self.began.is_some() || self.ended.is_some()
    }
}

impl Player {
    /// Begins a replay.
    pub fn new(wanted: Wanted) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let part = Bounds {
            from_ns: wanted.from.map(ns),
            to_ns: wanted.to.map(ns),
            ..Bounds::default()
        };
        let whole = wanted.whole || wanted.is_part();
        Self {
            wanted: Wanted { whole, ..wanted },
            budget: Budget::default(),
            assigned: false,
            ingest: None,
            opening: None,
            code: ReplayedCode::default(),
            sample: Sample::default(),
            origin_ns: 0,
            begun: false,
            part,
            part_counts: None,
            done: false,
            gap: false,
            left_out: None,
            records: 0,
            remarks: Vec::new(),
        }
    }

    /// Returns whether the last report was made.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Returns the number of records read.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns sentences for a person on what the recording lacks.
    pub fn into_remarks(self) -> Vec<String> {
        self.remarks
    }

    fn ingest(&mut self) -> &mut Ingest<ReplayedFacts> {
        self.ingest
            .get_or_insert_with(|| Ingest::new(ReplayedFacts::default()))
    }

    /// Takes in one chunk.
    ///
    /// # Errors
    /// The chunk does not hold what its kind says, or makes more than the budget allows.
    pub fn apply(&mut self, chunk: Chunk<'_>, each: &mut dyn FnMut(&Event)) -> Result<(), Garbled> {
        match chunk {
            Chunk::Opening(opening) => {
                self.origin_ns = opening.began_ns;
                self.opening = Some(*opening);
                self.ask_for_processes();
            }
            Chunk::Facts(facts) => {
                self.learn(facts);
                self.check_processes()?;
            }
            Chunk::Records(bytes) => {
                self.allow(records::count(bytes)?)?;
                self.assigned = false;
                let mut count = 0;
                let ingest = self.ingest();
                let read = records::each(bytes, &mut |raw| {
                    count += 1;
                    if let Some(event) = ingest.record(raw) {
                        each(&event);
                    }
                });
                self.records += count;
                return read;
            }
            Chunk::Input(input, sample) => {
                self.allow_input(&input)?;
                self.input(*input, sample);
            }
            Chunk::Stacks(stacks) => self.code.stacks.extend(stacks),
            Chunk::BuildIds(ids) => self.code.build_ids.extend(ids),
            Chunk::Frames(resolved) => self.code.learn(resolved),
            Chunk::Base(sample, base) => self.base(sample, base)?,
            Chunk::Gap => self.gap = true,
            Chunk::Unknown => self.ingest().reject(),
            Chunk::Report(_) => {}
        }
        Ok(())
    }

    /// Checks that there is time for so many records, and room if each is about a new process.
    fn allow(&mut self, records: usize) -> Result<(), Garbled> {
        self.budget.steps(records)?;
        let known = self.ingest().enrich.processes.len();
        self.budget.processes(known.saturating_add(records))
    }

    /// Checks that there is room for all processes that are known; forgets them if there is not.
    fn check_processes(&mut self) -> Result<(), Garbled> {
        let known = self.ingest().enrich.processes.len();
        self.budget
            .processes(known)
            .inspect_err(|_| self.ingest = None)
    }

    /// Checks that the budget allows what a piece of input makes.
    fn allow_input(&mut self, input: &Input) -> Result<(), Garbled> {
        match input {
            Input::Sweep(sweep) | Input::Begin(_, sweep) | Input::Boundary(_, sweep) => {
                // Counts of one owner are neighbours.
                let owner = |key: &TotalKey| (key.start_ns, key.tid, key.tgid);
                let counts = sweep
                    .counts
                    .chunk_by(|(_, a, _), (_, b, _)| owner(a) == owner(b));
                let processes = &self.ingest().enrich.processes;
                let owners = counts.filter_map(|counts| counts.first());
                let new = owners.filter(|(_, key, _)| {
                    !processes.knows_thread(ThreadId {
                        pid: Pid(key.tgid),
                        tid: Tid(key.tid),
                        start_ns: key.start_ns,
                    })
                });
                let processes = processes.len().saturating_add(new.count());
                self.budget.processes(processes)
            }
            Input::OpenRuns(open) => self
                .allow(open.touches.len() + open.uses.len() + open.fills.len() + open.moves.len()),
            Input::AssignMappings if !self.assigned => {
                let waiting = self.ingest().enrich.pending_mappings.len();
                self.budget.steps(waiting.saturating_mul(CHECKS))
            }
            _ => Ok(()),
        }
    }

    fn learn(&mut self, facts: Vec<Fact>) {
        match &mut self.ingest {
            Some(ingest) => ingest.enrich.facts.learn(facts),
            None => {
                let mut first = ReplayedFacts::default();
                first.learn(facts);
                self.ingest = Some(Ingest::new(first));
            }
        }
    }

    fn input(&mut self, input: Input, sample: Option<Sample>) {
        // Assigning again would assign nothing.
        if matches!(input, Input::AssignMappings) && self.assigned {
            return;
        }
        self.assigned = match input {
            Input::AssignMappings => true,
            Input::Time(_) => self.assigned,
            _ => false,
        };
        let whole = self.wanted.whole;
        let input = match input {
            // In one report of everything, the end of an interval is a sweep like any other.
            Input::Boundary(reading, counts) if whole && reading.another_follows => {
                Input::Sweep(counts)
            }
            Input::Residency(readings) if readings.is_empty() => {
                Input::Residency(self.readings_among_facts())
            }
            other => other,
        };
        if let Input::Begin(reading, _) = &input {
            self.begun = true;
            self.ask_for_processes();
            self.origin_ns = reading.at_ns;
            self.sample = Sample {
                at_ns: reading.at_ns,
                grown: reading.grown.clone(),
            };
        }
        self.ingest().apply(&input);
        if let Some(sample) = sample {
            self.sample = sample;
            self.begin_or_end_part();
        }
    }

    /// Returns the readings of a recording that has them as facts, without their time.
    fn readings_among_facts(&mut self) -> Vec<Reading> {
        let at_ns = self.sample.at_ns;
        let enrich = &mut self.ingest().enrich;
        let found = enrich.facts.take_numa_maps().into_iter();
        let known = found.filter_map(|(pid, mappings)| {
            let process = enrich.processes.at(pid, u64::MAX)?;
            let start_ticks = enrich.processes.get(process).start_ns / NS_PER_TICK;
            Some(Reading::of_mappings((pid, start_ticks), at_ns, mappings))
        });
        known.collect()
    }

    /// Makes the report include the processes that the session was asked for, even if they did
    /// nothing. Called whenever the opening or the list of processes has arrived: it needs both.
    fn ask_for_processes(&mut self) {
        if let (Some(opening), Some(ingest)) = (&self.opening, &mut self.ingest) {
            let pids = &opening.info.session.scope.pids;
            ingest.enrich.processes.ask_for(pids);
        }
        self.fold_as_recorded();
    }

    /// Makes ended processes fold as they did in the session.
    fn fold_as_recorded(&mut self) {
        if let (Some(opening), Some(ingest)) = (&self.opening, &mut self.ingest) {
            let keep = opening.info.keep_processes;
            let keep = keep.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX));
            // A reader who names processes wants theirs, whenever they ended.
            ingest.keep_processes = keep.filter(|_| self.wanted.pids.is_empty());
        }
    }

    /// Begins or ends the wanted part, right after a sweep.
    fn begin_or_end_part(&mut self) {
        let (at_ns, grown) = (self.sample.at_ns, self.sample.grown.clone());
        let passed = at_ns.saturating_sub(self.origin_ns);
        let part = self.part;
        if part.from_ns.is_some_and(|from| passed >= from) && part.began.is_none() {
            self.ingest().begin_anew(at_ns, &grown);
            self.part.began = Some(passed);
        }
        let inside = part.from_ns.is_none() || self.part.began.is_some();
        if part.to_ns.is_some_and(|to| passed >= to) && inside && self.part_counts.is_none() {
            self.ingest().break_off(at_ns, &grown, PART);
            self.part_counts = self.ingest().counted();
            self.part.ended = Some(passed);
        }
    }

    fn base(&mut self, sample: Sample, base: &[u8]) -> Result<(), Garbled> {
        let damaged = |_| Garbled("the sums of the part that was left out cannot be read");
        let left_out = self.ingest().restore(base).map_err(damaged)?;
        self.fold_as_recorded();
        self.assigned = false;
        self.check_processes()?;
        let passed_ns = sample.at_ns.saturating_sub(self.origin_ns);
        let until = seconds(passed_ns);
        self.remarks.push(if self.gap {
            format!(
                "the recording was full (--max-size, --keep first): its last part, up to \
                 {until:.1} s, is only in its sums"
            )
        } else {
            format!(
                "the recording keeps the last part of its session (--max-size): the first \
                 {until:.1} s are only in its sums"
            )
        });
        self.left_out = left_out
            .in_words()
            .map(|what| format!("--max-size left no room for {what}, of the first {until:.1} s"));
        self.remarks.extend(self.left_out.clone());
        if !self.gap && self.part.from_ns.is_some_and(|from| from < passed_ns) {
            let remark = "--from lies before the part that was kept: the report begins with the \
                          first sweep of that part";
            self.remarks.push(remark.to_owned());
        }
        self.begun = true;
        self.gap = false;
        self.sample = sample;
        Ok(())
    }

    /// Makes a report again that the session made here; returns `None` when a different one is
    /// wanted.
    ///
    /// # Errors
    /// The wanted part begins after the end.
    pub fn report(&mut self, made: &Made) -> Result<Option<Snapshot>, Failure> {
        if self.wanted.whole && made.another_follows {
            return Ok(None);
        }
        self.done = !made.another_follows;
        let counted = self.ingest().counted();
        let Some(counted) = self.part_counts.take().or(counted) else {
            return Ok(None);
        };
        self.require_start_of_part(counted.until_ns)?;
        let until_ns = counted.until_ns;
        let info = self.info_of_part(&made.info, &counted);
        let snapshot = self.snapshot(&info, counted, None);
        if made.another_follows {
            // The base was about the interval that ends.
            self.left_out = None;
            self.ingest().next_interval(until_ns);
        }
        Ok(Some(snapshot))
    }

    /// Refuses a part that would begin after the end.
    fn require_start_of_part(&self, until_ns: u64) -> Result<(), Failure> {
        if self.part.from_ns.is_none() || self.part.began.is_some() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Failed,
            format!(
                "--from lies behind the last sweep of the recording, which lasts {:.1} s",
                seconds(until_ns.saturating_sub(self.origin_ns))
            ),
            "leave out --from to see the whole recording",
        ))
    }

    /// Makes a report of everything so far, where the input ends without a last report. Also
    /// returns the remark that says so; there is no report when the wanted part was already
    /// reported.
    ///
    /// # Errors
    /// The recording holds no session.
    pub fn break_off(&mut self, why: &str) -> anyhow::Result<(String, Option<Snapshot>)> {
        let nothing = || {
            Failure::new(
                Exit::Failed,
                format!("the recording holds no session: {why} before counting began"),
                "record again; a recording is of use from its first second on",
            )
        };
        let Some(opening) = self.opening.clone().filter(|_| self.begun) else {
            return Err(nothing().into());
        };
        let sample = self.sample.clone();
        let passed = Duration::from_nanos(sample.at_ns.saturating_sub(self.origin_ns));
        let remark = format!(
            "the recording ends before its session did, after {:.1} s: {why}",
            passed.as_secs_f64()
        );
        self.ingest()
            .break_off(sample.at_ns, &sample.grown, &remark);
        let counted = self.ingest().counted();
        let Some(counted) = self.part_counts.take().or(counted) else {
            return Ok((remark, None));
        };
        self.require_start_of_part(counted.until_ns)?;
        let mut info = self.info_of_part(&opening.info, &counted);
        info.session.duration_s = seconds(counted.until_ns.saturating_sub(counted.began_ns));
        let snapshot = self.snapshot(&info, counted, Some(remark.clone()));
        Ok((remark, Some(snapshot)))
    }

    fn snapshot(
        &mut self,
        info: &SessionInfo,
        mut counted: Counted,
        incomplete: Option<String>,
    ) -> Snapshot {
        let Wanted {
            pids,
            children,
            timeline,
            ..
        } = self.wanted.clone();
        if self.part.is_part() {
            counted.uncounted = Some(PART.to_owned());
        }
        if !pids.is_empty() {
            selection::keep(&mut counted, self.ingest(), &pids, children);
        }
        let Self { ingest, code, .. } = self;
        let ingest = ingest.get_or_insert_with(|| Ingest::new(ReplayedFacts::default()));
        let mut snapshot = report(info, &counted, code, timeline, &mut ingest.enrich);
        snapshot.coverage.incomplete = incomplete.or_else(|| self.left_out.clone());
        snapshot
    }

    /// Returns the facts about a whole session or a part of it, derived from those of its last
    /// interval.
    fn info_of_part(&self, last: &SessionInfo, counted: &Counted) -> SessionInfo {
        let mut info = last.clone();
        let scope = &mut info.session.scope;
        if !self.wanted.pids.is_empty() {
            scope.pids.clone_from(&self.wanted.pids);
            scope.launched.clear();
            scope.children = self.wanted.children;
        }
        let joined = self.wanted.whole && info.session.interval.is_some();
        if joined || self.part.is_part() {
            if let Some(opening) = &self.opening {
                info.session.start = opening.info.session.start;
            }
            info.session.interval = None;
            info.session.duration_s = seconds(counted.until_ns.saturating_sub(counted.began_ns));
            info.cost = CostParts::default();
        }
        if self.part.is_part() {
            let since_start = |ns: u64| seconds(ns.saturating_sub(self.origin_ns));
            info.session.part = Some(Part {
                from_s: since_start(counted.began_ns),
                to_s: since_start(counted.until_ns),
            });
            if self.part.ended.is_some() {
                (info.session.ended_by, info.session.exit_status) = (None, None);
            }
        }
        info
    }
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}
