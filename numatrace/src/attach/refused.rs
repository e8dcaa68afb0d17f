//! Turns the refusal of a program into a reason that a person can act on.

use std::io;

use aya::programs::ProgramError;

/// Part of the reason when this process may open no more files: that is no refusal of the program.
pub const NO_DESCRIPTORS: &str = "no file descriptors are left (EMFILE)";

/// Returns the reason in a few words, without the program's name.
pub fn reason(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => load_reason(io_error, &verifier_log.to_string()),
        ProgramError::Btf(_) => {
            "this kernel has no such function or tracepoint in its BTF".to_owned()
        }
        ProgramError::SyscallError(call) => attach_reason(&call.io_error),
        other => other.to_string(),
    }
}

/// Lines that the verifier prints after its verdict: figures, not reasons.
const SUMMARY: [&str; 4] = ["processed ", "verification time", "stack depth", "subprog "];

/// Tells the machine's refusal (EPERM with an empty log) from the verifier's (EACCES with a log):
/// they need different ways out.
fn load_reason(error: &io::Error, log: &str) -> String {
    let said = log
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !SUMMARY.iter().any(|start| line.starts_with(start)));
    match (error.raw_os_error(), said) {
        (Some(libc::EPERM), None) => {
            "this machine refuses to load it (EPERM): no permission, or a policy against this kind \
             of program"
                .to_owned()
        }
        (Some(libc::EMFILE), _) => NO_DESCRIPTORS.to_owned(),
        (Some(libc::ENOMEM), _) => "not enough memory for it (ENOMEM)".to_owned(),
        (_, Some(said)) => format!("the kernel's verifier refused it ({error}): {said}"),
        (_, None) => format!("the kernel refused to load it: {error}"),
    }
}

fn attach_reason(error: &io::Error) -> String {
    /// `ENOTSUPP` is internal to the kernel but leaks from the trampoline code: too many arguments
    /// for this kernel.
    const ENOTSUPP: i32 = 524;
    match error.raw_os_error() {
        Some(libc::EMFILE) => NO_DESCRIPTORS.to_owned(),
        Some(libc::EBUSY) => "the function cannot be traced on this kernel (EBUSY)".to_owned(),
        Some(ENOTSUPP) => {
            "the function has more arguments than this kernel can trace (ENOTSUPP)".to_owned()
        }
        _ => format!("the kernel refused to attach it: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusing_machine_and_a_refusing_verifier_are_told_apart() {
        let machine = load_reason(&io::Error::from_raw_os_error(libc::EPERM), "");
        assert!(machine.contains("this machine refuses"), "{machine}");
        let verifier = load_reason(
            &io::Error::from_raw_os_error(libc::EACCES),
            "0: R1=ctx()\narg4 type PTR is not a struct\nprocessed 3 insns\n",
        );
        assert!(
            verifier.ends_with("arg4 type PTR is not a struct"),
            "{verifier}"
        );
        let memory = load_reason(&io::Error::from_raw_os_error(libc::ENOMEM), "");
        assert!(memory.contains("memory"), "{memory}");
        let files = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(load_reason(&files, ""), NO_DESCRIPTORS);
        assert_eq!(attach_reason(&files), NO_DESCRIPTORS);
    }
}
