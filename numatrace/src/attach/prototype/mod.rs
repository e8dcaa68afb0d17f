//! The prototypes that probes were written for, in C, compared with those of a kernel.
//!
//! A probe reads arguments by position. A kernel that moves one still loads the program and passes
//! it a different value, so each probe file in `numatrace-ebpf/src/probes` has the declarations it
//! was written for:
//!
//! ```text
//! //! proto: 6.1..: void fold_vm_numa_events(void)
//! //! tp: 6.1..6.18: sched_process_exit(struct task_struct *p)
//! ```
//!
//! `proto` is a function, `tp` a tracepoint's arguments. The range is of kernel series: its end is
//! exclusive, and a range without an end is open. Ranges of one target overlap where a point
//! release changed the prototype within a series: then one of the declarations must match. Types
//! are compared, names are not: BTF has none for tracepoints.

mod cparse;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

use crate::attach::{
    btf::{KernelBtf, ctype::Prototype},
    series::{Series, SeriesRange},
};

pub use sources::PROBES;

/// Function or tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A function for fentry and fexit.
    Function,
    /// A tracepoint for `tp_btf`.
    Tracepoint,
}

/// One declaration a probe was written for.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Function or tracepoint.
    pub kind: TargetKind,
    /// Kernels that have this prototype.
    pub kernels: SeriesRange,
    /// The declaration; a tracepoint's returns `void`.
    pub proto: Prototype,
}

/// A line that begins like a declaration and cannot be read as one.
#[derive(Debug, Error)]
#[error(
    "line {line}: {what}; write `//! proto: 6.1..6.18: int name(int arg)` or \
     `//! tp: 6.1..: name(int arg)`"
)]
pub struct LineError {
    /// Line number from 1.
    pub line: usize,
    /// The mistake.
    pub what: String,
}

/// A difference between a kernel and a probe's expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Stem of the probe file.
    pub probe: String,
    /// The kernel's series.
    pub kernel: Series,
    /// The declaration in the probe file.
    pub expected: String,
    /// The declaration in BTF; `None` when the kernel does not have the name.
    pub found: Option<String>,
}

impl Difference {
    /// Probes of functions that kernels have only with CONFIG_NUMA_BALANCING.
    const BALANCING: [&'static str; 2] = ["balancer", "hint_fault"];

    /// A function that kernels have only with CONFIG_TRANSPARENT_HUGEPAGE.
    const HUGE_PAGES: &'static str = "remove_migration_pmd";

    /// Returns whether the kernel lacks the name because it is built without NUMA balancing, as
    /// Debian's real-time kernels are.
    #[must_use]
    pub fn is_balancing_left_out(&self) -> bool {
        self.found.is_none() && Self::BALANCING.contains(&self.probe.as_str())
    }

    /// Returns whether the kernel lacks the name because it is built without transparent huge
    /// pages, as real-time kernels are.
    #[must_use]
    pub fn is_huge_pages_left_out(&self) -> bool {
        self.found.is_none() && self.expected.contains(Self::HUGE_PAGES)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "probe {}, kernel {}: expected `{}`, found ",
            self.probe, self.kernel, self.expected
        )?;
        match &self.found {
            Some(found) => write!(f, "`{found}`"),
            None => f.write_str("nothing of that name"),
        }
    }
}

/// Returns all declarations in a probe's source, in order.
///
/// # Errors
/// The first line that begins with `//! proto:` or `//! tp:` and cannot be read.
pub fn expectations(source: &str) -> Result<Vec<Expectation>, LineError> {
    let mut all = Vec::new();
    for (index, line) in source.lines().enumerate() {
        let text = line.trim();
        let (kind, rest) = if let Some(rest) = text.strip_prefix("//! proto:") {
            (TargetKind::Function, rest)
        } else if let Some(rest) = text.strip_prefix("//! tp:") {
            (TargetKind::Tracepoint, rest)
        } else {
            continue;
        };
        let read = read_line(kind, rest).map_err(|what| LineError {
            line: index + 1,
            what,
        })?;
        all.push(read);
    }
    Ok(all)
}

fn read_line(kind: TargetKind, text: &str) -> Result<Expectation, String> {
    let (range, declaration) = text
        .split_once(": ")
        .ok_or("no range of kernels in front of the declaration")?;
    let kernels = SeriesRange::parse(range)
        .ok_or_else(|| format!("`{}` is no range of kernels", range.trim()))?;
    let proto = match kind {
        TargetKind::Function => cparse::function(declaration)?,
        TargetKind::Tracepoint => cparse::tracepoint(declaration)?,
    };
    Ok(Expectation {
        kind,
        kernels,
        proto,
    })
}

impl Expectation {
    /// Returns whether both declare the same function or tracepoint.
    fn is_of_same_target(&self, other: &Self) -> bool {
        self.kind == other.kind && self.proto.name == other.proto.name
    }

    /// Returns the kernel's prototype of this name; `None` when it has none.
    #[must_use]
    pub fn found(&self, btf: &KernelBtf) -> Option<Prototype> {
        match self.kind {
            TargetKind::Function => btf.prototype(&self.proto.name).ok(),
            TargetKind::Tracepoint => btf.tracepoint_prototype(&self.proto.name).ok(),
        }
    }

    /// Compares with a kernel of a series in the range. `probe` is the file's name in the
    /// difference.
    #[must_use]
    pub fn difference(&self, probe: &str, kernel: Series, btf: &KernelBtf) -> Option<Difference> {
        let found = self.found(btf);
        if found
            .as_ref()
            .is_some_and(|found| found.same_types(&self.proto))
        {
            return None;
        }
        Some(Difference {
            probe: probe.into(),
            kernel,
            expected: self.proto.to_string(),
            found: found.map(|found| found.to_string()),
        })
    }
}

/// Compares every declaration whose range includes this kernel. Empty = the kernel is as expected.
///
/// # Errors
/// A line of a probe file cannot be read: (stem of the file, mistake).
pub fn differences(
    kernel: Series,
    btf: &KernelBtf,
) -> Result<Vec<Difference>, (&'static str, LineError)> {
    let mut all = Vec::new();
    for (probe, source) in PROBES {
        let expected = expectations(source).map_err(|error| (*probe, error))?;
        let here: Vec<&Expectation> = expected
            .iter()
            .filter(|one| one.kernels.contains(kernel))
            .collect();
        for (index, one) in here.iter().enumerate() {
            let mut before = here.iter().take(index);
            if before.any(|before| one.is_of_same_target(before)) {
                continue;
            }
            let mut alike = here.iter().filter(|other| one.is_of_same_target(other));
            if alike.all(|other| other.difference(probe, kernel, btf).is_some()) {
                all.extend(one.difference(probe, kernel, btf));
            }
        }
    }
    Ok(all)
}

/// Hooked functions and tracepoints of a kernel whose arguments are passed in a way that no probe
/// was written for.
///
/// More lenient than [`differences`], because it decides about attaching on unknown kernels: ranges
/// are ignored, since distributions carry changes back to older series, and so are names of scalar
/// types.
#[derive(Clone, Debug, Default)]
pub struct Mismatches(Vec<(TargetKind, Prototype)>);

impl Mismatches {
    /// Compares all declarations of all probes. Names that the kernel lacks are no mismatch:
    /// attaching to them fails anyway.
    #[must_use]
    pub fn of(btf: &KernelBtf) -> Self {
        let all: Vec<Expectation> = PROBES
            .iter()
            .flat_map(|(_, source)| expectations(source).unwrap_or_default())
            .collect();
        let mut mismatches = Vec::new();
        for (index, one) in all.iter().enumerate() {
            let seen = all
                .iter()
                .take(index)
                .any(|earlier| one.is_of_same_target(earlier));
            let Some(found) = one.found(btf).filter(|_| !seen) else {
                continue;
            };
            let mut known = all.iter().filter(|other| one.is_of_same_target(other));
            if !known.any(|known| known.proto.passed_like(&found)) {
                mismatches.push((one.kind, found));
            }
        }
        Self(mismatches)
    }

    /// Returns the kernel's own declaration of a target that must not be attached to; `None` for
    /// any other.
    #[must_use]
    pub fn find(&self, kind: TargetKind, target: &str) -> Option<&Prototype> {
        let mut all = self.0.iter();
        all.find(|(of, found)| *of == kind && found.name == target)
            .map(|(_, found)| found)
    }
}
