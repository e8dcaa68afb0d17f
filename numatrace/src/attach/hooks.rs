//! Trying the hook table on this kernel: exact probes first, then the fallback, never a failed session for an optional one.

use aya::{
    Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError},
};
use serde::{Deserialize, Serialize};

use super::{
    catalog::{HookKind, PARKING, Probe, Row, TASK_RUN},
    load::{Kernel, load_for, unload},
    preload::Preloaded,
    refused,
    selection::Selection,
};

/// How a hook of the table ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookState {
    /// All exact probes are attached.
    Attached,
    /// The fallback is.
    Fallback,
    /// Nothing is.
    Absent,
    /// It was not wanted, so nothing was tried.
    LeftOut,
}

/// One hook after trying.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its row.
    pub row: &'static Row,
    /// What came of it.
    pub state: HookState,
    /// What is attached, as `fexit get_page_from_freelist`; `None` when nothing is.
    pub via: Option<String>,
    /// Why the exact probes are not attached.
    pub reason: Option<String>,
    /// Programs attached for it, by their name in the object.
    pub programs: Vec<Attached>,
}

/// A program that is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name in the object.
    pub program: &'static str,
    /// That of its twin, where one is attached too.
    pub twin: Option<&'static str>,
}

impl Attached {
    /// Both.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.program).chain(self.twin)
    }
}

/// Tries one row if it is wanted: its exact sets in turn, then its fallback.
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
            // Two sets that begin alike are refused alike: once is enough.
            Err(refusal) if refusals.contains(&refusal) => {}
            Err(refusal) => refusals.push(refusal),
        }
    }
    absent(row, refusals.join("; "))
}

/// Sees to switches of tasks where the run time hook, which does so by the way, is not in place; charged to the first hook that needs it.
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
    // Without it a count can be missed or doubled at a preemption, which the audit shows.
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

/// Attaches all probes or none; says what is attached, or which probe failed and why.
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

/// Attaches a probe and its twin so that the first copy runs first: what is attached last to a function runs first, to a tracepoint last
/// (`hlist_add_head` in kernel/bpf/trampoline.c, `func_add` in kernel/tracepoint.c).
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
        // Run when we ask for it.
        HookKind::OnDemand => Ok(()),
    }
}
