//! Lines of `numatrace events`: live events with names and the wall clock.

mod cause;
mod failure;
mod place;

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::{
    activity::reason,
    values::{millis, name},
};
use crate::{
    decode::{
        count::{AllocKey, ThreadId},
        mapping_run::{TouchRun, UseRun},
    },
    enrich::{
        Charged, Enrich,
        facts::Facts,
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    fold::{Tally, absence::Absence, area::Thread, live::LiveEvent},
    ids::{NodeId, Pid},
    model::{
        Name,
        event::{Event, Filter, Kind},
    },
};
use cause::{cause, main_cause};
use place::place;

/// Most names of threads that are kept between two calls of [`EventLines::forget_names`]: looking
/// one up reads `/proc`.
const NAMES: usize = 16_384;

/// Makes lines of live events.
#[derive(Debug)]
pub struct EventLines {
    /// The wall clock at boot.
    boot: Timestamp,
    filter: Filter,
    migrate_reasons: Vec<String>,
    names: HashMap<Thread, Name>,
}

/// The time (ns since boot), the process and the thread of an event.
type Subject = (u64, ProcessIndex, Option<Thread>);

impl EventLines {
    /// Makes lines of events that pass a filter. `migrate_reasons` are the kernel's names of
    /// reasons for page migrations, by number. `now` and `now_ns` are one moment on the wall clock
    /// and since boot.
    pub fn new(filter: Filter, migrate_reasons: Vec<String>, now: Timestamp, now_ns: u64) -> Self {
        let boot = now
            .checked_sub(Duration::from_nanos(now_ns))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            boot,
            filter,
            migrate_reasons,
            names: HashMap::new(),
        }
    }

    /// Forgets all names: threads change theirs, so they are looked up again from here on.
    pub fn forget_names(&mut self) {
        self.names.clear();
    }

    /// Returns the line of an event; `None` when the filter does not pass it. `time_ns` is when it
    /// happened, ns since boot.
    pub fn line<F: Facts>(
        &mut self,
        time_ns: u64,
        event: &LiveEvent,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        match event {
            LiveEvent::Alloc(charged, count_key, tally) => {
                self.alloc(time_ns, *charged, count_key, *tally, enrich)
            }
            LiveEvent::Touch(process, run) => self.touch(time_ns, *process, run, enrich),
            LiveEvent::Use(process, run) => self.hint_fault(time_ns, *process, run, enrich),
            LiveEvent::TimelineEvent(event) => match event.what {
                TimelineKind::Move { .. } => self.task_move(event, enrich),
                TimelineKind::Pages { .. } => self.page_migration(event, enrich),
            },
            LiveEvent::Absence(absence) => self.absence(time_ns, absence, enrich),
            LiveEvent::Failure(failure) => self.failure(time_ns, failure, enrich),
            LiveEvent::Reclaim(charged, key, tally) => {
                self.reclaim(time_ns, *charged, key, *tally, enrich)
            }
        }
    }

    fn alloc<F: Facts>(
        &mut self,
        time_ns: u64,
        charged: Charged,
        count_key: &AllocKey,
        tally: Tally,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let nodes = (count_key.task_node, count_key.page_node);
        if !self.filter.passes(Kind::Alloc, nodes, Some(tally.amount)) {
            return None;
        }
        let bucket = |name: &str| (Pid(0), None, Name::from(name));
        let (pid, tid, comm) = match charged {
            Charged::Thread {
                process,
                tid,
                start_ns,
            } => {
                let (pid, comm) = self.names(process, Some((tid, start_ns)), enrich);
                (pid, Some(tid), comm)
            }
            Charged::Irq => bucket("[irq]"),
            Charged::Overflow => bucket("[overflow]"),
            Charged::Nobody => bucket("[no owner]"),
            // The session is about some processes: the others make no events.
            Charged::OutOfScope => return None,
        };
        if !self.filter.wants_name(&comm) {
            return None;
        }
        let mut event = Event::new(self.wall(time_ns), Kind::Alloc, nodes, pid, tid, comm);
        event.reason = cause(count_key);
        event.pages = Some(tally.amount);
        event.count = Some(tally.count);
        event.wanted = count_key
            .preferred
            .filter(|wanted| *wanted != count_key.page_node);
        Some(event)
    }

    fn touch<F: Facts>(
        &mut self,
        time_ns: u64,
        process: ProcessIndex,
        run: &TouchRun,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        // Of the owner of the memory no thread did it.
        let own = run.toucher.is_none().then(|| thread(run.thread));
        let subject = (time_ns, process, own);
        let pages = Some(run.pages);
        let mut event = self.begin(Kind::FirstTouch, run.nodes, pages, subject, enrich)?;
        event.reason = main_cause(&run.causes);
        event.touched_by = run.toucher;
        let range = (run.low, run.high);
        event.mapping = Some(place(enrich, process, &run.area, run.kind, range));
        Some(event)
    }

    fn hint_fault<F: Facts>(
        &mut self,
        time_ns: u64,
        process: ProcessIndex,
        run: &UseRun,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let subject = (time_ns, process, Some(thread(run.thread)));
        let faults = Some(run.faults);
        let mut event = self.begin(Kind::HintFault, run.nodes, faults, subject, enrich)?;
        event.pages = None;
        event.count = faults;
        event.migrated = Some(run.migrated);
        let range = (run.low, run.high);
        event.mapping = Some(place(enrich, process, &run.area, None, range));
        Some(event)
    }

    fn task_move<F: Facts>(
        &mut self,
        event: &TimelineEvent,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let TimelineKind::Move {
            tid,
            start_ns,
            cpus,
            reason: why,
            ..
        } = event.what
        else {
            return None;
        };
        let subject = (event.time_ns, event.process, Some((tid, start_ns)));
        let mut line = self.begin(Kind::TaskMove, event.nodes, None, subject, enrich)?;
        line.reason = Some(reason(why).name().to_owned());
        line.cpus = Some([cpus.0, cpus.1]);
        Some(line)
    }

    fn page_migration<F: Facts>(
        &mut self,
        event: &TimelineEvent,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let TimelineKind::Pages {
            asker,
            reason: why,
            pages,
            ..
        } = event.what
        else {
            return None;
        };
        let subject = (event.time_ns, event.process, None);
        let kind = Kind::PageMigration;
        let mut line = self.begin(kind, event.nodes, Some(pages), subject, enrich)?;
        line.reason = self.migrate_reasons.get(usize::from(why)).cloned();
        line.moved_by = Some(asker);
        Some(line)
    }

    fn absence<F: Facts>(
        &mut self,
        time_ns: u64,
        absence: &Absence,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let subject = (time_ns, absence.process, Some(absence.thread));
        let pages = Some(absence.pages_left);
        let mut event = self.begin(Kind::Incident, absence.nodes, pages, subject, enrich)?;
        let ended_ns = absence.ended_ns.unwrap_or(time_ns);
        event.reason = Some(reason(absence.reason).name().to_owned());
        event.migrated = Some(absence.pages_followed);
        event.away_ms = Some(millis(ended_ns.saturating_sub(absence.left_ns)));
        event.back = absence.back.map(|why| reason(why).name().to_owned());
        Some(event)
    }

    /// Begins the line of an event that the filter passes.
    fn begin<F: Facts>(
        &mut self,
        kind: Kind,
        nodes: (NodeId, NodeId),
        pages: Option<u64>,
        (time_ns, process, thread): Subject,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        if !self.filter.passes(kind, nodes, pages) {
            return None;
        }
        let (pid, comm) = self.names(process, thread, enrich);
        if !self.filter.wants_name(&comm) {
            return None;
        }
        let tid = thread.map(|(tid, _)| tid);
        let mut event = Event::new(self.wall(time_ns), kind, nodes, pid, tid, comm);
        event.pages = pages;
        Some(event)
    }

    /// Returns the number of a process and the name of its thread, or its own without one.
    fn names<F: Facts>(
        &mut self,
        process: ProcessIndex,
        thread: Option<Thread>,
        enrich: &mut Enrich<F>,
    ) -> (Pid, Name) {
        let known = enrich.processes.get(process);
        let pid = known.pid;
        // The first thread has the name of its process, and threads of a process that ended cannot
        // be looked up.
        let thread = thread.filter(|(tid, _)| tid.0 != pid.0 && !known.ended);
        let process_name = name(known.comm.as_ref());
        let Some((tid, start_ns)) = thread else {
            return (pid, process_name);
        };
        if let Some(name) = self.names.get(&(tid, start_ns)) {
            return (pid, name.clone());
        }
        let name = enrich
            .processes
            .thread_name(process, tid, start_ns, &mut enrich.facts)
            .unwrap_or(process_name);
        if self.names.len() < NAMES {
            self.names.insert((tid, start_ns), name.clone());
        }
        (pid, name)
    }

    /// Returns whether an event of such a kind, between these nodes and of this name, is wanted.
    fn wants(&self, kind: Kind, nodes: (NodeId, NodeId), comm: &Name) -> bool {
        self.filter.passes(kind, nodes, None) && self.filter.wants_name(comm)
    }

    fn wall(&self, time_ns: u64) -> Timestamp {
        self.boot
            .checked_add(Duration::from_nanos(time_ns))
            .unwrap_or(self.boot)
    }
}

fn thread(id: ThreadId) -> Thread {
    (id.tid, id.start_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{count::MoveReason, event::TaskFork},
        enrich::{
            facts, pending_mappings::PendingMappings, process::Processes, residency::Residency,
            spaces::Spaces,
        },
        ids::{CpuId, Tid},
    };

    /// No process can be looked up.
    struct Gone;

    impl Facts for Gone {
        fn identity(&mut self, _pid: Pid) -> Option<facts::Identity> {
            None
        }
        fn details(&mut self, _pid: Pid) -> facts::Details {
            facts::Details::default()
        }
        fn thread(&mut self, _pid: Pid, _tid: Tid) -> Option<facts::Identity> {
            None
        }
        fn pids(&mut self) -> Vec<Pid> {
            Vec::new()
        }
        fn maps(&mut self, _pid: Pid) -> Option<Vec<crate::enrich::maps::MapLine>> {
            None
        }
    }

    fn enriched() -> (Enrich<Gone>, ProcessIndex) {
        let mut processes = Processes::default();
        processes.forked(&TaskFork {
            pid: Pid(7),
            start_ns: 5,
            parent: Pid(1),
            kthread: false,
            comm: Name::from("app"),
        });
        let index = processes.announced(u64::MAX).next().unwrap();
        let enrich = Enrich {
            processes,
            spaces: Spaces::default(),
            pending_mappings: PendingMappings::default(),
            residency: Residency::default(),
            facts: Gone,
        };
        (enrich, index)
    }

    fn lines(filter: Filter) -> EventLines {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let reasons = vec!["compaction".into(), "numa_misplaced".into()];
        EventLines::new(filter, reasons, now, 5_000_000_000)
    }

    #[test]
    fn a_page_migration_has_the_wall_clock_with_its_reason_and_owner() {
        let (mut enrich, process) = enriched();
        let event = LiveEvent::TimelineEvent(TimelineEvent {
            time_ns: 4_000_000_000,
            process,
            nodes: (NodeId(0), NodeId(1)),
            what: TimelineKind::Pages {
                asker: Pid(9),
                reason: 1,
                pages: 512,
                until_ns: 4_000_000_000,
            },
        });
        let line = lines(Filter::default())
            .line(4_000_000_000, &event, &mut enrich)
            .unwrap();
        assert_eq!(line.time.to_string(), "2026-01-02T03:04:04Z");
        assert_eq!((line.pid, line.tid, line.pages), (Pid(7), None, Some(512)));
        assert_eq!(line.reason.as_deref(), Some("numa_misplaced"));
        assert_eq!(line.moved_by, Some(Pid(9)));
        assert_eq!(line.comm, Name::from("app"));
    }

    #[test]
    fn memory_that_a_different_process_touched_is_its_owner_s_and_no_thread_s() {
        let (mut enrich, process) = enriched();
        let mut line = |toucher| {
            let run = TouchRun {
                toucher,
                ..TouchRun::example(0x7000, 4, NodeId(1))
            };
            let event = LiveEvent::Touch(process, run);
            let line = lines(Filter::default()).line(1, &event, &mut enrich);
            let line = line.unwrap();
            (line.pid, line.tid, line.touched_by)
        };
        assert_eq!(line(Some(Pid(9))), (Pid(7), None, Some(Pid(9))));
        assert_eq!(line(None), (Pid(7), Some(Tid(7)), None));
    }

    #[test]
    fn what_a_filter_keeps_out_is_not_line() {
        let (mut enrich, process) = enriched();
        let event = LiveEvent::TimelineEvent(TimelineEvent {
            time_ns: 1,
            process,
            nodes: (NodeId(0), NodeId(1)),
            what: TimelineKind::Move {
                ran_ns: 0,
                far_faults: 0,
                tid: Tid(7),
                start_ns: 5,
                cpus: (CpuId(0), CpuId(2)),
                reason: MoveReason::Wakeup,
            },
        });
        let mut line = |filter| lines(filter).line(1, &event, &mut enrich);
        let named = |name: &str| Filter {
            comms: vec![name.to_owned()],
            ..Filter::default()
        };
        assert!(line(named("app")).is_some());
        assert!(line(named("ap")).is_none());
        assert!(
            line(Filter {
                kinds: vec![Kind::Alloc],
                ..Filter::default()
            })
            .is_none()
        );
    }
}
