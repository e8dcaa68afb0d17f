//! One recording on its way into an ingest: what comes in which order, and where a part of it begins and ends.

use std::time::Duration;

use super::{
    chunks::{Chunk, Made, Opening, Sample},
    code::ReplayedCode,
    replay::{Outcome, Wanted},
    selection,
};
use crate::{
    capture::recording::{Garbled, records},
    decode::event::Event,
    enrich::facts::{noted::Fact, replayed::ReplayedFacts},
    exit::{Exit, Failure},
    fold::counted::Counted,
    ingest::{Ingest, input::Input, session_info::SessionInfo},
    label::report::CostParts,
    model::{Part, Snapshot},
};

/// Why the audit of a part is none.
const PART: &str = "this is a part of a recording: the kernel's counters were read where the session began and ended";

/// The state of a replay.
pub struct Player {
    wanted: Wanted,
    /// From the first facts on: they say who was alive when the session began.
    ingest: Option<Ingest<ReplayedFacts>>,
    opening: Option<Opening>,
    code: ReplayedCode,
    sample: Sample,
    /// When the session began, ns since boot.
    origin_ns: u64,
    begun: bool,
    /// The part in time that is wanted.
    part: Bounds,
    /// Counts of it, once it has ended.
    cut_out: Option<Counted>,
    /// Everything was read up to the last report.
    done: bool,
    /// The next part was not kept.
    gap: bool,
    records: u64,
    remarks: Vec<String>,
}

/// Where a part in time stands.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    from_ns: Option<u64>,
    to_ns: Option<u64>,
    /// It has begun: seconds after the session did.
    began: Option<u64>,
    ended: Option<u64>,
}

impl Player {
    /// Begins.
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
            ingest: None,
            opening: None,
            code: ReplayedCode::default(),
            sample: Sample::default(),
            origin_ns: 0,
            begun: false,
            part,
            cut_out: None,
            done: false,
            gap: false,
            records: 0,
            remarks: Vec::new(),
        }
    }

    /// The last report was made.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What is to be said.
    pub fn outcome(self, remarks: Vec<String>) -> Outcome {
        let mut all = self.remarks;
        all.extend(remarks);
        Outcome {
            remarks: all,
            records: self.records,
        }
    }

    fn ingest(&mut self) -> &mut Ingest<ReplayedFacts> {
        self.ingest
            .get_or_insert_with(|| Ingest::new(ReplayedFacts::default()))
    }

    /// Takes in one thing.
    ///
    /// # Errors
    /// It is not what its kind says.
    pub fn take(&mut self, chunk: Chunk<'_>, each: &mut dyn FnMut(&Event)) -> Result<(), Garbled> {
        match chunk {
            Chunk::Opening(opening) => {
                self.origin_ns = opening.began_ns;
                self.opening = Some(*opening);
                self.ask();
            }
            Chunk::Facts(facts) => self.learn(facts),
            Chunk::Records(bytes) => {
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
            Chunk::Input(input, sample) => self.input(*input, sample),
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
        let whole = self.wanted.whole;
        let input = match input {
            // All of it is one: an interval's end is a sweep like any other.
            Input::Boundary(reading, edge) if whole && reading.goes_on => Input::Sweep(edge),
            other => other,
        };
        if let Input::Begin(reading, _) = &input {
            self.begun = true;
            self.ask();
            self.origin_ns = reading.at_ns;
            self.sample = Sample {
                at_ns: reading.at_ns,
                grown: reading.grown.clone(),
            };
        }
        self.ingest().take(&input);
        if let Some(sample) = sample {
            self.sample = sample;
            self.bound();
        }
    }

    /// Has the processes reported that the session was asked to look at: known when both it and they are.
    fn ask(&mut self) {
        if let (Some(opening), Some(ingest)) = (&self.opening, &mut self.ingest) {
            let pids = &opening.told.session.scope.pids;
            ingest.enrich.processes.ask_for(pids);
        }
    }

    /// Begins or ends the part that is wanted, where a sweep has just been taken in.
    fn bound(&mut self) {
        let (at_ns, grown) = (self.sample.at_ns, self.sample.grown.clone());
        let passed = at_ns.saturating_sub(self.origin_ns);
        let part = self.part;
        if part.from_ns.is_some_and(|from| passed >= from) && part.began.is_none() {
            self.ingest().begin_anew(at_ns, &grown);
            self.part.began = Some(passed);
        }
        let inside = part.from_ns.is_none() || self.part.began.is_some();
        if part.to_ns.is_some_and(|to| passed >= to) && inside && self.cut_out.is_none() {
            self.ingest().break_off(at_ns, &grown, PART);
            self.cut_out = self.ingest().counted();
            self.part.ended = Some(passed);
        }
    }

    fn base(&mut self, sample: Sample, base: &[u8]) -> Result<(), Garbled> {
        let damaged = |_| Garbled("the sums of what was left out do not read");
        self.ingest().restore(base).map_err(damaged)?;
        let passed_ns = sample.at_ns.saturating_sub(self.origin_ns);
        let until = seconds(passed_ns);
        self.remarks.push(if self.gap {
            format!("the recording was full (--max-size, --keep first): records of its last part, up to {until:.1} s, are only in its sums")
        } else {
            format!("the recording keeps the last part of its session (--max-size): the first {until:.1} s are only in its sums")
        });
        if !self.gap && self.part.from_ns.is_some_and(|from| from < passed_ns) {
            let remark =
                "--from lies before what was kept: the part begins with the first sweep that was";
            self.remarks.push(remark.to_owned());
        }
        self.begun = true;
        self.gap = false;
        self.sample = sample;
        Ok(())
    }

    /// A report was made here: makes it again, unless another is wanted.
    ///
    /// # Errors
    /// The part that is wanted lies behind the end.
    pub fn report(&mut self, made: &Made) -> Result<Option<Snapshot>, Failure> {
        if self.wanted.whole && made.goes_on {
            return Ok(None);
        }
        self.done = !made.goes_on;
        let counted = self.ingest().counted();
        let Some(counted) = self.cut_out.take().or(counted) else {
            return Ok(None);
        };
        self.reaches(counted.until_ns)?;
        let until_ns = counted.until_ns;
        let told = self.told(&made.told, &counted);
        let snapshot = self.made(&told, counted, None);
        if made.goes_on {
            self.ingest().next_interval(until_ns);
        }
        Ok(Some(snapshot))
    }

    /// Has the part that is wanted begun before the end?
    fn reaches(&self, until_ns: u64) -> Result<(), Failure> {
        if self.part.from_ns.is_none() || self.part.began.is_some() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Failed,
            format!(
                "--from lies behind the last sweep of the recording, which has {:.1} s",
                seconds(until_ns.saturating_sub(self.origin_ns))
            ),
            "leave --from out to see all of it",
        ))
    }

    /// The input ends without a last report: makes one of what there is. The first is what to say.
    ///
    /// # Errors
    /// There is nothing.
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
        let Some(counted) = self.cut_out.take().or(counted) else {
            return Ok((remark, None));
        };
        self.reaches(counted.until_ns)?;
        let mut told = self.told(&opening.told, &counted);
        told.session.duration_s = seconds(counted.until_ns.saturating_sub(counted.began_ns));
        let snapshot = self.made(&told, counted, Some(remark.clone()));
        Ok((remark, Some(snapshot)))
    }

    fn made(
        &mut self,
        told: &SessionInfo,
        mut counted: Counted,
        incomplete: Option<String>,
    ) -> Snapshot {
        let Wanted {
            pids,
            children,
            timeline,
            ..
        } = self.wanted.clone();
        if self.part.began.is_some() || self.part.ended.is_some() {
            counted.uncounted = Some(PART.to_owned());
        }
        if !pids.is_empty() {
            selection::keep(&mut counted, self.ingest(), &pids, children);
        }
        let Self { ingest, code, .. } = self;
        let ingest = ingest.get_or_insert_with(|| Ingest::new(ReplayedFacts::default()));
        let mut snapshot = told.report(&counted, code, timeline, ingest);
        snapshot.coverage.incomplete = incomplete;
        snapshot
    }

    /// What is told of a whole session or of a part, from what was told of the last interval.
    fn told(&self, told: &SessionInfo, counted: &Counted) -> SessionInfo {
        let mut told = told.clone();
        let scope = &mut told.session.scope;
        if !self.wanted.pids.is_empty() {
            scope.pids.clone_from(&self.wanted.pids);
            scope.launched.clear();
            scope.children = self.wanted.children;
        }
        let joined = self.wanted.whole && told.session.interval.is_some();
        if joined || self.part.began.is_some() || self.part.ended.is_some() {
            if let Some(opening) = &self.opening {
                told.session.start = opening.told.session.start;
            }
            told.session.interval = None;
            told.session.duration_s = seconds(counted.until_ns.saturating_sub(counted.began_ns));
            told.cost = CostParts::default();
        }
        if self.part.began.is_some() || self.part.ended.is_some() {
            let since = |ns: u64| seconds(ns.saturating_sub(self.origin_ns));
            told.session.part = Some(Part {
                from_s: since(counted.began_ns),
                to_s: since(counted.until_ns),
            });
            if self.part.ended.is_some() {
                (told.session.ended_by, told.session.exit_status) = (None, None);
            }
        }
        told
    }
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}
