//! What a session takes in, whoever gives it: the live kernel, or a recording of it.
//!
//! The tracer and the replay of a recording both end here, so what they make of the same input is the same. Everything that is asked of the machine
//! meanwhile goes through [`Facts`]; nothing in here reads a clock, a file or a map.

pub mod base;
mod closing;
pub mod input;
mod live;
mod runs;
pub mod session_info;

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
        counted::Counted,
        live::{Live, LiveEvent},
        mapping::Mappings,
        timeline::Timeline,
        window::Boundary,
    },
};
use input::Input;

/// What `vm.numa_stat=0` means, and the way out.
pub const NOT_COUNTING: &str =
    "vm.numa_stat is 0: the kernel does not count (sysctl vm.numa_stat=1 switches it on)";

/// A session as far as it was taken in.
pub struct Ingest<F> {
    /// Processes and facts.
    pub enrich: Enrich<F>,
    mappings: Mappings,
    timeline: Timeline,
    folding: Option<Folding>,
    before: SoFar,
    rejected: u64,
    unsettled: bool,
    /// When the session or interval began, ns since boot.
    began_ns: u64,
    /// What is kept beside sums for who watches while it goes on.
    pub live: Option<Live>,
    /// When what comes next was counted, ns since boot.
    pub now_ns: u64,
    /// Counts that are closed, while the last records are still to come.
    closed: Option<Counted>,
}

/// What grows from the start of the session, as it stood at a cut.
#[derive(Clone, Debug, Default)]
struct SoFar {
    grown: Grown,
    rejected: u64,
    mapping_records_lost: u64,
}

impl<F: Facts> Ingest<F> {
    /// Begins with every process that is alive.
    pub fn new(facts: F) -> Self {
        Self {
            enrich: Enrich::new(facts),
            mappings: Mappings::default(),
            timeline: Timeline::default(),
            folding: None,
            before: SoFar::default(),
            rejected: 0,
            unsettled: false,
            began_ns: 0,
            live: None,
            now_ns: 0,
            closed: None,
        }
    }

    /// Takes in one record of the ring; what it says comes back.
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
        let told = runs::take_in(&event, enrich, mappings);
        if let Some(LiveEvent::TimelineEvent(timeline_event)) = told {
            timeline.apply(timeline_event);
        }
        if let Some((live, told)) = live.as_mut().zip(told) {
            live.apply(event.time_ns, told);
        }
        Some(event)
    }

    /// Takes in something that could not be read at all.
    pub fn reject(&mut self) {
        self.rejected = self.rejected.saturating_add(1);
    }

    /// Takes in what is no record.
    pub fn take(&mut self, input: &Input) {
        match input {
            Input::Time(now_ns) => self.now_ns = *now_ns,
            Input::Sweep(sweep) => self.sweep(sweep),
            Input::Made(made, senseless) => {
                self.rejected = self.rejected.saturating_add(*senseless);
                for mapping in made {
                    self.enrich.told.made(mapping.clone());
                }
            }
            Input::Settle => self.enrich.settle(),
            Input::Residency => self.look_at_residency(),
            Input::Begin(reading, edge) => self.begin(reading, edge),
            Input::Boundary(reading, edge) => self.cut(reading, edge),
            Input::OpenRuns(open) => {
                self.open_runs(open);
                self.note_threads();
            }
        }
    }

    /// What was counted up to the last cut. `None` when there was none since this was asked last, or the session never began.
    pub fn counted(&mut self) -> Option<Counted> {
        let closed = self.closed.take()?;
        Some(Counted {
            mappings: std::mem::take(&mut self.mappings),
            timeline: std::mem::take(&mut self.timeline),
            ..closed
        })
    }

    /// Does it wait to be known whose mappings are that the kernel told of?
    pub fn is_waiting(&self) -> bool {
        self.enrich.told.waits()
    }

    /// Has the session begun, and not ended?
    pub fn is_counting(&self) -> bool {
        self.folding.is_some()
    }

    /// Were counts closed at a cut, and not yet asked for?
    pub fn is_closing(&self) -> bool {
        self.closed.is_some()
    }

    /// When the session or interval began, ns since boot.
    pub fn began_ns(&self) -> u64 {
        self.began_ns
    }

    /// Begins another interval once the report of the last one is made.
    pub fn next_interval(&mut self, until_ns: u64) {
        self.enrich.next_interval(until_ns);
    }

    fn sweep(&mut self, sweep: &Sweep) {
        let seen = self.observe(sweep);
        if let Some(folding) = &mut self.folding {
            folding.apply_all(&seen);
            folding.inside.faults.close(self.now_ns);
        }
    }

    fn begin(&mut self, reading: &BoundaryReading, edge: &Sweep) {
        let (cut, edge) = self.choose(reading, edge);
        // What was touched while we attached is not the session's.
        self.mappings = Mappings::default();
        self.timeline = Timeline::default();
        self.before = self.so_far(&reading.grown);
        self.began_ns = reading.at_ns;
        self.folding = Some(Folding::begin(cut, &edge));
    }

    /// Decodes counts and finds owners.
    fn observe(&mut self, sweep: &Sweep) -> Vec<Observation> {
        self.unsettled |= !sweep.consistent;
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
        self.timeline.sweep(self.now_ns, &seen);
        if let Some(live) = &mut self.live {
            live.sweep(self.now_ns, &seen);
        }
        seen
    }

    fn choose(&mut self, reading: &BoundaryReading, edge: &Sweep) -> (Boundary, Vec<Observation>) {
        let edge = self.observe(edge);
        (
            Boundary::choose(&reading.rounds, reading.system, &edge),
            edge,
        )
    }

    fn so_far(&self, grown: &Grown) -> SoFar {
        SoFar {
            grown: grown.clone(),
            rejected: self.rejected.saturating_add(grown.mapping_records_rejected),
            mapping_records_lost: grown
                .mapping_records_lost
                .saturating_add(self.enrich.told.no_room),
        }
    }
}
