//! attach: from the embedded object to attached programs: plan in, session out.
//!
//! Nothing is pinned and every descriptor is close-on-exec, so no program of ours outlives this process.

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
    limits::{SCOPE_ENTRIES, STACK_ENTRIES},
};

use kernel_log::KernelLog;

use btf::KernelBtf;
use catalog::Row;
use hooks::{Attached, Hook, HookState};
use inject::Faults;
use kernel_enum::ReasonNames;
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
    /// The hook table as it ended up.
    pub hooks: Vec<Hook>,
    /// Why interrupts cannot be told from the tasks they interrupt, if they cannot.
    pub interrupts_unknown: Option<String>,
    log: Option<KernelLog>,
}

/// A session before anything is attached: maps exist, so scope and epoch can be set up first.
pub struct Loaded {
    ebpf: Ebpf,
    btf: Btf,
    mismatches: Mismatches,
    preemption: Preemption,
    log: Option<KernelLog>,
    /// Programs tell of memory by mapping.
    mapping_runs: bool,
    /// Why interrupts cannot be told from the tasks they interrupt, if they cannot.
    pub interrupts_unknown: Option<String>,
    /// Names of the kernel's reasons, by number.
    pub reasons: ReasonNames,
    /// Hooks to try, in this order: the whole table unless somebody wants less.
    pub rows: Vec<&'static Row>,
    /// Which of them a session has; the others are left out, and said to be.
    pub wanted: Selection,
}

/// Creates the maps and reads the object. Targets of a strange shape will not be attached to.
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
    // Some hundred bytes for good: the loader that borrows them is freed on another thread.
    let kept: &'static Globals = Box::leak(Box::new(*globals));
    let level: &'static u8 = if debug { &kernel_log::ALL } else { &0 };
    let mut loader = loader.end()?;
    loader
        .override_global("GLOBALS", bytemuck::bytes_of(kept), true)
        .override_global(aya_log::LEVEL, level, false);
    if globals.scoped == 0 {
        // Nobody looks at it: one entry instead of megabytes.
        loader.map_max_entries("SCOPE", 1);
    } else {
        loader.map_max_entries("SCOPE", SCOPE_ENTRIES);
    }
    if let Some(entries) = faults.totals_entries {
        loader.map_max_entries("TOTALS", entries);
    }
    let stacks = if globals.stack_every == 0 && globals.kernel_stack_every == 0 {
        1
    } else {
        STACK_ENTRIES
    };
    loader.map_max_entries("STACKS", stacks);
    let mut ebpf = loader
        .load(object::bytes())
        .map_err(|error| anyhow!(error).context("cannot create the eBPF maps"))?;
    // It holds all types of the kernel; freeing them takes as long as attaching a hook. Without a thread they are freed here.
    let _ = thread::Builder::new().spawn(move || drop(loader));
    // Programs that log need its map until they are loaded, and the map needs its reader.
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
        reasons: ReasonNames::default(),
        rows: catalog::HOOKS.iter().collect(),
        wanted: Selection::default(),
    })
}

impl Loaded {
    /// The loaded object, for setting up maps before the first program runs.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Will there be memory by mapping to name?
    pub fn wants_mappings(&self) -> bool {
        let hooks = [catalog::PAGE_FAULT, catalog::HINT_FAULT];
        self.mapping_runs && hooks.iter().any(|hook| self.wanted.has(hook))
    }

    /// Tries the wanted hooks.
    pub fn attach(mut self) -> Session {
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
    /// The loaded object.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Prints what the kernel side has to say about itself.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// The state of a hook of the table, [`HookState::Absent`] for a name it does not have.
    pub fn state(&self, hook: &str) -> HookState {
        self.hooks
            .iter()
            .find(|tried| tried.row.hook == hook)
            .map_or(HookState::Absent, |tried| tried.state)
    }

    /// Every attached program with its descriptor.
    pub fn programs(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        self.hooks
            .iter()
            .flat_map(|hook| hook.programs.iter().copied().flat_map(Attached::names))
            .filter_map(|name| Some((name, self.program(name)?)))
    }

    /// The attached programs of one hook of the table.
    pub fn programs_of(&self, hook: &str) -> &[Attached] {
        self.hooks
            .iter()
            .find(|tried| tried.row.hook == hook)
            .map_or(&[][..], |tried| &tried.programs)
    }

    /// The descriptor of a loaded program.
    pub fn program(&self, name: &str) -> Option<BorrowedFd<'_>> {
        Some(self.ebpf.program(name)?.fd().ok()?.as_fd())
    }

    /// The required hooks that were wanted and are absent, with their reasons.
    pub fn missing(&self) -> Vec<&Hook> {
        self.hooks
            .iter()
            .filter(|hook| hook.row.required && hook.state == HookState::Absent)
            .collect()
    }
}
