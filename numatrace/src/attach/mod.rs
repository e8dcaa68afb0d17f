//! attach: loads the embedded object, sets its globals and attaches its programs.
//!
//! Nothing is pinned and every descriptor is close-on-exec, so no program of ours outlives this
//! process.

pub mod btf;
pub mod catalog;
pub mod cpus;
pub mod globals;
pub mod hooks;
mod ids_only;
pub mod inject;
pub mod kallsyms;
pub mod kernel_enum;
pub mod kernel_log;
mod load;
pub mod object;
pub mod offsets;
pub mod preemption;
pub mod preflight;
mod preload;
pub mod prototype;
pub mod reading;
pub mod refused;
pub mod scope;
pub mod selection;
pub mod series;

use std::{
    os::fd::{AsFd, BorrowedFd},
    thread,
};

use anyhow::anyhow;
use aya::{Btf, Ebpf, EbpfLoader};
use numatrace_common::{
    globals::Globals,
    limits::{FEW_STACKS, SCOPE_ENTRIES, STACK_ENTRIES, totals_entries},
};

use btf::KernelBtf;
use catalog::Row;
use hooks::{Attached, Hook, HookState};
use inject::Faults;
use kernel_enum::ReasonNames;
use kernel_log::KernelLog;
use load::Kernel;
use preemption::Preemption;
use preload::Preloaded;
use prototype::Mismatches;
use reading::Reading;
use selection::Selection;

/// Loaded maps and programs. Dropping it detaches everything.
pub struct Session {
    /// Owner of programs, links and maps.
    ebpf: Ebpf,
    /// The hooks after they were tried, in the table's order.
    pub hooks: Vec<Hook>,
    /// Why interrupts are charged to the tasks they interrupt; `None` where they are told apart.
    pub interrupts_unknown: Option<String>,
    log: Option<KernelLog>,
}

/// A session before anything is attached. Its maps exist, so scope and epoch can be set up first.
pub struct Loaded {
    ebpf: Ebpf,
    btf: Btf,
    mismatches: Mismatches,
    preemption: Preemption,
    log: Option<KernelLog>,
    /// The programs record memory by mapping.
    mapping_runs: bool,
    /// Why interrupts are charged to the tasks they interrupt; `None` where they are told apart.
    pub interrupts_unknown: Option<String>,
    /// Injected faults.
    pub faults: Faults,
    /// Names of the kernel's reasons, by number.
    pub reasons: ReasonNames,
    /// Hooks to try, in this order: the whole table unless a caller shortens it.
    pub rows: Vec<&'static Row>,
    /// The hooks that the session wants; the others are reported as left out.
    pub wanted: Selection,
}

/// Creates the maps and reads the object. Targets in `mismatches` will not be attached to.
///
/// # Errors
/// The kernel refuses maps.
pub fn load(
    loader: Reading<EbpfLoader<'static>>,
    btf: &KernelBtf,
    globals: &Globals,
    mismatches: Mismatches,
    preemption: Preemption,
    faults: Faults,
    debug: bool,
) -> anyhow::Result<Loaded> {
    let btf = ids_only::targets(btf)?;
    // Leaks some hundred bytes: the loader that borrows them is freed on a different thread.
    let kept: &'static Globals = Box::leak(Box::new(*globals));
    let level: &'static u8 = if debug { &kernel_log::ALL } else { &0 };
    let mut loader = loader.end()?;
    loader
        .override_global("GLOBALS", bytemuck::bytes_of(kept), true)
        .override_global(aya_log::LEVEL, level, false);
    if globals.scoped == 0 {
        // No program reads the map: one entry instead of megabytes.
        loader.map_max_entries("SCOPE", 1);
    } else {
        loader.map_max_entries("SCOPE", SCOPE_ENTRIES);
    }
    let cpus = aya::util::nr_cpus().map_or(1, |cpus| u32::try_from(cpus).unwrap_or(u32::MAX));
    let nodes = globals
        .has_memory
        .iter()
        .map(|word| word.count_ones())
        .sum();
    let entries = faults.totals_entries;
    loader.map_max_entries(
        "TOTALS",
        entries.unwrap_or_else(|| totals_entries(cpus, nodes)),
    );
    let stacks = if globals.stack_every == 0 && globals.kernel_stack_every == 0 {
        FEW_STACKS
    } else {
        STACK_ENTRIES
    };
    loader.map_max_entries("STACKS", stacks);
    let mut ebpf = loader
        .load(object::bytes())
        .map_err(|error| anyhow!(error).context("cannot create the eBPF maps"))?;
    // The loader holds all types of the kernel; freeing them takes as long as attaching a hook. If
    // no thread can be started they are freed here.
    let _ = thread::Builder::new().spawn(move || drop(loader));
    // Programs that log need the log's map until they are loaded, and the map needs its reader.
    let log = if debug {
        KernelLog::take(&mut ebpf)
    } else {
        None
    };
    Ok(Loaded {
        ebpf,
        btf,
        mismatches,
        preemption,
        log,
        mapping_runs: globals.mapping_runs != 0,
        interrupts_unknown: None,
        faults,
        reasons: ReasonNames::default(),
        rows: catalog::HOOKS.iter().collect(),
        wanted: Selection::default(),
    })
}

impl Loaded {
    /// Returns the loaded object, for setting up maps before the first program runs.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Returns whether the session records memory by mapping, so that mappings need names.
    pub fn wants_mappings(&self) -> bool {
        let hooks = [catalog::PAGE_FAULT, catalog::HINT_FAULT];
        self.mapping_runs && hooks.iter().any(|hook| self.wanted.has(hook))
    }

    /// Tries the wanted hooks, one after the other.
    pub fn attach(mut self) -> Session {
        // A hook that nobody asked for is not missing.
        let wanted = &self.wanted;
        self.rows
            .retain(|row| !row.on_request || wanted.has(row.hook));
        let kernel = Kernel {
            btf: &self.btf,
            mismatches: &self.mismatches,
            preemption: self.preemption,
        };
        let mut preloaded = Preloaded::of(&mut self.ebpf, kernel, &self.rows, &self.wanted);
        let mut hooks: Vec<Hook> = self
            .rows
            .iter()
            .map(|row| hooks::attach(&mut self.ebpf, kernel, &mut preloaded, row, &self.wanted))
            .collect();
        for program in preloaded.rest() {
            load::unload(&mut self.ebpf, program);
        }
        hooks::attach_parking(&mut self.ebpf, kernel, &mut hooks);
        Session {
            ebpf: self.ebpf,
            hooks,
            interrupts_unknown: self.interrupts_unknown,
            log: self.log,
        }
    }
}

impl Session {
    /// Returns the loaded object.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Prints the kernel side's diagnostics on stderr.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Returns the state of a hook; [`HookState::Absent`] for a name that the table does not have.
    pub fn state(&self, hook: &str) -> HookState {
        self.hooks
            .iter()
            .find(|tried| tried.row.hook == hook)
            .map_or(HookState::Absent, |tried| tried.state)
    }

    /// Returns every attached program with its descriptor.
    pub fn programs(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        self.hooks
            .iter()
            .flat_map(|hook| hook.programs.iter().copied().flat_map(Attached::names))
            .filter_map(|name| Some((name, self.program(name)?)))
    }

    /// Returns the attached programs of one hook.
    pub fn programs_of(&self, hook: &str) -> &[Attached] {
        self.hooks
            .iter()
            .find(|tried| tried.row.hook == hook)
            .map_or(&[][..], |tried| &tried.programs)
    }

    /// Returns the descriptor of a loaded program.
    pub fn program(&self, name: &str) -> Option<BorrowedFd<'_>> {
        Some(self.ebpf.program(name)?.fd().ok()?.as_fd())
    }

    /// Returns the required hooks that the session wanted and did not get.
    pub fn missing(&self) -> Vec<&Hook> {
        self.hooks
            .iter()
            .filter(|hook| hook.row.required && hook.state == HookState::Absent)
            .collect()
    }
}
