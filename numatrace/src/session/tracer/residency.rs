//! Reads where the memory of processes lies, on a thread of its own: the kernel walks page tables
//! for it, and the drain of the ring buffer must not wait for that.
//!
//! The readings of a session take at most a fiftieth of its time ([`SHARE`]), except the first and
//! the last ones, which have limits of their own. A session with a few processes reads often at its
//! start, because many commands are short, and then each second.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use super::{Tracer, boot_ns};
use crate::{
    enrich::{
        facts::resident::{Reader, Reading},
        process::ProcessIndex,
    },
    ids::Pid,
    ingest::input::Input,
    plan::session::Residency,
};

/// The readings of a session may take this part of its time: one in so many.
const SHARE: u32 = 50;
/// Shortest and longest time between two readings.
const OFTEN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);
/// Between two readings goes this part of the session's age.
const AGE: u32 = 4;
/// Longest reading of one process.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest reading where it may take what it takes, and longest wait for the last such ones.
const AT_ANY_COST: Duration = Duration::from_secs(60);
/// Longest wait for the last readings: of named processes, and of the whole machine.
const LAST: Duration = Duration::from_secs(2);
const LAST_OF_ALL: Duration = Duration::from_millis(500);
/// Most processes in one round of readings.
const NAMED: usize = 64;
const OF_ALL: usize = 32;

/// A process to be read: its pid and start in clock ticks, and the time there is for it.
type Request = ((Pid, u64), Duration);

/// Readings under way and those to come.
pub struct Residing {
    plan: Residency,
    /// The processes were named; else the session is about the whole machine.
    named: bool,
    requests: Sender<Request>,
    answers: Receiver<((Pid, u64), Option<Reading>)>,
    /// Processes that are being read.
    waiting: BTreeSet<(Pid, u64)>,
    /// The number of the round in which each process was asked about last.
    asked: BTreeMap<ProcessIndex, u64>,
    round: u64,
    began: Instant,
    next: Instant,
    /// Time that readings took, apart from the first round.
    took: Duration,
}

impl Residing {
    /// Starts the thread; `None` when the plan wants no readings, or there is no `/proc`.
    pub fn start(plan: Residency, named: bool) -> Option<Self> {
        if plan == Residency::Off {
            return None;
        }
        let by_mapping = named || plan == Residency::EachSweep;
        let mut reader = Reader::open(Path::new("/")).ok()?;
        let (requests, received) = channel::<Request>();
        let (answer, answers) = channel();
        std::thread::Builder::new()
            .name("residency".into())
            .spawn(move || {
                while let Ok((process, limit)) = received.recv() {
                    let now = || boot_ns().unwrap_or(0);
                    let reading = reader.read(process, by_mapping, limit, now);
                    if answer.send((process, reading)).is_err() {
                        return;
                    }
                }
            })
            .ok()?;
        let now = Instant::now();
        Some(Self {
            plan,
            named,
            requests,
            answers,
            waiting: BTreeSet::new(),
            asked: BTreeMap::new(),
            round: 0,
            began: now,
            next: now,
            took: Duration::ZERO,
        })
    }

    /// Returns whether it is time for another round of readings.
    fn is_due(&self, now: Instant) -> bool {
        let spent = self.took * SHARE;
        now >= self.next && self.waiting.is_empty() && spent <= now.duration_since(self.began)
    }

    /// Asks for a round of readings of these processes, those first that were asked about longest
    /// ago, then those that come first in the list.
    fn ask(&mut self, now: Instant, processes: Vec<(ProcessIndex, (Pid, u64))>, limit: Duration) {
        let age = now.duration_since(self.began);
        self.next = now + (age / AGE).clamp(if self.named { OFTEN } else { SELDOM }, SELDOM);
        self.round += 1;
        let mut processes = processes;
        // Processes that are idle or have ended are forgotten.
        let listed: BTreeSet<ProcessIndex> = processes.iter().map(|(index, _)| *index).collect();
        self.asked.retain(|index, _| listed.contains(index));
        processes.sort_by_key(|(index, _)| self.asked.get(index).copied().unwrap_or(0));
        processes.truncate(if self.named { NAMED } else { OF_ALL });
        for (index, process) in processes {
            self.asked.insert(index, self.round);
            if self.waiting.insert(process) && self.requests.send((process, limit)).is_err() {
                self.waiting.remove(&process);
            }
        }
    }

    /// Takes the readings that are done; waits for the others up to a deadline, if there is one.
    fn take(&mut self, until: Option<Instant>) -> Vec<Reading> {
        let mut done = Vec::new();
        while !self.waiting.is_empty() {
            let wait = until.map_or(Duration::ZERO, |until| {
                until.saturating_duration_since(Instant::now())
            });
            match self.answers.recv_timeout(wait) {
                Ok((process, reading)) => {
                    self.waiting.remove(&process);
                    if self.round > 1 {
                        let ns = reading.as_ref().map_or(0, |reading| reading.took_ns);
                        self.took += Duration::from_nanos(ns);
                    }
                    done.extend(reading);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => self.waiting.clear(),
            }
        }
        done
    }
}

impl Tracer {
    /// Takes in readings that are done, and asks for others when it is time.
    pub(super) fn read_residency(&mut self) {
        let Some(residing) = &mut self.residing else {
            return;
        };
        let now = Instant::now();
        let done = residing.take(None);
        let each_sweep = residing.plan == Residency::EachSweep;
        let due = residing.is_due(now) || each_sweep && now >= residing.next;
        if due && self.ingest.is_counting() {
            let processes = self.ingest.residents(residing.named);
            let limit = if each_sweep { AT_ANY_COST } else { LONGEST };
            residing.ask(now, processes, limit);
        }
        self.resident(done);
    }

    /// Reads the processes once more, at the end of a session.
    pub(super) fn read_residency_last(&mut self) {
        let Some(residing) = &mut self.residing else {
            return;
        };
        let limit = match (residing.plan, residing.named) {
            (Residency::EachSweep, _) => AT_ANY_COST,
            (_, true) => LAST,
            (_, false) => LAST_OF_ALL,
        };
        let now = Instant::now();
        let mut done = residing.take(Some(now + limit));
        residing.ask(now, self.ingest.residents(residing.named), limit);
        done.extend(residing.take(Some(now + limit)));
        self.resident(done);
    }

    fn resident(&mut self, readings: Vec<Reading>) {
        if !readings.is_empty() {
            self.apply(&Input::Residency(readings), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::facts::{Facts as _, ProcFacts};

    fn myself() -> (Pid, u64) {
        let pid = Pid(std::process::id());
        let identity = ProcFacts::new(Path::new("/")).identity(pid).unwrap();
        (pid, identity.start_ticks)
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(60))
    }

    #[test]
    fn a_session_without_readings_has_no_thread() {
        assert!(Residing::start(Residency::Off, true).is_none());
    }

    #[test]
    fn the_living_are_read_and_who_is_gone_is_not_waited_for() {
        let (me, index) = (myself(), ProcessIndex::of_test);
        let mut residing = Residing::start(Residency::Bounded, true).unwrap();
        let gone = (Pid(u32::MAX - 5), 7);
        let now = Instant::now();
        residing.ask(now, vec![(index(1), gone), (index(2), me)], LONGEST);
        assert!(!residing.is_due(now + SELDOM), "two are being read");
        let read = residing.take(soon());
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].pid, read[0].start_ticks), me);
        assert!(!read[0].own.is_empty() && read[0].gap.is_none());
        assert!(
            !read[0].mappings.is_empty(),
            "named processes have mappings"
        );
        assert!(residing.waiting.is_empty());
    }

    #[test]
    fn who_was_asked_about_longest_ago_comes_first() {
        let (me, index) = (myself(), ProcessIndex::of_test);
        let mut residing = Residing::start(Residency::Bounded, false).unwrap();
        let all: Vec<_> = (0..40).map(|number| (index(number), me)).collect();
        residing.ask(Instant::now(), all.clone(), LONGEST);
        let first: Vec<_> = residing.asked.keys().copied().collect();
        assert_eq!(first.len(), OF_ALL);
        residing.take(soon());
        residing.ask(Instant::now(), all, LONGEST);
        assert_eq!(
            residing.asked.len(),
            40,
            "the other eight, and the rest anew"
        );
    }

    #[test]
    fn readings_take_at_most_their_share_of_the_time() {
        let mut residing = Residing::start(Residency::Bounded, true).unwrap();
        residing.took = Duration::from_millis(10);
        let began = residing.began;
        assert!(!residing.is_due(began + Duration::from_millis(499)));
        assert!(residing.is_due(began + Duration::from_millis(500)));
    }
}
