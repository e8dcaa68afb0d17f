//! `bounce`: a task that is sent from node to node by sched_setaffinity(2), a known number of
//! times.

use anyhow::Context;

use super::interleave::parse_nodes;
use crate::workload::nodes::pin;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Moves
    #[arg(long)]
    times: usize,
    /// The two nodes, as 0,1 [default: the first two with CPUs]
    #[arg(long, value_parser = parse_nodes)]
    nodes: Vec<Vec<u32>>,
    /// Two CPUs instead, as 0,1, whatever their nodes
    #[arg(long, value_delimiter = ',', conflicts_with = "nodes")]
    cpus: Vec<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    if !args.cpus.is_empty() {
        return between_cpus(args, scene);
    }
    let mut list: Vec<u32> = args.nodes.concat();
    if list.is_empty() {
        list = scene
            .nodes
            .online()
            .iter()
            .copied()
            .filter(|&node| !scene.nodes.cpus(node).is_empty())
            .take(2)
            .collect();
    }
    let [a, b] = list[..] else {
        return Err(Trouble::Unsupported(format!(
            "needs two nodes with CPUs, has {list:?}"
        )));
    };
    let online = scene.nodes.online();
    let at = |node| {
        online
            .iter()
            .position(|&n| n == node)
            .with_context(|| format!("node {node} is not online"))
    };
    let (at_a, at_b) = (at(a)?, at(b)?);
    let mut matrix = vec![vec![0u64; online.len()]; online.len()];
    let mut truth = scene.begin("bounce")?;
    let came_from = scene.nodes.here()?;
    scene.nodes.run_on(a)?;
    for i in 0..args.times {
        // Pinning waits until the task is there, and checks it.
        let (from, to, target) = if i % 2 == 0 {
            (at_a, at_b, b)
        } else {
            (at_b, at_a, a)
        };
        scene.nodes.run_on(target)?;
        matrix[from][to] += 1;
    }
    Scene::end(&mut truth)?;

    truth.detail("moves", args.times);
    truth.detail("first_pin_crossed", came_from != a);
    truth.detail("moves_matrix", serde_json::to_value(matrix)?);
    Ok(truth)
}

fn between_cpus(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let [a, b] = args.cpus[..] else {
        return Err(Trouble::Unsupported(format!(
            "needs two CPUs, was given {:?}",
            args.cpus
        )));
    };
    pin(&[a])?;
    let mut truth = scene.begin("bounce")?;
    for i in 0..args.times {
        // Pinning waits until the task is there.
        pin(&[if i % 2 == 0 { b } else { a }])?;
    }
    Scene::end(&mut truth)?;
    truth.detail("moves", args.times);
    Ok(truth)
}
