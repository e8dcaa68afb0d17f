//! `interleave`: pages spread over nodes by policy, evenly or by the machine's weights.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Write, pipe};

use anyhow::{Context, Result};

use crate::workload::memory::{Region, page_size};
use crate::workload::nodes::parse_list;
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Nodes, as 0-1,3
    #[arg(long, value_parser = parse_nodes)]
    nodes: Vec<Vec<u32>>,
    /// By the weights of /sys/kernel/mm/mempolicy (kernel 6.9 or later)
    #[arg(long)]
    weighted: bool,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
    /// Also fill pipes with so many pages under the same policy: memory that the kernel cannot move
    #[arg(long, default_value_t = 0)]
    in_pipes: usize,
}

/// A node list as one value: clap would split a plain `Vec<u32>`.
pub fn parse_nodes(text: &str) -> Result<Vec<u32>> {
    parse_list(text)
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let list: Vec<u32> = args.nodes.concat();
    for &node in &list {
        scene.nodes.memory(node)?;
    }
    let weights = list
        .iter()
        .map(|&node| Ok((node, if args.weighted { weight(node)? } else { 1 })))
        .collect::<Result<BTreeMap<_, _>, Trouble>>()?;
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let region = Region::anonymous(args.pages)?;
    policy::set(
        &region,
        if args.weighted {
            Mode::WeightedInterleave
        } else {
            Mode::Interleave
        },
        &list,
    )?;

    let mut truth = scene.begin("interleave")?;
    region.write_all(0..args.pages);
    let pipes = if args.in_pipes > 0 {
        policy::set_thread(Mode::Interleave, &list)?;
        fill_pipes(args.in_pipes)?
    } else {
        Vec::new()
    };
    Scene::end(&mut truth)?;
    drop(pipes);

    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    let all: u64 = weights.values().sum();
    for (&node, &weight) in &weights {
        let at = scene
            .nodes
            .online()
            .iter()
            .position(|&n| n == node)
            .context("node went offline")?;
        let (has, share) = (found.per_node[at], args.pages as u64 * weight / all);
        // Pages of the last, unfinished round may lie on any of the nodes.
        truth.expect(has.abs_diff(share) <= weight, || {
            format!("node {node} has {has} pages, its share is {share}")
        });
    }
    truth.detail("task_node", task_node);
    truth.detail("weighted", args.weighted);
    truth.detail(
        "weights",
        list.iter().map(|node| weights[node]).collect::<Vec<_>>(),
    );
    Ok(truth)
}

/// Returns pipes that hold so many pages, sixteen each, as the kernel makes them.
fn fill_pipes(pages: usize) -> Result<Vec<(PipeReader, PipeWriter)>> {
    const EACH: usize = 16;
    let page = vec![1u8; page_size()];
    let mut pipes = Vec::new();
    for at in 0..pages {
        if at % EACH == 0 {
            pipes.push(pipe().context("cannot make a pipe")?);
        }
        if let Some((_, into)) = pipes.last_mut() {
            into.write_all(&page)?;
        }
    }
    Ok(pipes)
}

fn weight(node: u32) -> Result<u64, Trouble> {
    let path = format!("/sys/kernel/mm/mempolicy/weighted_interleave/node{node}");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Trouble::Unsupported(format!("no weighted interleave, {path}: {error}"))
    })?;
    Ok(text
        .trim()
        .parse()
        .with_context(|| format!("{path} holds {text:?}"))?)
}
