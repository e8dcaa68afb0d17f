//! Test loads: a ring buffer, a program of two instructions, a helper, a trampoline. Each is closed
//! again at once.

use aya::{
    maps::MapType,
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported},
};

use super::denied::{Denied, DeniedKind};

/// The kernel's answers, one for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// A ring buffer: no session works without one.
    pub maps: Result<(), Denied>,
    /// A raw tracepoint program: the least that every hook needs.
    pub programs: Result<(), Denied>,
    /// `bpf_probe_read_kernel`, refused under lockdown=confidentiality; used to tell interrupts
    /// from tasks.
    pub probe_read: Result<(), Denied>,
}

impl Trial {
    /// Makes the requests; takes about a millisecond.
    #[must_use]
    pub fn run() -> Self {
        let helper = BpfHelper::BPF_FUNC_probe_read_kernel;
        Self {
            maps: answer(
                is_map_supported(MapType::RingBuf).map_err(|error| Denied::of(&error.io_error)),
            ),
            programs: answer(
                is_program_supported(ProgramType::RawTracePoint)
                    .map_err(|error| program_denied(&error)),
            ),
            probe_read: answer(
                is_helper_supported(ProgramType::RawTracePoint, helper)
                    .map_err(|error| program_denied(&error)),
            ),
        }
    }
}

/// Attaches a program for an instant to the kernel's own test function, to see whether fentry and
/// fexit hooks can work.
///
/// Not part of [`Trial::run`]: aya searches BTF for that function, and a session gets the answer
/// anyway when it attaches its hooks.
///
/// # Errors
/// The kernel's refusal.
pub fn trampolines() -> Result<(), Denied> {
    answer(is_program_supported(ProgramType::Tracing).map_err(|error| program_denied(&error)))
}

fn answer(result: Result<bool, Denied>) -> Result<(), Denied> {
    if result? {
        Ok(())
    } else {
        Err(Denied::unsupported())
    }
}

fn program_denied(error: &ProgramError) -> Denied {
    match error {
        ProgramError::SyscallError(call) => Denied::of(&call.io_error),
        ProgramError::LoadError { io_error, .. } => Denied::of(io_error),
        other => Denied {
            kind: DeniedKind::Other,
            message: other.to_string(),
        },
    }
}
