//! `relay`: a thread that may run anywhere is woken in turn by a thread on one node and a thread on
//! another, through pipes.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;

use anyhow::{Result, anyhow};
use nix::unistd::gettid;

use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often each of the two wakes it
    #[arg(long)]
    rounds: u64,
    /// The two nodes
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let [a, b] = args.nodes[..] else {
        return Err(Trouble::Unsupported("needs two nodes".to_owned()));
    };
    let mut truth = scene.begin("relay")?;
    let nodes = &scene.nodes;
    let rounds = args.rounds;
    let (mut woken, wake) = pipe().map_err(anyhow::Error::from)?;
    let (turn_a, mut call_a) = pipe().map_err(anyhow::Error::from)?;
    let (turn_b, mut call_b) = pipe().map_err(anyhow::Error::from)?;
    let waker = |node: u32, mut turn: PipeReader, mut wake: PipeWriter| -> Result<(), Trouble> {
        nodes.run_on(node)?;
        let mut byte = [0];
        for _ in 0..rounds {
            turn.read_exact(&mut byte).map_err(anyhow::Error::from)?;
            wake.write_all(&byte).map_err(anyhow::Error::from)?;
        }
        Ok(())
    };
    let wake_too = wake.try_clone().map_err(anyhow::Error::from)?;
    let sleeper = thread::scope(|scope| -> Result<u32, Trouble> {
        let wakers = [
            scope.spawn(move || waker(a, turn_a, wake)),
            scope.spawn(move || waker(b, turn_b, wake_too)),
        ];
        let sleeper = scope.spawn(move || -> Result<u32> {
            let mut byte = [0];
            for _ in 0..rounds {
                for call in [&mut call_a, &mut call_b] {
                    call.write_all(&[1])?;
                    woken.read_exact(&mut byte)?;
                }
            }
            Ok(u32::try_from(gettid().as_raw())?)
        });
        for waker in wakers {
            waker.join().map_err(|_| anyhow!("a waker panicked"))??;
        }
        let slept = sleeper
            .join()
            .map_err(|_| anyhow!("the sleeper panicked"))?;
        Ok(slept?)
    })?;
    Scene::end(&mut truth)?;
    truth.tids = vec![sleeper];
    truth.detail("wakeups", 2 * rounds);
    Ok(truth)
}
