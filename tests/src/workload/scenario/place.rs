//! `place`: on a node whose CPUs are all busy, children that may run anywhere are forked or call
//! exec, and the scheduler places them elsewhere.

use std::ffi::CString;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, execv, fork};

use crate::workload::nodes::pin;
use crate::workload::processes::{Helper, exit_now};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// The moment at which the scheduler is to place a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum At {
    /// At its birth.
    Fork,
    /// When it executes a program.
    Exec,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// When the scheduler is to place a child
    #[arg(long, value_enum)]
    at: At,
    /// The busy node
    #[arg(long)]
    node: u32,
    /// Children, one after the other
    #[arg(long)]
    count: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let cpus = scene.nodes.cpus(args.node).to_vec();
    scene.nodes.run_on(args.node)?;
    let program = CString::new(
        std::env::current_exe()?
            .into_os_string()
            .into_encoded_bytes(),
    )
    .context("a program with a zero in its name")?;
    let words = [c"workload".to_owned(), c"nothing".to_owned()];
    let mut truth = scene.begin("place")?;
    // In a process of their own, since a process that forks must have one thread.
    let hogs = Helper::fork(|| {
        busy(&cpus)?;
        Ok(())
    })?;
    for _ in 0..args.count {
        // Back to the busy node, and free to leave it from the next instruction on.
        scene.nodes.run_on(args.node)?;
        if args.at == At::Fork {
            scene.nodes.run_anywhere()?;
        }
        // SAFETY: the process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Parent { child } => {
                let ended = waitpid(child, None).context("cannot wait for a child")?;
                truth.expect(ended == WaitStatus::Exited(child, 0), || {
                    format!("a child ended with {ended:?}")
                });
            }
            ForkResult::Child => {
                let done = match args.at {
                    At::Fork => Ok(()),
                    At::Exec => scene.nodes.run_anywhere().and_then(|()| {
                        let Err(error) = execv(&program, &words);
                        Err(error.into())
                    }),
                };
                if let Err(error) = &done {
                    eprintln!("workload: in child {}: {error:#}", std::process::id());
                }
                exit_now(i32::from(done.is_err()))
            }
        }
    }
    let hogs_pid = hogs.pid()?;
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(hogs_pid).context("a large pid")?),
        nix::sys::signal::Signal::SIGKILL,
    )
    .context("cannot end the busy threads")?;
    // The child was killed, so it returns nothing.
    let _ = hogs.finish::<()>();
    Scene::end(&mut truth)?;
    truth.detail("children", args.count);
    truth.detail("hogs_pid", hogs_pid);
    Ok(truth)
}

/// Keeps each CPU busy with two threads, until killed.
fn busy(cpus: &[u32]) -> Result<()> {
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        for cpu in cpus.iter().chain(cpus) {
            let end = &end;
            scope.spawn(move || {
                // A thread that cannot be pinned keeps another CPU busy, which is load as well.
                let _ = pin(&[*cpu]);
                let mut number = 1u64;
                while !end.load(Ordering::Relaxed) {
                    number = black_box(number.wrapping_mul(6_364_136_223_846_793_005));
                }
            });
        }
    });
    Ok(())
}
