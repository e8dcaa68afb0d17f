//! Memory and CPU time of one file at a time: the kernel ends the process when a file exceeds them.

use std::{collections::HashMap, fs::File, io, os::unix::fs::FileExt, time::Duration};

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
    time::TimeValLike,
};

use crate::reader::{budget, lost::Lost};

/// Memory and CPU time that each file has used.
pub struct Limits {
    /// `/proc/self/statm`: nothing can be opened later.
    statm: File,
    page: u64,
    used: HashMap<u32, Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    memory: u64,
    cpu: Duration,
}

impl Limits {
    /// Sets the limits that stay.
    ///
    /// # Errors
    /// A limit cannot be set: without limits nothing is read.
    pub fn new() -> io::Result<Self> {
        // Where memory runs out, names go first. An error leaves the tracer's own score.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        let statm = File::open("/proc/self/statm")?;
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?;
        for (resource, most) in [
            (Resource::RLIMIT_CORE, 0),
            (Resource::RLIMIT_AS, budget::ADDRESS_SPACE),
            (Resource::RLIMIT_FSIZE, 2 * budget::MOST_READ),
            (Resource::RLIMIT_NOFILE, 4096),
            (Resource::RLIMIT_MEMLOCK, 0),
            (Resource::RLIMIT_NPROC, 0),
        ] {
            let (_, hard) = getrlimit(resource)?;
            setrlimit(resource, most.min(hard), most.min(hard))?;
        }
        Ok(Self {
            statm,
            page: page
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(4096),
            used: HashMap::new(),
        })
    }

    /// Does the work for a file of which `read` bytes are read, within what is left for that file.
    ///
    /// # Errors
    /// Nothing is left, or the work failed.
    pub fn within<T>(
        &mut self,
        number: u32,
        read: u64,
        work: impl FnOnce() -> Result<T, Lost>,
    ) -> Result<T, Lost> {
        let used = self.used.get(&number).copied().unwrap_or_default();
        let time = budget::cpu(read)
            .checked_sub(used.cpu)
            .filter(|left| !left.is_zero())
            .ok_or(Lost::TooLong)?;
        let memory = budget::memory(read).saturating_sub(used.memory);
        let (size, cpu) = (self.size()?, cpu_used());
        // The library's mapping of the copy counts as well.
        limit(Resource::RLIMIT_AS, size.saturating_add(memory))?;
        let seconds = cpu.as_secs().saturating_add(budget::CPU_SECONDS);
        limit(Resource::RLIMIT_CPU, seconds)?;
        set_timer(time)?;
        let done = work();
        set_timer(Duration::ZERO)?;
        limit(Resource::RLIMIT_AS, budget::ADDRESS_SPACE)?;
        let used = Used {
            memory: used.memory + self.size()?.saturating_sub(size),
            cpu: used.cpu + cpu_used().saturating_sub(cpu),
        };
        self.used.insert(number, used);
        done
    }

    /// Forgets a file.
    pub fn forget(&mut self, number: u32) {
        self.used.remove(&number);
    }

    /// Returns the size of the address space, bytes.
    fn size(&self) -> Result<u64, Lost> {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0).map_err(|_| Lost::Failed)?;
        let text = text
            .get(..length)
            .and_then(|text| str::from_utf8(text).ok());
        let pages = text.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Ok(pages.ok_or(Lost::Failed)?.saturating_mul(self.page))
    }
}

/// Sets a limit up to what was allowed at the start.
fn limit(resource: Resource, most: u64) -> Result<(), Lost> {
    let set = getrlimit(resource).and_then(|(_, hard)| setrlimit(resource, most.min(hard), hard));
    set.map_err(|_| Lost::Failed)
}

/// Returns the CPU time that this process has used.
fn cpu_used() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::MAX;
    };
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Ends this process after so much CPU time; zero: not any more. The limit of the kernel for CPU
/// time is in whole seconds.
fn set_timer(time: Duration) -> Result<(), Lost> {
    let value = libc::timeval {
        tv_sec: time.as_secs().try_into().unwrap_or(1),
        tv_usec: time.subsec_micros().into(),
    };
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: value,
    };
    // SAFETY: the kernel reads the timer, and writes nothing without a third argument.
    let set = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) };
    if set == 0 { Ok(()) } else { Err(Lost::Failed) }
}
