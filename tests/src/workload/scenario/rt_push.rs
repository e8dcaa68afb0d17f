//! `rt-push`: a real-time thread that may run on one CPU of each of two nodes is pushed from one to
//! the other, by real-time threads of higher priority that are bound to these CPUs and run in turn.

use std::hint::black_box;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::sched_getcpu;
use nix::unistd::gettid;

use crate::workload::nodes::pin;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pushes, at most
    #[arg(long)]
    times: u64,
    /// The two nodes
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<u32>,
}

/// How long a push may take to show.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let [a, b] = args.nodes[..] else {
        return Err(Trouble::Unsupported("needs two nodes".to_owned()));
    };
    let cpu = |node: u32| -> Result<u32, Trouble> {
        let last = scene.nodes.cpus(node).last().copied();
        last.ok_or_else(|| Trouble::Unsupported(format!("node {node} has no CPU")))
    };
    let (x, y) = (cpu(a)?, cpu(b)?);
    let mut truth = scene.begin("rt-push")?;
    let (at, end) = (AtomicU64::new(u64::MAX), AtomicBool::new(false));
    let (turn_x, mut call_x) = pipe().map_err(anyhow::Error::from)?;
    let (turn_y, mut call_y) = pipe().map_err(anyhow::Error::from)?;
    let (done, say_done) = pipe().map_err(anyhow::Error::from)?;
    let say_too = say_done.try_clone().map_err(anyhow::Error::from)?;
    let (low, pushed) = thread::scope(|scope| -> Result<(u32, u64)> {
        let low = scope.spawn(|| pushed_about(&[x, y], &at, &end));
        let at = &at;
        let high = [
            scope.spawn(move || pusher(x, at, turn_x, say_done)),
            scope.spawn(move || pusher(y, at, turn_y, say_too)),
        ];
        let mut done = done;
        let mut pushed = 0;
        let mut turns = || -> Result<()> {
            let begun = Instant::now();
            while at.load(Ordering::Relaxed) == u64::MAX {
                ensure!(
                    begun.elapsed() < PATIENCE,
                    "the thread to be pushed did not start"
                );
                thread::yield_now();
            }
            for _ in 0..args.times {
                let here = at.load(Ordering::Relaxed);
                let call = if here == u64::from(x) {
                    &mut call_x
                } else {
                    &mut call_y
                };
                call.write_all(&[1])?;
                let mut byte = [0];
                done.read_exact(&mut byte)?;
                pushed += u64::from(byte[0]);
            }
            Ok(())
        };
        let turned = turns();
        end.store(true, Ordering::Relaxed);
        drop((call_x, call_y));
        let low = low.join().map_err(|_| anyhow!("the thread panicked"))??;
        for thread in high {
            thread.join().map_err(|_| anyhow!("a pusher panicked"))??;
        }
        turned?;
        Ok((low, pushed))
    })?;
    Scene::end(&mut truth)?;
    truth.tids = vec![low];
    truth.detail("pushed", pushed);
    Ok(truth)
}

/// Runs wherever the scheduler puts it, and publishes its CPU.
fn pushed_about(cpus: &[u32], at: &AtomicU64, end: &AtomicBool) -> Result<u32> {
    pin(cpus)?;
    real_time(10)?;
    while !end.load(Ordering::Relaxed) {
        at.store(u64::try_from(sched_getcpu()?)?, Ordering::Relaxed);
        for number in 0..1000u32 {
            black_box(number);
        }
    }
    Ok(u32::try_from(gettid().as_raw())?)
}

/// Takes its CPU at each call until the other thread has left it, and returns whether it did.
fn pusher(cpu: u32, at: &AtomicU64, mut turn: PipeReader, mut say: PipeWriter) -> Result<()> {
    pin(&[cpu])?;
    real_time(20)?;
    let mut byte = [0];
    while turn.read(&mut byte)? == 1 {
        let begun = Instant::now();
        while at.load(Ordering::Relaxed) == u64::from(cpu) && begun.elapsed() < PATIENCE {
            black_box(());
        }
        let left = at.load(Ordering::Relaxed) != u64::from(cpu);
        say.write_all(&[u8::from(left)])?;
    }
    Ok(())
}

/// Gives the calling thread a real-time priority, first in, first out.
fn real_time(priority: i32) -> Result<()> {
    // Past the C library: musl refuses the call, because POSIX means processes by it. SAFETY: the
    // kernel's struct sched_param is one int, which lives through the call; 0 is the calling
    // thread.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_FIFO,
            &raw const priority,
        )
    };
    if done != 0 {
        return Err(std::io::Error::last_os_error()).context("no real-time priority");
    }
    Ok(())
}
