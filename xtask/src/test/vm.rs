//! The VM tier: the `kernel` test program in a guest for each kernel and node layout.

use std::{fs, io, path::Path, sync::mpsc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    contract,
    tally::{Counted, Tally},
};
use crate::{
    build,
    toolchain::Toolchain,
    vm::{
        guest::Guest,
        kernel::{self, Kernel},
        layout,
        lines::Sink,
        numastat,
        qemu::Qemu,
        quoted, redis,
        verdict::Ending,
    },
    workspace,
};

/// The oldest supported kernel and the newest that Debian has, between which most differences show.
const DEFAULT_KERNELS: &str = "6.1,7.3";

/// Groups of tests that take minutes, or that wait for the balancer or the scheduler to act in
/// their own time: left out unless the whole tier is asked for, or a filter names them.
const LONG: [&str; 19] = [
    "audit::five_thousand",
    "balancer::",
    "chaos::",
    "fix_trials::",
    "fixes::",
    "hint_fault::",
    "hotplug::",
    "mappings::",
    "mixed::",
    "page_cache_fixes::",
    "pid_reuse::",
    "stat::",
    "storm::",
    "surprise::",
    "task_move_chosen::",
    "task_move_ext::",
    "task_move_numa::",
    "task_move_verified::",
    "task_move_pushed::",
];

/// Groups of tests about what is made of records and counts on any kernel: run on the last of
/// several kernels only, unless the whole tier is asked for, or a filter names them.
const ONCE: [&str; 8] = [
    "broken::",
    "diff::",
    "events::",
    "incident::",
    "interval::",
    "record::",
    "top::",
    "top_truth::",
];

/// Options of the VM tier.
#[derive(Args, Debug)]
pub struct Guests {
    /// Kernels of the vm tier: series or versions, or `all` that the mirror has.
    #[arg(long, value_name = "LIST", default_value = DEFAULT_KERNELS)]
    kernel: String,
    /// Node layouts of the vm tier, each run on each kernel.
    #[arg(long, value_name = "LIST", default_value = "2x2")]
    nodes: String,
    /// CPU topology of the guests in QEMU's words: sockets=2,cores=2 splits a node of four CPUs
    /// into two L3 caches.
    #[arg(long, value_name = "TOPOLOGY")]
    smp: Option<String>,
    /// The long tests of the vm tier too.
    #[arg(long)]
    whole: bool,
    /// Seconds after which a guest is ended.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,
}

impl Guests {
    /// Returns the options for these kernels and layouts.
    pub fn new(kernel: &str, nodes: &str, timeout: u64) -> Self {
        Self {
            kernel: kernel.to_owned(),
            nodes: nodes.to_owned(),
            smp: None,
            whole: false,
            timeout,
        }
    }

    /// Returns the options with a CPU topology, as QEMU's `-smp` has it.
    pub fn with_topology(self, smp: Option<&str>) -> Self {
        Self {
            smp: smp.map(str::to_owned),
            ..self
        }
    }
}

/// Gets QEMU and the kernels, so that a tier that cannot run is found before anything is built.
///
/// # Errors
/// One of them cannot be had.
pub fn prepare(options: &Guests) -> Result<()> {
    layout::parse_list(&options.nodes)?;
    Qemu::get()?;
    kernels(options).map(drop)
}

fn kernels(options: &Guests) -> Result<Vec<Kernel>> {
    if options.kernel == "all" {
        return kernel::all_series()?
            .iter()
            .map(|series| kernel::get(series))
            .collect();
    }
    options.kernel.split(',').map(kernel::get).collect()
}

/// Runs the tests in every guest; each gets a verdict line.
///
/// # Errors
/// Something did not build, or a guest could not be started.
pub fn run(options: &Guests, filters: &[String], toolchain: &Toolchain) -> Result<Tally> {
    run_with(options, filters, "", toolchain, &mut |_, _, _| Ok(()))
}

/// Runs the tests with more in their environment (`NAME=value …`), and calls `left` with kernel,
/// layout and folder of each guest's artifacts.
///
/// # Errors
/// As [`run`], and the error of `left`.
pub fn run_with(
    options: &Guests,
    filters: &[String],
    environment: &str,
    toolchain: &Toolchain,
    left: &mut dyn FnMut(&str, &str, &Path) -> Result<()>,
) -> Result<Tally> {
    let programs = build::static_programs(toolchain)?;
    let mut files = programs.put(&build::FOR_GUESTS)?;
    files.extend(programs.put(&[("kernel", "kernel-tests")])?);
    match numastat::files() {
        Ok(theirs) => files.extend(theirs),
        Err(why) => eprintln!(
            "xtask: guests have no numastat to compare with, and no numactl to try fixes with: \
             {why:#}"
        ),
    }
    match redis::files() {
        Ok(theirs) => files.extend(theirs),
        Err(why) => eprintln!("xtask: guests have no redis-server to trace: {why:#}"),
    }
    let mut total = Tally::default();
    let mut verdicts = Vec::new();
    let kernels = kernels(options)?;
    for (index, kernel) in kernels.iter().enumerate() {
        let chosen = chosen(options, filters, index + 1 == kernels.len());
        println!("vm: {kernel}: {}", chosen.description);
        let script = format!(
            "#!/bin/sh\n\
             export NUMATRACE_BIN=/usr/local/bin/numatrace\n\
             export NUMATRACE_WORKLOAD=/usr/local/bin/workload\n\
             export NUMATRACE_ARTIFACTS=/artifacts RUST_BACKTRACE=1 {environment}\n\
             exec kernel-tests --test-threads=1 {}\n",
            chosen.arguments
        );
        let modules = match kernel.modules() {
            Ok(_) => true,
            Err(why) => {
                eprintln!("xtask: tests in guests have no modules to load: {why:#}");
                false
            }
        };
        for layout in layout::parse_list(&options.nodes)? {
            println!("vm: {kernel} {layout}");
            let kept = workspace::lab().join("artifacts");
            fs::create_dir_all(&kept)?;
            // A folder of its own until the end: another command may test the same guest.
            let artifacts = tempfile::tempdir_in(&kept)?;
            let place = kept.join(format!("{kernel}-{layout}"));
            let guest = Guest {
                kernel,
                layout: &layout,
                smp: options.smp.as_deref(),
                append: "",
                script: &script,
                files: &files,
                artifacts: Some(artifacts.path()),
                data: true,
                modules,
                icount: false,
                timeout: Duration::from_secs(options.timeout),
            };
            let (verdict, mut tally) = one(&guest)?;
            tally += contract::check(artifacts.path(), &place, filters.is_empty())?;
            left(&kernel.to_string(), &layout.to_string(), artifacts.path())?;
            if place.exists() {
                fs::remove_dir_all(&place)?;
            }
            fs::rename(artifacts.keep(), &place)?;
            let word = if tally.failed == 0 { "PASS" } else { "FAIL" };
            verdicts.push(format!("vm: {word} {kernel} {layout}: {tally}, {verdict}"));
            total += tally;
        }
    }
    verdicts.iter().for_each(|line| println!("{line}"));
    Ok(total)
}

/// The tests that a guest runs.
struct Chosen {
    /// Arguments of the test program.
    arguments: String,
    /// The choice in words, for the terminal.
    description: String,
}

fn chosen(options: &Guests, filters: &[String], is_last: bool) -> Chosen {
    if !filters.is_empty() {
        let quoted: Vec<String> = filters.iter().map(|filter| quoted(filter)).collect();
        return Chosen {
            arguments: quoted.join(" "),
            description: format!("tests of {}", filters.join(" ")),
        };
    }
    if options.whole {
        return Chosen {
            arguments: String::new(),
            description: "all tests".to_owned(),
        };
    }
    let once = if is_last { [].as_slice() } else { &ONCE };
    let left_out = [LONG.as_slice(), once].concat();
    Chosen {
        arguments: left_out
            .iter()
            .map(|group| format!("--skip {group}"))
            .collect::<Vec<_>>()
            .join(" "),
        description: format!("left out, --whole runs them: {}", left_out.join(" ")),
    }
}

/// Boots one guest and counts its tests; a fault that its kernel found in itself is a failure of
/// its own.
fn one(guest: &Guest<'_>) -> Result<(String, Tally)> {
    let (sender, receiver) = mpsc::channel();
    let sinks = || -> (Sink, Sink) {
        (
            Box::new(Counted::reporting(io::stdout(), sender.clone())),
            Box::new(Counted::reporting(io::stderr(), sender.clone())),
        )
    };
    let outcome = guest.run(&sinks).context("the lab could not run a guest")?;
    drop(sender);
    // Both writers are gone once the guest has ended, so this ends too.
    let tally = receiver.iter().fold(Tally::default(), std::ops::Add::add);
    let mut tally = tally.settled(outcome.ending == Ending::Exited(0));
    if !matches!(outcome.ending, Ending::Exited(_)) {
        println!("{}", outcome.console_tail);
    }
    for line in outcome
        .report
        .notes
        .iter()
        .chain(&outcome.report.complaints)
    {
        println!("vm: guest: {line}");
    }
    if outcome.report.kernel_fault() {
        tally += Tally::new(0, 1);
    }
    Ok((
        format!(
            "{} after {:.0} s",
            outcome.ending,
            outcome.took.as_secs_f64()
        ),
        tally,
    ))
}
