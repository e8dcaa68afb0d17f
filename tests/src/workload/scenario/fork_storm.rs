//! `fork-storm`: many children that live for a moment, a few at a time; each may touch pages or
//! execute a program.

use std::collections::VecDeque;
use std::ffi::CString;

use anyhow::{Context, Result};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork};

use crate::workload::memory::Region;
use crate::workload::processes::exit_now;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Children
    #[arg(long)]
    count: usize,
    /// Each child executes a program that ends at once
    #[arg(long)]
    exec: bool,
    /// Base pages each child writes
    #[arg(long, default_value_t = 1)]
    child_pages: usize,
    /// Children alive at the same time
    #[arg(long, default_value_t = 4)]
    at_once: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let region = Region::anonymous(args.child_pages)?;
    let mut pids: Vec<i32> = vec![-1; args.count];
    let mut alive = VecDeque::with_capacity(args.at_once);
    let program = CString::new(
        std::env::current_exe()?
            .into_os_string()
            .into_encoded_bytes(),
    )?;
    let words = [c"workload".to_owned(), c"nothing".to_owned()];

    let mut truth = scene.begin("fork-storm")?;
    let mut failed = 0;
    for slot in &mut pids {
        if alive.len() >= args.at_once.max(1)
            && let Some(oldest) = alive.pop_front()
        {
            failed += reap(oldest)?;
        }
        // SAFETY: the process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Parent { child } => {
                *slot = child.as_raw();
                alive.push_back(child);
            }
            ForkResult::Child => {
                region.write_all(0..args.child_pages);
                if args.exec {
                    let Err(error) = execv(&program, &words);
                    eprintln!(
                        "workload: cannot execute {}: {error}",
                        program.to_string_lossy()
                    );
                    exit_now(1);
                }
                exit_now(0);
            }
        }
    }
    for child in alive {
        failed += reap(child)?;
    }
    Scene::end(&mut truth)?;

    truth.expect(failed == 0, || {
        format!("{failed} of {} children failed", args.count)
    });
    truth.detail("child_pids", pids);
    truth.detail("exec", args.exec);
    truth.detail("child_pages", args.child_pages);
    Ok(truth)
}

/// Waits for one child. Returns 1 when it did not end well.
fn reap(child: Pid) -> Result<usize> {
    Ok(usize::from(!matches!(
        waitpid(child, None)?,
        WaitStatus::Exited(_, 0)
    )))
}

/// Runs in an executed child: ends without printing a truth, unlike every other subcommand.
pub fn nothing() -> ! {
    exit_now(0)
}
