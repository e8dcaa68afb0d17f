//! Asking the kernel: a ring buffer, a program of two instructions, a helper, a trampoline. Everything is closed again at once.

use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType};
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported};

use super::denied::{Denied, DeniedKind};

/// What the kernel answered, one request at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// A ring buffer, the map everything else leans on.
    pub maps: Result<(), Denied>,
    /// A raw tracepoint program: what every hook needs at least.
    pub programs: Result<(), Denied>,
    /// `bpf_probe_read_kernel`, refused under lockdown=confidentiality; used to tell interrupts from tasks.
    pub probe_read: Result<(), Denied>,
}

impl Trial {
    /// Tries all of it; about a millisecond.
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

/// A program at a function, attached for an instant to the kernel's own test function: what fentry and fexit hooks need.
///
/// Apart from the rest because it searches BTF for that function, and a session finds the same out by attaching its hooks.
///
/// # Errors
/// What the kernel answered.
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
