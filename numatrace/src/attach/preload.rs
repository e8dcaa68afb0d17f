//! Loads programs in parallel before the first one is attached: verifying one takes the kernel a
//! millisecond or two on the CPU of the caller.
//!
//! This only saves time: a program that does not load here is tried again when its hook is tried,
//! and the reason is kept there.

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use aya::{Ebpf, programs::Program};

use super::{
    catalog::{Probe, Row},
    load::{Kernel, load_for},
    selection::Selection,
};

/// More threads would wait for one another: the kernel patches itself under a lock.
const MOST_THREADS: usize = 4;

/// Programs that are loaded and not yet attached, by name, with the target that each was loaded
/// for.
#[derive(Debug, Default)]
pub struct Preloaded(HashMap<&'static str, &'static str>);

impl Preloaded {
    /// Loads the first exact set of each wanted row, and the fallback of rows whose first set does
    /// not load.
    pub fn of(
        ebpf: &mut Ebpf,
        kernel: Kernel<'_>,
        rows: &[&'static Row],
        wanted: &Selection,
    ) -> Self {
        let mut preloaded = Self::default();
        let (mut first, mut fallback) = (Vec::new(), Vec::new());
        for row in rows.iter().filter(|row| wanted.has(row.hook)) {
            match row.exact.first() {
                Some(exact) if !wanted.is_forced(row.hook) => {
                    first.extend(*exact);
                    fallback.push((*exact, row.fallback));
                }
                _ => first.extend(row.fallback),
            }
        }
        preloaded.load(ebpf, kernel, &first);
        let second: Vec<&Probe> = fallback
            .into_iter()
            .filter(|(exact, _)| {
                exact
                    .iter()
                    .any(|probe| !preloaded.0.contains_key(probe.program))
            })
            .flat_map(|(_, fallback)| fallback)
            .collect();
        preloaded.load(ebpf, kernel, &second);
        preloaded
    }

    /// Removes a program and returns the target that it was loaded for; `None` if it was not
    /// loaded.
    pub fn take(&mut self, program: &str) -> Option<&'static str> {
        self.0.remove(program)
    }

    /// Returns the programs that were never taken.
    pub fn rest(self) -> impl Iterator<Item = &'static str> {
        self.0.into_keys()
    }

    fn load(&mut self, ebpf: &mut Ebpf, kernel: Kernel<'_>, probes: &[&'static Probe]) {
        let wanted: HashMap<&str, (&'static str, &Probe)> = probes
            .iter()
            .flat_map(|probe| {
                let twin = probe
                    .twin
                    .filter(|_| kernel.preemption.preempts(probe.kind));
                let names = std::iter::once(probe.program).chain(twin);
                names.map(|name| (name, (name, *probe)))
            })
            .filter(|(name, _)| !self.0.contains_key(name))
            .collect();
        let jobs: Vec<(&'static str, &Probe, &mut Program)> = ebpf
            .programs_mut()
            .filter_map(|(name, program)| {
                let (name, probe) = wanted.get(name)?;
                Some((*name, *probe, program))
            })
            .collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let (jobs, loaded) = (Mutex::new(jobs), Mutex::new(&mut self.0));
        let work = || {
            loop {
                // The lock is released before the kernel is asked.
                let job = locked(&jobs).pop();
                let Some((name, probe, program)) = job else {
                    break;
                };
                // A refusal comes again, with its reason, when the hook is tried.
                if let Ok(target) = load_for(kernel, probe, program) {
                    locked(&loaded).insert(name, target);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads.min(MOST_THREADS) {
                // If no thread can be started, this one does all of the work.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
