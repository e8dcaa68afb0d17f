//! Loading and freeing one program, for the parallel start (`preload`) and for the hooks that are
//! tried one after the other (`hooks`).

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError, RawTracePoint},
};

use super::{
    btf::ctype::Prototype,
    catalog::{HookKind, Probe},
    preemption::Preemption,
    prototype::{Mismatches, TargetKind},
    refused,
};

/// The running kernel, as far as loading and attaching need it.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// Functions and tracepoints by name.
    pub btf: &'a Btf,
    /// Functions and tracepoints whose prototype no probe was written for.
    pub mismatches: &'a Mismatches,
    /// Which kinds of programs this kernel preempts.
    pub preemption: Preemption,
}

impl Kernel<'_> {
    /// Returns the kernel's own prototype of a target if no probe was written for it.
    fn mismatch(&self, kind: HookKind, target: &str) -> Option<&Prototype> {
        let kind = match kind {
            HookKind::Fentry | HookKind::Fexit => TargetKind::Function,
            HookKind::TpBtf | HookKind::OnDemand => TargetKind::Tracepoint,
        };
        self.mismatches.find(kind, target)
    }
}

/// Loads a program for the first of its probe's targets that this kernel has; returns that target.
///
/// # Errors
/// The reason of the last refusal, for a person.
pub fn load_for(
    kernel: Kernel<'_>,
    probe: &Probe,
    program: &mut Program,
) -> Result<&'static str, String> {
    let mut last = String::from("no target given");
    for target in probe.targets {
        // The program would load, and read the wrong arguments.
        if let Some(found) = kernel.mismatch(probe.kind, target) {
            return Err(format!(
                "this kernel has it as `{found}`, which the probe was not written for"
            ));
        }
        match load(program, probe.kind, target, kernel.btf) {
            Ok(()) => return Ok(target),
            Err(error @ ProgramError::Btf(_)) => last = refused::reason(&error),
            Err(error) => return Err(refused::reason(&error)),
        }
    }
    Err(last)
}

fn load(
    program: &mut Program,
    kind: HookKind,
    target: &str,
    btf: &Btf,
) -> Result<(), ProgramError> {
    match kind {
        HookKind::Fentry => <&mut FEntry>::try_from(program)?.load(target, btf),
        HookKind::Fexit => <&mut FExit>::try_from(program)?.load(target, btf),
        HookKind::TpBtf => <&mut BtfTracePoint>::try_from(program)?.load(target, btf),
        HookKind::OnDemand => <&mut RawTracePoint>::try_from(program)?.load(),
    }
}

/// Detaches a program and frees it.
pub fn unload(ebpf: &mut Ebpf, name: &str) {
    let Some(program) = ebpf.program_mut(name) else {
        return;
    };
    // The only possible error is "not loaded", which is the aim.
    let _ = match program {
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::BtfTracePoint(program) => program.unload(),
        Program::RawTracePoint(program) => program.unload(),
        _ => Ok(()),
    };
}
