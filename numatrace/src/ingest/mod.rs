//! Takes in the input of a session, from the live kernel or from a recording.
//!
//! The tracer and the replay of a recording both feed an [`Ingest`], so equal input gives equal
//! counts. Facts about the machine come through [`Facts`]; nothing here reads a clock, a file or a
//! map.

pub mod base;
mod closing;
pub mod economy;
mod ended;
mod failures;
pub mod input;
mod live;
mod runs;
mod withdrawn;

use crate::{
    capture::{
        RawRecord,
        boundary::{BoundaryReading, Grown},
        totals::Sweep,
    },
    decode::{
        count::decode_count,
        decode,
        event::{Body, Event},
    },
    enrich::{BATCH, Enrich, Observation, facts::Facts},
    fold::{
        Folding,
        busy::Busy,
        counted::Counted,
        failures::Failures,
        live::{Live, LiveEvent},
        mapping::Mappings,
        timeline::Timeline,
        window::Boundary,
    },
};
use input::Input;

/// Reason for an unavailable audit when `vm.numa_stat` is 0, with the remedy.
pub const NOT_COUNTING: &str =
    "vm.numa_stat is 0: the kernel does not count (sysctl vm.numa_stat=1 switches it on)";

/// State of a session.
pub struct Ingest<F> {
    /// Processes, their mappings, and facts about the machine.
    pub enrich: Enrich<F>,
    mappings: Mappings,
    timeline: Timeline,
    failures: Failures,
    folding: Option<Folding>,
    /// Growing counts at the last boundary.
    before: AtBoundary,
    /// Records and counts that could not be decoded.
    rejected: u64,
    /// A sweep did not settle: its maps changed while they were read.
    unsettled: bool,
    /// Start of the session or interval, ns since boot.
    began_ns: u64,
    /// Events and absences of a session that is shown while it runs; `None` for one that only
    /// reports.
    pub live: Option<Live>,
    /// CPU time of processes lately; `None` in a session that reads no memory.
    pub busy: Option<Busy>,
    /// Time of the next counts, ns since boot.
    pub now_ns: u64,
    /// Counts closed at a boundary, until the last records have arrived.
    closed: Option<Counted>,
    /// Most ended processes, and most ended threads, with rows of their own; `None`: all of them.
    pub keep_processes: Option<usize>,
}

/// Counts that grow from the start of the session, as read at a boundary.
#[derive(Clone, Debug, Default)]
struct AtBoundary {
    grown: Grown,
    rejected: u64,
    mapping_records_lost: u64,
}

impl<F: Facts> Ingest<F> {
    /// Begins a session with every process that is alive.
    pub fn new(facts: F) -> Self {
        Self {
            enrich: Enrich::new(facts),
            mappings: Mappings::default(),
            timeline: Timeline::default(),
            failures: Failures::default(),
            folding: None,
            before: AtBoundary::default(),
            rejected: 0,
            unsettled: false,
            began_ns: 0,
            live: None,
            busy: None,
            now_ns: 0,
            closed: None,
            keep_processes: None,
        }
    }

    /// Takes in one record of the ring buffer. Returns its event; `None` when it could not be
    /// decoded, or was streamed already.
    pub fn record(&mut self, raw: RawRecord<'_>) -> Option<Event> {
        let Ok(mut event) = decode(raw) else {
            self.rejected = self.rejected.saturating_add(1);
            return None;
        };
        let Self {
            live,
            enrich,
            mappings,
            timeline,
            failures,
            ..
        } = self;
        if let Some(live) = live
            && !live.take_off_reported(&mut event)
        {
            return None;
        }
        if let Body::TaskExit(exit) = &event.body {
            timeline.exited((exit.tid, exit.start_ns), event.time_ns);
        }
        let live_event = failures::apply(&event, enrich, failures)
            .or_else(|| runs::apply(&event, enrich, mappings));
        if let Some(LiveEvent::TimelineEvent(timeline_event)) = live_event {
            timeline.apply(timeline_event);
        }
        if let Some((live, live_event)) = live.as_mut().zip(live_event) {
            live.apply(event.time_ns, live_event);
        }
        Some(event)
    }

    /// Counts input that could not be decoded.
    pub fn reject(&mut self) {
        self.rejected = self.rejected.saturating_add(1);
    }

    /// Takes in other input than records.
    pub fn apply(&mut self, input: &Input) {
        match input {
            Input::Time(now_ns) => self.now_ns = *now_ns,
            Input::Sweep(sweep) => self.sweep(sweep),
            Input::MappingRecords(made, rejected) => {
                self.rejected = self.rejected.saturating_add(*rejected);
                for mapping in made {
                    self.enrich.pending_mappings.push(mapping.clone());
                }
            }
            Input::AssignMappings => self.enrich.assign_mappings(),
            Input::Residency(readings) => self.resident(readings),
            Input::Begin(reading, counts) => self.begin(reading, counts),
            Input::Boundary(reading, counts) => self.boundary(reading, counts),
            Input::OpenRuns(open) => {
                self.open_runs(open);
                self.note_threads();
            }
        }
    }

    /// Returns the counts up to the last boundary; `None` when there was none since the last call,
    /// or the session never began.
    pub fn counted(&mut self) -> Option<Counted> {
        if self.closed.is_some() && self.folding.is_none() {
            self.fold_ended(true);
        }
        let closed = self.closed.take()?;
        Some(Counted {
            mappings: std::mem::take(&mut self.mappings),
            timeline: std::mem::take(&mut self.timeline),
            failures: std::mem::take(&mut self.failures),
            folded: self.enrich.processes.folded(),
            ..closed
        })
    }

    /// Returns whether new mappings wait to be attributed to their processes.
    pub fn has_pending_mappings(&self) -> bool {
        !self.enrich.pending_mappings.is_empty()
    }

    /// Returns whether the session has begun and not ended.
    pub fn is_counting(&self) -> bool {
        self.folding.is_some()
    }

    /// Returns whether counts were closed at a boundary and not yet returned.
    pub fn is_closing(&self) -> bool {
        self.closed.is_some()
    }

    /// Returns the start of the session or interval, ns since boot.
    pub fn began_ns(&self) -> u64 {
        self.began_ns
    }

    /// Begins the next interval; called once the report of the last one is made.
    pub fn next_interval(&mut self, until_ns: u64) {
        self.enrich.next_interval(until_ns);
    }

    fn sweep(&mut self, sweep: &Sweep) {
        let seen = self.observe(sweep);
        self.read_free_memory(&seen);
        if let Some(folding) = &mut self.folding {
            folding.apply_all(&seen);
            folding.inside.faults.close(self.now_ns);
        }
        self.enrich.processes.swept();
        self.fold_ended(false);
    }

    fn begin(&mut self, reading: &BoundaryReading, boundary_counts: &Sweep) {
        let (boundary, at_boundary) = self.choose(reading, boundary_counts);
        // Memory touched while hooks were being attached is not part of the session.
        self.mappings = Mappings::default();
        self.timeline = Timeline::default();
        self.failures = Failures::default();
        self.before = self.grown_counts(&reading.grown);
        self.began_ns = reading.at_ns;
        self.folding = Some(Folding::begin(boundary, &at_boundary));
    }

    /// Decodes counts and finds their owners.
    fn observe(&mut self, sweep: &Sweep) -> Vec<Observation> {
        let mut seen = Vec::with_capacity(sweep.counts.len());
        let mut counts = Vec::with_capacity(BATCH);
        for batch in sweep.counts.chunks(BATCH) {
            for (epoch, key, value) in batch {
                match decode_count(*epoch, key, value) {
                    Ok(count) => counts.push(count),
                    Err(_) => self.rejected = self.rejected.saturating_add(1),
                }
            }
            self.enrich.counts(&counts, &mut seen);
            counts.clear();
        }
        withdrawn::settle(&mut seen);
        self.timeline.sweep(self.now_ns, &seen);
        if let Some(live) = &mut self.live {
            live.sweep(self.now_ns, &seen);
        }
        if let Some(busy) = &mut self.busy {
            busy.sweep(&seen);
        }
        seen
    }

    /// Chooses the boundary among several readings of the kernel's counters; also returns the
    /// counts of the epochs around it.
    fn choose(
        &mut self,
        reading: &BoundaryReading,
        boundary_counts: &Sweep,
    ) -> (Boundary, Vec<Observation>) {
        // Counts that any other sweep leaves out are in the next one.
        self.unsettled |= !boundary_counts.consistent;
        let counts = self.observe(boundary_counts);
        let boundary = Boundary::choose(&reading.rounds, reading.system, &counts);
        (boundary, counts)
    }

    fn grown_counts(&self, grown: &Grown) -> AtBoundary {
        AtBoundary {
            grown: grown.clone(),
            rejected: self.rejected.saturating_add(grown.mapping_records_rejected),
            mapping_records_lost: grown
                .mapping_records_lost
                .saturating_add(self.enrich.pending_mappings.no_room),
        }
    }
}
