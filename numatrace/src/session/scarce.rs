//! Errors of sessions that run out of descriptors or memory: they name the limit in force and how
//! to raise it.

use std::io;

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit},
};

use crate::{
    attach::preflight::Host,
    exit::{Exit, Failure},
};

/// Memory that a session takes on a machine of two CPUs: 60 MiB of maps that are there from the
/// start, and 40 MiB while the kernel's types are read. With less it is refused, or killed without
/// a word.
const USUAL: u64 = 128 << 20;

/// Returns a warning where the memory cgroup allows less than a session usually takes: the kernel
/// kills a process there without telling it why.
pub(super) fn warning(host: &Host) -> Option<String> {
    let most = host.memory_max.filter(|most| *most < USUAL)?;
    Some(format!(
        "the memory cgroup of this process allows {} MiB, and a session takes about {} MiB: the \
         kernel may end it",
        most >> 20,
        USUAL >> 20
    ))
}

/// Returns an error in the words of the limit behind it, if one was reached. `what` could not be
/// done.
pub(super) fn explained(error: anyhow::Error, what: &str, host: &Host) -> anyhow::Error {
    let number = error
        .chain()
        .find_map(|cause| match cause.downcast_ref::<io::Error>() {
            Some(error) => error.raw_os_error(),
            None => cause.downcast_ref().map(|number: &Errno| *number as i32),
        });
    match number {
        Some(libc::EMFILE) => no_descriptors(what).into(),
        Some(libc::ENOMEM) => no_memory(what, host).into(),
        _ => error,
    }
}

/// Returns the error of a process that may open no more files.
pub(super) fn no_descriptors(what: &str) -> Failure {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)
        .map_or_else(|_| "the limit".to_owned(), |(soft, _)| soft.to_string());
    Failure::new(
        Exit::Refused,
        format!("{what}: no file descriptors are left (EMFILE), of {limit}"),
        "raise the hard limit: ulimit -n 4096, or LimitNOFILE=4096 of a service",
    )
}

fn no_memory(what: &str, host: &Host) -> Failure {
    let limit = match host.memory_max {
        Some(most) => format!(
            "the memory cgroup of this process allows {} MiB",
            most >> 20
        ),
        None => "the memory of this machine is used up".to_owned(),
    };
    let way_out = match host.memory_max {
        Some(_) => format!(
            "raise its memory.max (cgroup v1: memory.limit_in_bytes) to {} MiB or more, or run \
             outside it",
            USUAL >> 20
        ),
        None => "end something else, or trace less: --hooks takes a list".to_owned(),
    };
    Failure::new(
        Exit::Refused,
        format!("{what}: not enough memory (ENOMEM): {limit}"),
        way_out,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(memory_max: Option<u64>) -> Host {
        Host {
            memory_max,
            ..Host::default()
        }
    }

    #[test]
    fn the_limit_behind_an_error_is_named() {
        let failed = |number| {
            let error = io::Error::from_raw_os_error(number);
            anyhow::Error::from(error).context("failed to create map `TOTALS`")
        };
        let small = host(Some(40 << 20));
        let told = |number, host: &Host| explained(failed(number), "no maps", host).to_string();
        let memory = told(libc::ENOMEM, &small);
        assert!(memory.contains("allows 40 MiB"), "{memory}");
        assert!(memory.contains("hint: raise its memory.max"), "{memory}");
        let whole = told(libc::ENOMEM, &host(None));
        assert!(whole.contains("this machine"), "{whole}");
        let files = told(libc::EMFILE, &small);
        assert!(
            files.contains("(EMFILE)") && files.contains("ulimit -n"),
            "{files}"
        );
        assert!(told(libc::EPERM, &small).contains("TOTALS"));
        let pipe = anyhow::Error::from(Errno::EMFILE).context("cannot make a pipe");
        let pipe = explained(pipe, "cannot hold it", &small).to_string();
        assert!(pipe.contains("(EMFILE)"), "{pipe}");
    }

    #[test]
    fn a_small_cgroup_is_told_before_the_kernel_acts() {
        assert!(warning(&host(Some(32 << 20))).unwrap().contains("32 MiB"));
        assert_eq!(warning(&host(Some(1 << 30))), None);
        assert_eq!(warning(&host(None)), None);
    }
}
