//! The form of the hook table: rows, the probes in them, and how probes are attached.

use super::cost::{Cost, RunTime};

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// At a function's entry, through a BPF trampoline.
    Fentry,
    /// At a function's return, through a BPF trampoline.
    Fexit,
    /// To a tracepoint with BTF-typed arguments.
    TpBtf,
    /// Not attached: userspace has the kernel run it on a CPU (`BPF_PROG_TEST_RUN` of a raw
    /// tracepoint program).
    OnDemand,
}

impl HookKind {
    /// Returns the word that the kernel's documentation uses.
    pub const fn name(self) -> &'static str {
        match self {
            HookKind::Fentry => "fentry",
            HookKind::Fexit => "fexit",
            HookKind::TpBtf => "tp_btf",
            HookKind::OnDemand => "raw_tp",
        }
    }
}

/// One program and its targets.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name of the program in the object.
    pub program: &'static str,
    /// How it is attached.
    pub kind: HookKind,
    /// Names of functions or tracepoints, newest kernels first; the first one that the running
    /// kernel has is taken.
    pub targets: &'static [&'static str],
    /// The twin in the object: a copy that does the work for events the kernel skips in the first
    /// program. Attached only on kernels that preempt programs.
    pub twin: Option<&'static str>,
    /// A program of another row at the same place that includes this one's work: where that program
    /// is loaded, this one is not attached.
    pub rides_on: Option<&'static str>,
}

impl Probe {
    const fn new(program: &'static str, kind: HookKind, targets: &'static [&'static str]) -> Self {
        Probe {
            program,
            kind,
            targets,
            twin: None,
            rides_on: None,
        }
    }

    /// Returns the probe with a twin.
    pub(super) const fn with_twin(self, twin: &'static str) -> Self {
        Probe {
            twin: Some(twin),
            ..self
        }
    }

    /// Returns the probe as one that is not attached where `program` is loaded.
    pub(super) const fn riding_on(self, program: &'static str) -> Self {
        Probe {
            rides_on: Some(program),
            ..self
        }
    }
}

/// A program at a function's entry.
pub(super) const fn fentry(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe::new(program, HookKind::Fentry, targets)
}

/// A program at a function's return.
pub(super) const fn fexit(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe::new(program, HookKind::Fexit, targets)
}

/// A program at a tracepoint.
pub(super) const fn tp(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe::new(program, HookKind::TpBtf, targets)
}

/// A program that userspace runs.
pub(super) const fn on_demand(program: &'static str) -> Probe {
    Probe::new(program, HookKind::OnDemand, &["on each CPU"])
}

/// One hook of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name in reports: the stem, or the stem and what the hook adds to it.
    pub hook: &'static str,
    /// Completes "Measures …".
    pub measures: &'static str,
    /// Sets of probes that measure it exactly, for different kernels: the first set of which all
    /// probes attach is taken.
    pub exact: &'static [&'static [Probe]],
    /// Probes that stand in when no exact set attaches; empty for a hook without a fallback.
    pub fallback: &'static [Probe],
    /// The loss on the fallback; empty for a hook without one.
    pub lost_on_fallback: &'static str,
    /// The loss when neither form attaches.
    pub lost: &'static str,
    /// The kernels it was written for, and where they differ.
    pub kernels: &'static str,
    /// A session that wants this hook ends when the hook is refused.
    pub required: bool,
    /// The audit needs its exact form: without it our totals cannot equal the kernel's.
    pub accounts: bool,
    /// The hook is in every session and cannot be left out.
    pub always: bool,
    /// Only a session that names it in `--hooks` attaches it.
    pub on_request: bool,
    /// Its programs keep state of the running task that a context switch must park: see
    /// [`super::PARKING`].
    pub parks: bool,
    /// Hooks without which this one cannot work.
    pub needs: &'static [&'static str],
    /// How often it runs, and how long a run takes.
    pub cost: Cost,
}

impl Row {
    /// An optional hook without fallback, needs and measured cost: what most rows begin from.
    pub(super) const OPTIONAL: Row = Row {
        hook: "",
        measures: "",
        exact: &[],
        fallback: &[],
        lost_on_fallback: "",
        lost: "",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: false,
        on_request: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "",
            exact: RunTime::Unmeasured(""),
            fallback: RunTime::None,
        },
    };

    /// Returns the probes of all its sets, the fallback's last.
    pub fn probes(&self) -> impl Iterator<Item = &'static Probe> {
        self.exact.iter().copied().flatten().chain(self.fallback)
    }
}

/// The cost of a hook that was not timed yet.
pub(super) const fn unmeasured(fires: &'static str) -> Cost {
    Cost {
        fires,
        ..Row::OPTIONAL.cost
    }
}
