//! Lines of `numatrace events`: what was heard, with names and the wall clock.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use numatrace_common::count_key::{RemoteCause, TouchKind};

use super::{
    activity::reason,
    values::{millis, name},
};
use crate::{
    decode::{
        count::{AllocKey, ThreadId},
        mapping_run::Area,
    },
    enrich::{
        Charged, Enrich,
        facts::Facts,
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    fold::{Tally, absence::Absence, live::LiveEvent},
    ids::{NodeId, Pid, Tid},
    model::{
        Addr, MappingKind, Name, PolicyMode,
        event::{Event, Filter, Kind, Place},
    },
};

/// Names of threads that are kept between two calls of [`Teller::forget_names`]: looking one up reads `/proc`.
const NAMES: usize = 16_384;

/// Makes lines of what was heard.
#[derive(Debug)]
pub struct Teller {
    /// The wall clock at boot.
    boot: Timestamp,
    filter: Filter,
    migrate_reasons: Vec<String>,
    names: HashMap<(Tid, u64), Name>,
}

impl Teller {
    /// A teller of what passes a filter. `now` and `now_ns` are the same moment on the wall clock and since boot.
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

    /// Names change: they are looked up again from here on.
    pub fn forget_names(&mut self) {
        self.names.clear();
    }

    /// The line of one thing; `None` when nobody wants it.
    pub fn tell<F: Facts>(
        &mut self,
        time_ns: u64,
        heard: &LiveEvent,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        match heard {
            LiveEvent::Alloc(charged, count_key, tally) => {
                self.alloc(time_ns, *charged, count_key, *tally, enrich)
            }
            LiveEvent::Touch(process, run) => {
                let pages = Some(run.pages);
                let mut event = self.begin(
                    Kind::FirstTouch,
                    run.nodes,
                    pages,
                    (time_ns, *process, Some(run.thread)),
                    enrich,
                )?;
                event.reason = most(&run.causes);
                event.mapping = Some(place(
                    enrich,
                    *process,
                    &run.area,
                    run.kind,
                    (run.low, run.high),
                ));
                Some(event)
            }
            LiveEvent::Use(process, run) => {
                let mut event = self.begin(
                    Kind::HintFault,
                    run.nodes,
                    Some(run.faults),
                    (time_ns, *process, Some(run.thread)),
                    enrich,
                )?;
                event.pages = None;
                event.count = Some(run.faults);
                event.migrated = Some(run.migrated);
                event.mapping = Some(place(
                    enrich,
                    *process,
                    &run.area,
                    None,
                    (run.low, run.high),
                ));
                Some(event)
            }
            LiveEvent::TimelineEvent(timeline_event) => self.timeline_event(timeline_event, enrich),
            LiveEvent::Absence(absence) => self.absence(time_ns, absence, enrich),
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
        let (pid, tid, comm) = match charged {
            Charged::Thread {
                process,
                tid,
                start_ns,
            } => {
                let (pid, comm) = self.who(process, Some((tid, start_ns)), enrich);
                (pid, Some(tid), comm)
            }
            Charged::Irq => (Pid(0), None, Name::from("[irq]")),
            Charged::Overflow => (Pid(0), None, Name::from("[overflow]")),
            Charged::Nobody => (Pid(0), None, Name::from("[no owner]")),
            // Somebody asked for some processes: the others are no events.
            Charged::OutOfScope => return None,
        };
        if !self.filter.wants_name(&comm) {
            return None;
        }
        let mut event = blank(self.wall(time_ns), Kind::Alloc, nodes, pid, tid, comm);
        event.reason = cause(count_key);
        event.pages = Some(tally.amount);
        event.count = Some(tally.count);
        event.wanted = count_key
            .preferred
            .filter(|wanted| *wanted != count_key.page_node);
        Some(event)
    }

    fn timeline_event<F: Facts>(
        &mut self,
        timeline_event: &TimelineEvent,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let TimelineEvent {
            time_ns,
            process,
            nodes,
            what,
        } = *timeline_event;
        match what {
            TimelineKind::Move {
                tid,
                start_ns,
                cpus,
                reason: why,
                ..
            } => {
                let thread = ThreadId {
                    pid: Pid(0),
                    tid,
                    start_ns,
                };
                let whose = (time_ns, process, Some(thread));
                let mut event = self.begin(Kind::TaskMove, nodes, None, whose, enrich)?;
                event.reason = Some(reason(why).name().to_owned());
                event.cpus = Some([cpus.0, cpus.1]);
                Some(event)
            }
            TimelineKind::Pages {
                asker,
                reason: why,
                pages,
                ..
            } => {
                let whose = (time_ns, process, None);
                let mut event =
                    self.begin(Kind::PageMigration, nodes, Some(pages), whose, enrich)?;
                let name = self.migrate_reasons.get(usize::from(why));
                event.reason = name.cloned();
                event.moved_by = Some(asker);
                Some(event)
            }
        }
    }

    fn absence<F: Facts>(
        &mut self,
        time_ns: u64,
        absence: &Absence,
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        let (tid, start_ns) = absence.thread;
        let thread = ThreadId {
            pid: Pid(0),
            tid,
            start_ns,
        };
        let whose = (time_ns, absence.process, Some(thread));
        let mut event = self.begin(
            Kind::Incident,
            absence.nodes,
            Some(absence.pages_left),
            whose,
            enrich,
        )?;
        let ended_ns = absence.ended_ns.unwrap_or(time_ns);
        event.reason = Some(reason(absence.reason).name().to_owned());
        event.migrated = Some(absence.pages_followed);
        event.away_ms = Some(millis(ended_ns.saturating_sub(absence.left_ns)));
        event.back = absence.back.map(|why| reason(why).name().to_owned());
        Some(event)
    }

    fn begin<F: Facts>(
        &mut self,
        kind: Kind,
        nodes: (NodeId, NodeId),
        pages: Option<u64>,
        (time_ns, process, thread): (u64, ProcessIndex, Option<ThreadId>),
        enrich: &mut Enrich<F>,
    ) -> Option<Event> {
        if !self.filter.passes(kind, nodes, pages) {
            return None;
        }
        let thread = thread.map(|thread| (thread.tid, thread.start_ns));
        let (pid, comm) = self.who(process, thread, enrich);
        if !self.filter.wants_name(&comm) {
            return None;
        }
        let tid = thread.map(|(tid, _)| tid);
        let mut event = blank(self.wall(time_ns), kind, nodes, pid, tid, comm);
        event.pages = pages;
        Some(event)
    }

    /// Number and name of a thread of a process, or of the process.
    fn who<F: Facts>(
        &mut self,
        process: ProcessIndex,
        thread: Option<(Tid, u64)>,
        enrich: &mut Enrich<F>,
    ) -> (Pid, Name) {
        let known = enrich.processes.get(process);
        let pid = known.pid;
        // The first thread's name is its process's, and no thread of a process that ended can be looked up.
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

    fn wall(&self, time_ns: u64) -> Timestamp {
        self.boot
            .checked_add(Duration::from_nanos(time_ns))
            .unwrap_or(self.boot)
    }
}

fn blank(
    time: Timestamp,
    kind: Kind,
    (from, to): (NodeId, NodeId),
    pid: Pid,
    tid: Option<Tid>,
    comm: Name,
) -> Event {
    Event {
        time,
        kind,
        from,
        to,
        pid,
        tid,
        comm,
        reason: None,
        pages: None,
        count: None,
        migrated: None,
        wanted: None,
        cpus: None,
        mapping: None,
        moved_by: None,
        away_ms: None,
        back: None,
    }
}

/// Why allocations were remote or missed, as the report's `remote_by_cause` names it; a policy with its mode.
fn cause(count_key: &AllocKey) -> Option<String> {
    match count_key.cause? {
        RemoteCause::Policy => {
            let mode = PolicyMode::of(count_key.policy_mode).in_words();
            Some(format!("policy: {mode}"))
        }
        cause => cause_name(cause).map(str::to_owned),
    }
}

/// The cause of most of the pages that have one.
fn most(causes: &[u32]) -> Option<String> {
    let known = RemoteCause::ALL.into_iter().zip(causes);
    let named = known.filter_map(|(cause, pages)| Some((cause_name(cause)?, *pages)));
    let (name, _) = named
        .filter(|(_, pages)| *pages > 0)
        .max_by_key(|(_, pages)| *pages)?;
    Some(name.to_owned())
}

/// What the hook cannot tell is not known, and has no name.
fn cause_name(cause: RemoteCause) -> Option<&'static str> {
    match cause {
        RemoteCause::None | RemoteCause::Unknown => None,
        RemoteCause::Policy => Some("policy"),
        RemoteCause::Fallback => Some("fallback"),
        RemoteCause::Cpuset => Some("cpuset"),
        RemoteCause::Memoryless => Some("memoryless"),
        RemoteCause::KernelNode => Some("kernel_node"),
        RemoteCause::TaskMoved => Some("task_moved"),
    }
}

fn place<F>(
    enrich: &Enrich<F>,
    process: ProcessIndex,
    area: &Area,
    kind: Option<TouchKind>,
    (low, high): (u64, u64),
) -> Place {
    let line = enrich.spaces.line(process, low);
    let by_file = area.file.and_then(|file| enrich.spaces.file(file));
    let name = by_file
        .or_else(|| line.map(|line| &line.name))
        .filter(|name| !name.is_empty());
    let kind = kind.map(|kind| match kind {
        TouchKind::Anon => MappingKind::Anon,
        TouchKind::Heap => MappingKind::Heap,
        TouchKind::Stack => MappingKind::Stack,
        TouchKind::File => MappingKind::File,
        TouchKind::Shmem => MappingKind::Shmem,
        TouchKind::Hugetlb => MappingKind::Hugetlb,
    });
    Place {
        kind,
        name: name.cloned(),
        low: Addr(low),
        high: Addr(high),
    }
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
        ids::CpuId,
    };

    /// Nobody can be looked up.
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

    fn teller(filter: Filter) -> Teller {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let reasons = vec!["compaction".into(), "numa_misplaced".into()];
        Teller::new(filter, reasons, now, 5_000_000_000)
    }

    #[test]
    fn a_move_of_pages_is_told_by_the_wall_clock_with_its_reason_and_owner() {
        let (mut enrich, process) = enriched();
        let heard = LiveEvent::TimelineEvent(TimelineEvent {
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
        let told = teller(Filter::default())
            .tell(4_000_000_000, &heard, &mut enrich)
            .unwrap();
        assert_eq!(told.time.to_string(), "2026-01-02T03:04:04Z");
        assert_eq!((told.pid, told.tid, told.pages), (Pid(7), None, Some(512)));
        assert_eq!(told.reason.as_deref(), Some("numa_misplaced"));
        assert_eq!(told.moved_by, Some(Pid(9)));
        assert_eq!(told.comm, Name::from("app"));
    }

    #[test]
    fn what_a_filter_keeps_out_is_not_told() {
        let (mut enrich, process) = enriched();
        let heard = LiveEvent::TimelineEvent(TimelineEvent {
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
        let mut told = |filter| teller(filter).tell(1, &heard, &mut enrich);
        let named = |name: &str| Filter {
            comms: vec![name.to_owned()],
            ..Filter::default()
        };
        assert!(told(named("app")).is_some());
        assert!(told(named("ap")).is_none());
        assert!(
            told(Filter {
                kinds: vec![Kind::Alloc],
                ..Filter::default()
            })
            .is_none()
        );
    }
}
