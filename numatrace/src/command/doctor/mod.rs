//! `numatrace doctor`: tries every hook, and prints what this machine allows.

mod checks;
mod grants;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use aya::EbpfLoader;

use crate::{
    attach::{
        Loaded,
        catalog::{HOOKS, Row},
        globals::{NodeSets, Switches},
        hooks::{Hook as Tried, HookState},
        kallsyms::{self, KALLSYMS, Symbols},
        preflight::{self, Preflight, Refusal},
        prototype,
        reading::Reading,
    },
    capture::fdinfo::KernelMemory,
    cli::{Format, doctor::DoctorArgs},
    enrich::{
        facts::{Facts as _, ProcFacts},
        topology::{Topology, is_virtual},
    },
    exit::Exit,
    model::{
        Hook,
        doctor::{Doctor, DoctorHook, DoctorRefusal, Memory, SCHEMA},
    },
    output,
    session::tracer,
};
use checks::Searched;

/// Runs the command on this machine and prints to `out`. Returns exit code 0 when a session is
/// possible, 4 when not.
///
/// # Errors
/// `out` cannot be written.
pub fn run(args: &DoctorArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let doctor = examine(Path::new("/"));
    let printed = match args.format {
        Format::Json => {
            let json = output::json::to_pretty(&doctor);
            out.write_all(
                json.context("cannot write the findings as JSON")?
                    .as_bytes(),
            )
        }
        Format::Text => {
            let text = output::doctor::render(&doctor);
            out.write_all(output::escape::lines(&text).as_bytes())
        }
    };
    match printed.and_then(|()| out.flush()) {
        // The reader closed our stdout.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(error).context("cannot write the findings");
        }
        _ => {}
    }
    let exit = if doctor.possible {
        Exit::Done
    } else {
        Exit::Refused
    };
    Ok(exit.into())
}

/// Examines the machine: reads facts under `root`, and tries bpf(2) and all hooks on the running
/// kernel.
#[must_use]
pub fn examine(root: &Path) -> Doctor {
    let found = Preflight::of(root);
    let symbols = Symbols::of_session(&root.join(KALLSYMS.trim_start_matches('/')));
    let searched = search(&found, &symbols, root);
    let (refusal, hooks, memory) = match found.refusal() {
        Some(refusal) => (Some(refusal), Vec::new(), None),
        None => try_hooks(&found, &symbols),
    };
    let hooks = if hooks.is_empty() {
        HOOKS.iter().map(untried).collect()
    } else {
        hooks
    };
    let exe = std::env::current_exe().unwrap_or_else(|_| "numatrace".into());
    Doctor {
        schema: SCHEMA.to_owned(),
        possible: refusal.is_none(),
        refusal: refusal.map(|Refusal { what, why, way_out }| DoctorRefusal { what, why, way_out }),
        checks: checks::checks(&found, &searched),
        hooks,
        capabilities: grants::capabilities(found.capabilities),
        grants: grants::grants(&exe),
        memory: memory.map(|memory| Memory {
            maps_bytes: memory.maps_bytes,
            maps_bytes_64_cpus: found
                .host
                .possible_cpus
                .and_then(|here| memory.maps_bytes_on(64, u64::try_from(here).ok()?)),
            programs_bytes: memory.programs_bytes,
            possible_cpus: found.host.possible_cpus,
        }),
        kernel: found.release,
        arch: std::env::consts::ARCH.to_owned(),
    }
}

fn search(found: &Preflight, symbols: &Symbols, root: &Path) -> Searched {
    let topology = Topology::read(root).ok();
    let btf = found.btf.as_ref().ok();
    let mut differences = btf.zip(found.series()).map(|(btf, series)| {
        // The prototypes are embedded and a test parses all of them, so this cannot fail.
        prototype::differences(series, btf).unwrap_or_default()
    });
    let balances = root.join("proc/sys/kernel/numa_balancing").exists();
    if let Some(differences) = differences.as_mut().filter(|_| !balances) {
        differences.retain(|difference| !difference.is_balancing_left_out());
    }
    let has_huge_pages = root.join("sys/kernel/mm/transparent_hugepage").exists();
    if let Some(differences) = differences.as_mut().filter(|_| !has_huge_pages) {
        differences.retain(|difference| !difference.is_huge_pages_left_out());
    }
    let preempt_count = match btf {
        Some(btf) => symbols.preempt_count(btf).map(|_| ()),
        None => symbols.address(kallsyms::PER_CPU_OFFSET).map(|_| ()),
    };
    Searched {
        trampolines: preflight::trampolines(),
        preempt_count,
        differences,
        filtered: filtered(root),
        flat_distances: topology
            .as_ref()
            .and_then(|topology| topology.flat_distances(is_virtual(root))),
        nodes: topology.as_ref().map(|topology| topology.nodes().len()),
        view: topology.map(|topology| topology.view().to_vec()),
    }
}

/// Returns how many processes have a seccomp filter; `None` without `/proc`.
fn filtered(root: &Path) -> Option<usize> {
    let mut facts = ProcFacts::new(root);
    let pids = facts.pids();
    let read = pids.iter().map(|pid| facts.details(*pid).seccomp);
    (!pids.is_empty()).then(|| read.filter(|has_filter| *has_filter == Some(true)).count())
}

type Outcome = (Option<Refusal>, Vec<DoctorHook>, Option<KernelMemory>);

/// Loads the object as a session does, attaches every hook for an instant and detaches all of
/// them.
fn try_hooks(found: &Preflight, symbols: &Symbols) -> Outcome {
    let session = match tracer::load_for(
        Reading::begin(EbpfLoader::new),
        found,
        symbols,
        NodeSets::default(),
        Switches::default(),
        false,
    )
    .map(Loaded::attach)
    {
        Ok(session) => session,
        Err(error) => {
            let refusal = Refusal {
                what: "cannot load the hooks".into(),
                why: format!("{error:#}"),
                way_out: "report it with the output of `numatrace doctor -f json`".into(),
            };
            return (Some(refusal), Vec::new(), None);
        }
    };
    let memory = KernelMemory::of_this_process().ok();
    let hooks = session.hooks.iter().map(described).collect();
    let missing = session.missing();
    let refusal = missing.first().map(|hook| Refusal {
        what: format!("cannot measure {}", hook.row.measures),
        why: hook.reason.clone().unwrap_or_default(),
        way_out: "see the checks above for what is refused and how to get it".into(),
    });
    (refusal, hooks, memory)
}

fn described(tried: &Tried) -> DoctorHook {
    let row = tried.row;
    let reason = tried.reason.clone().unwrap_or_default();
    let via = tried.via.clone().unwrap_or_default();
    let hook = match tried.state {
        HookState::Attached => Hook::attached(row.hook, via),
        HookState::Fallback => Hook::fallback(row.hook, via, reason, row.lost_on_fallback),
        HookState::Absent | HookState::LeftOut => Hook::absent(row.hook, reason, row.lost),
    };
    DoctorHook {
        hook,
        measures: row.measures.into(),
        kernels: row.kernels.into(),
        cost: row.cost.to_string(),
    }
}

fn untried(row: &Row) -> DoctorHook {
    DoctorHook {
        hook: Hook::absent(row.hook, "not tried: no session is possible", row.lost),
        measures: row.measures.into(),
        kernels: row.kernels.into(),
        cost: row.cost.to_string(),
    }
}
