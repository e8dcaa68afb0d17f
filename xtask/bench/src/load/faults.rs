//! Fault storm: threads, one on each CPU, that touch fresh anonymous memory at full speed. One 4
//! KiB fault is one allocation and a little of page tables.

use std::{
    io, ptr,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use nix::time::{ClockId, clock_gettime};

use super::{Done, cpus, pin};

/// Distance of touches: a base page.
const PAGE: usize = 4096;
/// Distance of touches on huge pages of x86-64 and of arm64 with 4 KiB pages.
const HUGE: usize = 2 << 20;

/// Options of the fault storm.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads; 0 is one for each CPU
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Memory of each, MiB
    #[arg(long, default_value_t = 64)]
    mib: usize,
    /// How often each touches all of it
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// With transparent huge pages
    #[arg(long)]
    thp: bool,
}

/// Touches all memory. The first round of each thread is not timed: it makes the page tables.
///
/// # Errors
/// There is not enough memory.
pub fn run(args: &Args) -> Result<Done> {
    let cpus = cpus()?;
    let threads = if args.threads == 0 {
        cpus.len()
    } else {
        args.threads
    };
    let start = Barrier::new(threads);
    let used = thread::scope(|scope| -> Result<Vec<(Duration, Duration)>> {
        let workers: Vec<_> = (0..threads)
            .map(|n| {
                let (start, cpu) = (&start, cpus[n % cpus.len()]);
                scope.spawn(move || worker(args, cpu, start))
            })
            .collect();
        let mut used = Vec::new();
        for worker in workers {
            used.push(worker.join().ok().context("a worker panicked")??);
        }
        Ok(used)
    })?;
    let step = if args.thp { HUGE } else { PAGE };
    let count = threads * args.rounds * (args.mib << 20) / step;
    let wall = used
        .iter()
        .map(|(wall, _)| *wall)
        .max()
        .context("no worker")?;
    let cpu = used.iter().map(|(_, cpu)| *cpu).sum();
    Done::new("fault", count as u64, (wall, cpu), threads as u64)
}

fn worker(args: &Args, cpu: usize, start: &Barrier) -> Result<(Duration, Duration)> {
    let ready = pin(cpu).and_then(|()| Memory::map(args.mib << 20, args.thp));
    if let Ok(memory) = &ready {
        memory.touch()?;
    }
    start.wait();
    let memory = ready?;
    let (begun, cpu) = (Instant::now(), own_time()?);
    for _ in 0..args.rounds {
        memory.touch()?;
    }
    Ok((begun.elapsed(), own_time()?.saturating_sub(cpu)))
}

/// Returns the CPU time of this thread.
fn own_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Anonymous memory.
struct Memory {
    map: *mut libc::c_void,
    mapped: usize,
    base: *mut u8,
    length: usize,
    step: usize,
}

impl Memory {
    fn map(length: usize, thp: bool) -> Result<Self> {
        // Room to begin at a huge page boundary.
        let mapped = length + HUGE;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let map = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        ensure!(
            map != libc::MAP_FAILED,
            "cannot map {length} bytes: {}",
            io::Error::last_os_error()
        );
        let advice = if thp {
            libc::MADV_HUGEPAGE
        } else {
            libc::MADV_NOHUGEPAGE
        };
        // SAFETY: advice on the mapping just made. A kernel without huge pages refuses it, and has
        // none to avoid.
        unsafe { libc::madvise(map, mapped, advice) };
        let base = map.cast::<u8>();
        Ok(Self {
            map,
            mapped,
            base: base.wrapping_add(base.align_offset(HUGE)),
            length,
            step: if thp { HUGE } else { PAGE },
        })
    }

    /// Gives all pages back and writes each again.
    fn touch(&self) -> Result<()> {
        // SAFETY: advice on this mapping, whose contents nobody needs.
        let failed = unsafe { libc::madvise(self.base.cast(), self.length, libc::MADV_DONTNEED) };
        ensure!(failed == 0, "madvise: {}", io::Error::last_os_error());
        for offset in (0..self.length).step_by(self.step) {
            // SAFETY: inside the mapping.
            unsafe { ptr::write_volatile(self.base.add(offset), 1) };
        }
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more.
        unsafe { libc::munmap(self.map, self.mapped) };
    }
}
