//! Programs that place themselves: their calls come after whatever they were started with, and win.

use super::place::Place;
use super::{Fix, FixKind, is_launched, prefix};
use crate::ids::Tid;
use crate::model::finding::{away, memory, words};
use crate::model::matrix::share;
use crate::model::{Bind, BindWhat, Host, Process, Snapshot, Thread, number};

/// Time after the start of a process within which a bind may be that of the numactl or taskset it
/// was started with, ns, where nobody saw it begin its program. One in a launched command is known.
const STARTING: u64 = 100_000_000;

/// Share of a thread's CPU time on a place from which its own bind is not in the way of the place.
const THERE: f64 = 0.5;

/// Share of the process's memory that its calls for ranges cover, from which options at the start
/// of the program decide too little.
const COVERED: f64 = 0.5;

/// Calls by which a program placed itself in the session, the first of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnBinds<'a> {
    /// CPUs of a thread.
    pub cpus: Option<(Tid, &'a Bind)>,
    /// Memory policy of a thread.
    pub memory: Option<(Tid, &'a Bind)>,
    /// Memory policy of a range.
    pub range: Option<(Tid, &'a Bind)>,
}

impl<'a> OwnBinds<'a> {
    /// Returns the calls of a process, without those of a numactl or taskset that became it.
    pub fn of(snapshot: &Snapshot, process: &'a Process) -> Self {
        Self::of_threads(snapshot, process, |_| true)
    }

    /// Returns the calls that keep a process from a place when it is started there.
    pub fn against(snapshot: &Snapshot, process: &'a Process, place: &Place) -> Self {
        let mut own = Self::of_threads(snapshot, process, |thread| !is_on(thread, &place.cpus));
        if place.cpus.is_empty() {
            own.cpus = None;
        }
        if place.memory.is_none() {
            (own.memory, own.range) = (None, None);
        }
        if !covers(&snapshot.host, process) {
            own.range = None;
        }
        own
    }

    /// Returns the calls, those for CPUs of the chosen threads only.
    fn of_threads(
        snapshot: &Snapshot,
        process: &'a Process,
        has_cpus: impl Fn(&Thread) -> bool,
    ) -> Self {
        let launched = is_launched(snapshot, process);
        let split = launched.then(|| prefix::split(&snapshot.session.scope.launched));
        let (mut cpus, mut memory) = match split.flatten() {
            Some((prefix, _)) => (!prefix.cpus.is_empty(), !prefix.memory.is_empty()),
            None => (false, false),
        };
        let mut own = Self::default();
        // Calls of before it ran this program are those of a numactl, a taskset or a shell.
        let began = process.exec_ns.unwrap_or(0);
        let is_known = process.exec_ns.is_some();
        for thread in &process.threads {
            let is_main = thread.tid.0 == process.pid.0 && !is_known;
            for bind in thread.binds.iter().filter(|bind| bind.time_ns >= began) {
                let unsure = is_main && !launched && bind.after_ns < STARTING;
                let (place, starts) = match bind.what {
                    BindWhat::Affinity => (&mut own.cpus, &mut cpus),
                    BindWhat::MemoryPolicy => (&mut own.memory, &mut memory),
                    // Ranges do not outlive an exec: this one is the program's.
                    BindWhat::RangePolicy => {
                        keep_first(&mut own.range, thread.tid, bind);
                        continue;
                    }
                    BindWhat::CpusetCpus | BindWhat::CpusetMems => continue,
                };
                if unsure || is_main && std::mem::take(starts) {
                    continue;
                }
                if bind.what != BindWhat::Affinity || has_cpus(thread) {
                    keep_first(place, thread.tid, bind);
                }
            }
        }
        own
    }

    /// Returns whether there is no such call.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Returns the calls without those for CPUs.
    #[must_use]
    pub fn of_memory(mut self) -> Self {
        self.cpus = None;
        self
    }

    /// Returns the calls there are.
    fn all(&self) -> impl Iterator<Item = (Tid, &'a Bind)> {
        [self.cpus, self.memory, self.range].into_iter().flatten()
    }
}

/// Keeps the call that came first, whichever thread it is of.
fn keep_first<'a>(place: &mut Option<(Tid, &'a Bind)>, tid: Tid, bind: &'a Bind) {
    if place.is_none_or(|(_, first)| bind.time_ns < first.time_ns) {
        *place = Some((tid, bind));
    }
}

/// Returns whether a thread ran mostly on the CPUs of these nodes: its bind need not change.
fn is_on(thread: &Thread, nodes: &[usize]) -> bool {
    let Some(run) = &thread.run_ns else {
        return false;
    };
    let there = nodes.iter().map(|node| run.at(*node)).sum();
    share(there, run.total()).is_some_and(|part| part >= THERE)
}

/// Returns whether calls for ranges decide where most of the process's memory is.
fn covers(host: &Host, process: &Process) -> bool {
    let binds = process.threads.iter().flat_map(|thread| &thread.binds);
    let ranges = binds.filter_map(|bind| bind.range);
    let covered: u64 = ranges
        .map(|[low, high]| high.0.saturating_sub(low.0) / host.page_size.max(1))
        .fold(0, u64::saturating_add);
    let pages = away::pages(process);
    covered > 0 && share(covered, pages).is_none_or(|part| part >= COVERED)
}

/// Says by which calls a program places itself, what to give them instead (the nodes of any of the
/// places), and how to find them. Empty without any.
pub fn unbind(host: &Host, process: &Process, own: &OwnBinds<'_>, places: &[&Place]) -> Vec<Fix> {
    if own.is_empty() {
        return Vec::new();
    }
    let calls: Vec<String> = own
        .all()
        .map(|(tid, bind)| {
            format!(
                "{} by {}, {} after it started",
                bind.what.name(),
                memory::threads(process, &[tid]),
                number::brief(bind.after_ns)
            )
        })
        .collect();
    let of_memory = own.memory.is_some() || own.range.is_some();
    let wanted = places.iter().map(|place| Place {
        cpus: place
            .cpus
            .iter()
            .copied()
            .filter(|_| own.cpus.is_some())
            .collect(),
        memory: place.memory.clone().filter(|_| of_memory),
    });
    let mut wanted: Vec<String> = wanted.filter_map(|place| place.in_words(host)).collect();
    wanted.dedup();
    let instead = match wanted.join(", or ") {
        none if none.is_empty() => String::new(),
        wanted => format!(", or give it {wanted}"),
    };
    let mut names: Vec<&str> = own.all().filter_map(|(_, bind)| name(bind.what)).collect();
    names.dedup();
    let names = names.join(",");
    let mut fixes = vec![Fix {
        expect: "memory and threads are where the start of the program puts them".to_owned(),
        ..Fix::advice(
            FixKind::Unbind,
            words::process(process),
            format!(
                "the program, or a script that starts it, places itself ({}), so options at its \
                 start do not change it: leave out this call{instead}",
                calls.join("; ")
            ),
        )
    }];
    if process.ended == Some(false) {
        fixes.push(Fix::look(
            words::process(process),
            "to see from where it calls",
            &format!("strace -f -k -e trace={names} -p {}", process.pid),
        ));
    }
    fixes
}

/// Returns the doubt about a policy that nobody saw being set, of a command that was not launched
/// with one.
pub fn unseen_policy(snapshot: &Snapshot, process: &Process) -> Option<Fix> {
    if !is_launched(snapshot, process) {
        return None;
    }
    let (prefix, _) = prefix::split(&snapshot.session.scope.launched)?;
    prefix.memory.is_empty().then(|| {
        Fix::advice(
            FixKind::Unbind,
            words::process(process),
            "if the program sets this policy itself (set_mempolicy, mbind), change that call: \
             options at its start do not",
        )
    })
}

/// Returns the name of a system call for strace(1).
const fn name(what: BindWhat) -> Option<&'static str> {
    match what {
        BindWhat::Affinity => Some("sched_setaffinity"),
        BindWhat::MemoryPolicy => Some("set_mempolicy"),
        BindWhat::RangePolicy => Some("mbind"),
        BindWhat::CpusetCpus | BindWhat::CpusetMems => None,
    }
}
