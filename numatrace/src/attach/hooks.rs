//! Tries the rows of the hook table on this kernel: exact probes first, then the fallback. An
//! optional hook that is refused never fails the session.

use aya::{
    Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError},
};
use serde::{Deserialize, Serialize};

use super::{
    catalog::{HookKind, PARKING, Probe, Row, TASK_RUN},
    load::{Kernel, load_for, unload},
    preload::Preloaded,
    refused::{self, NO_DESCRIPTORS},
    selection::Selection,
};

/// The state of a hook after it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookState {
    /// All exact probes are attached.
    Attached,
    /// The fallback is attached.
    Fallback,
    /// Neither form is attached.
    Absent,
    /// The session does not want it, so nothing was tried.
    LeftOut,
}

/// One hook after it was tried.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its row.
    pub row: &'static Row,
    /// Its state.
    pub state: HookState,
    /// The attached probes, as `fexit get_page_from_freelist`; `None` when none is.
    pub via: Option<String>,
    /// Why the exact probes are not attached.
    pub reason: Option<String>,
    /// The programs attached for it.
    pub programs: Vec<Attached>,
}

/// An attached program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name in the object.
    pub program: &'static str,
    /// The name of its twin, where one is attached too.
    pub twin: Option<&'static str>,
}

impl Attached {
    /// Returns the names of the program and of its twin.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.program).chain(self.twin)
    }
}

/// Tries one row if the session wants it: its exact sets one after the other, then its fallback.
pub fn attach(
    ebpf: &mut Ebpf,
    kernel: Kernel<'_>,
    preloaded: &mut Preloaded,
    row: &'static Row,
    wanted: &Selection,
) -> Hook {
    if !wanted.has(row.hook) {
        return Hook {
            state: HookState::LeftOut,
            ..absent(row, String::from("not asked for"))
        };
    }
    let mut refusals = Vec::new();
    let forced = wanted.is_forced(row.hook);
    if forced {
        refusals.push(String::from("the fallback was asked for"));
    }
    for (probes, state) in row
        .exact
        .iter()
        .filter(|_| !forced)
        .map(|set| (*set, HookState::Attached))
        .chain((!row.fallback.is_empty()).then_some((row.fallback, HookState::Fallback)))
    {
        match try_all(ebpf, kernel, preloaded, probes) {
            Ok((via, programs)) => {
                return Hook {
                    row,
                    state,
                    via: Some(via),
                    reason: (state != HookState::Attached).then(|| refusals.join("; ")),
                    programs,
                };
            }
            // The refusals before it may have been for the same reason, or for none that matters
            // now: without descriptors nothing attaches.
            Err(refusal) if refusal.contains(NO_DESCRIPTORS) => return absent(row, refusal),
            // Sets that begin with the same probe are refused with the same words: once is enough.
            Err(refusal) if refusals.contains(&refusal) => {}
            Err(refusal) => refusals.push(refusal),
        }
    }
    absent(row, refusals.join("; "))
}

/// Attaches the parking program where the run-time hook, which includes its work, is not attached.
/// Its cost is charged to the first hook that needs it.
pub fn attach_parking(ebpf: &mut Ebpf, kernel: Kernel<'_>, hooks: &mut [Hook]) {
    if hooks
        .iter()
        .any(|hook| hook.row.hook == TASK_RUN && !hook.programs.is_empty())
    {
        return;
    }
    let Some(first) = hooks
        .iter_mut()
        .find(|hook| hook.row.parks && !hook.programs.is_empty())
    else {
        return;
    };
    // Without the program a preemption can make a count missed or doubled; the audit shows that.
    let mut none = Preloaded::default();
    if let Ok((target, programs)) = try_all(ebpf, kernel, &mut none, &[PARKING]) {
        first.programs.extend(programs);
        first.via = first.via.take().map(|via| format!("{via}, {target}"));
    }
}

fn absent(row: &'static Row, refusal: String) -> Hook {
    Hook {
        row,
        state: HookState::Absent,
        via: None,
        reason: Some(refusal),
        programs: Vec::new(),
    }
}

/// Attaches all probes or none; returns the attached ones as text and as programs.
///
/// # Errors
/// Which probe was refused, and why.
fn try_all(
    ebpf: &mut Ebpf,
    kernel: Kernel<'_>,
    preloaded: &mut Preloaded,
    probes: &[Probe],
) -> Result<(String, Vec<Attached>), String> {
    let (mut targets, mut programs) = (Vec::new(), Vec::new());
    for probe in probes {
        if probe.rides_on.is_some_and(|name| is_loaded(ebpf, name)) {
            continue;
        }
        let twin = probe
            .twin
            .filter(|_| kernel.preemption.preempts(probe.kind));
        match try_pair(ebpf, kernel, preloaded, probe, twin) {
            Ok(target) => {
                targets.push(format!("{} {target}", probe.kind.name()));
                programs.push(Attached {
                    program: probe.program,
                    twin,
                });
            }
            Err(why) => {
                for attached in probes {
                    for name in std::iter::once(attached.program).chain(attached.twin) {
                        preloaded.take(name);
                        unload(ebpf, name);
                    }
                }
                return Err(format!(
                    "{} {}: {why}",
                    probe.kind.name(),
                    probe.targets.join("|")
                ));
            }
        }
    }
    Ok((targets.join(", "), programs))
}

/// Attaches a probe and its twin in the order that makes the first copy run first: of programs at a
/// function the one attached last runs first (`hlist_add_head` in kernel/bpf/trampoline.c), of
/// programs at a tracepoint it runs last (`func_add` in kernel/tracepoint.c).
fn try_pair(
    ebpf: &mut Ebpf,
    kernel: Kernel<'_>,
    preloaded: &mut Preloaded,
    probe: &Probe,
    twin: Option<&'static str>,
) -> Result<&'static str, String> {
    let Some(twin) = twin else {
        return try_one(ebpf, kernel, preloaded, probe, probe.program);
    };
    if probe.kind == HookKind::TpBtf {
        let target = try_one(ebpf, kernel, preloaded, probe, probe.program)?;
        try_one(ebpf, kernel, preloaded, probe, twin)?;
        Ok(target)
    } else {
        try_one(ebpf, kernel, preloaded, probe, twin)?;
        try_one(ebpf, kernel, preloaded, probe, probe.program)
    }
}

/// Loads and attaches one copy of a probe to the first of its targets that this kernel has.
fn try_one(
    ebpf: &mut Ebpf,
    kernel: Kernel<'_>,
    preloaded: &mut Preloaded,
    probe: &Probe,
    name: &str,
) -> Result<&'static str, String> {
    let program = ebpf
        .program_mut(name)
        .ok_or_else(|| format!("the object has no program {name}"))?;
    if let Some(target) = preloaded.take(name) {
        attach_loaded(program, probe.kind).map_err(|error| refused::reason(&error))?;
        return Ok(target);
    }
    let target = load_for(kernel, probe, program)?;
    attach_loaded(program, probe.kind).map_err(|error| refused::reason(&error))?;
    Ok(target)
}

fn is_loaded(ebpf: &Ebpf, name: &str) -> bool {
    ebpf.program(name)
        .is_some_and(|program| program.fd().is_ok())
}

fn attach_loaded(program: &mut Program, kind: HookKind) -> Result<(), ProgramError> {
    match kind {
        HookKind::Fentry => <&mut FEntry>::try_from(program)?.attach().map(drop),
        HookKind::Fexit => <&mut FExit>::try_from(program)?.attach().map(drop),
        HookKind::TpBtf => <&mut BtfTracePoint>::try_from(program)?.attach().map(drop),
        // Userspace runs it.
        HookKind::OnDemand => Ok(()),
    }
}
