//! `cargo xtask vm`: one command as root in one guest.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::{
    LAB_FAILED,
    guest::{Guest, Outcome},
    initramfs::Put,
    kernel::{self, Kernel},
    layout::{self, Layout},
    quoted,
    verdict::Ending,
};
use crate::{build, toolchain};

/// Options of `cargo xtask vm`.
#[derive(Args, Debug)]
pub struct Options {
    /// Kernel: a series (6.1, 6.12, 7.3) or an exact version.
    #[arg(long, default_value = "6.12", value_name = "VERSION")]
    kernel: String,
    /// NUMA nodes: NODESxCPUS[:MEM], or CPUS:MEM for each node (2:512M,1:0,0:256M).
    #[arg(long, default_value = "2x2", value_name = "LAYOUT")]
    nodes: Layout,
    /// Memory of each node that has some.
    #[arg(long, value_name = "MEM", value_parser = layout::megabytes)]
    mem: Option<u64>,
    /// CPU topology in QEMU's words (sockets=1,cores=2,threads=2).
    #[arg(long, value_name = "TOPOLOGY")]
    smp: Option<String>,
    /// Words to add to the kernel's command line.
    #[arg(
        long,
        default_value = "",
        value_name = "WORDS",
        allow_hyphen_values = true
    )]
    append: String,
    /// Seconds after which the guest is ended.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    /// Add a file, to /root or to the given place.
    #[arg(long, value_name = "HOST[:GUEST]", value_parser = parse_put)]
    put: Vec<Put>,
    /// Bring back what the command leaves in /artifacts.
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// Give it an ext4 file system at /data.
    #[arg(long)]
    data: bool,
    /// Boot without building numatrace and the workload.
    #[arg(long)]
    bare: bool,
    /// Give it the kernel modules that tests load, at /lab/modules
    #[arg(long)]
    modules: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Boots the guest, runs the command and passes its status on; [`LAB_FAILED`] when there is none.
#[must_use]
pub fn run(options: Options) -> ExitCode {
    match try_run(options) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("xtask: {why:#}");
            ExitCode::from(LAB_FAILED)
        }
    }
}

fn try_run(options: Options) -> Result<ExitCode> {
    let mut files = options.put;
    let programs = match options.bare {
        true => None,
        false => Some(build::static_programs(&toolchain::ensure()?)?),
    };
    if let Some(programs) = &programs {
        files.extend(programs.put(&build::FOR_GUESTS)?);
    }
    let layout = match options.mem {
        Some(mb) => options.nodes.with_memory(mb)?,
        None => options.nodes,
    };
    let kernel = kernel::get(&options.kernel)?;
    let words: Vec<_> = options.command.iter().map(|word| quoted(word)).collect();
    let guest = Guest {
        kernel: &kernel,
        layout: &layout,
        smp: options.smp.as_deref(),
        append: &options.append,
        script: &format!("#!/bin/sh\nexec {}\n", words.join(" ")),
        files: &files,
        artifacts: options.artifacts.as_deref(),
        data: options.data,
        modules: options.modules,
        icount: false,
        timeout: Duration::from_secs(options.timeout),
    };
    let outcome = guest.run(&|| (Box::new(io::stdout()), Box::new(io::stderr())))?;
    Ok(print_outcome(&kernel, &layout, &outcome))
}

/// Prints on stderr how the guest ended, with the console's tail when it failed, and returns the
/// exit code.
pub fn print_outcome(kernel: &Kernel, layout: &Layout, outcome: &Outcome) -> ExitCode {
    let failed = !matches!(outcome.ending, Ending::Exited(_));
    if failed {
        eprintln!("{}", outcome.console_tail);
    }
    for line in outcome
        .report
        .notes
        .iter()
        .chain(&outcome.report.complaints)
    {
        eprintln!("xtask: guest: {line}");
    }
    eprintln!(
        "xtask: {kernel} {layout}: {} after {:.1} s",
        outcome.ending,
        outcome.took.as_secs_f64()
    );
    match outcome.ending {
        Ending::Exited(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        _ => ExitCode::from(LAB_FAILED),
    }
}

/// `HOST` or `HOST:GUEST`.
fn parse_put(text: &str) -> Result<Put> {
    let (from, to) = match text.split_once(':') {
        Some((from, to)) => (Path::new(from), PathBuf::from(to)),
        None => {
            let name = Path::new(text)
                .file_name()
                .context("no file name; try HOST:GUEST")?;
            (Path::new(text), Path::new("/root").join(name))
        }
    };
    ensure!(from.is_file(), "{} is no file", from.display());
    ensure!(
        to.is_absolute(),
        "{} is not absolute; the guest's place starts with /",
        to.display()
    );
    Ok(Put {
        from: from.to_owned(),
        to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_to_root_unless_said_otherwise() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let from = file.path().to_str().unwrap();
        let name = file.path().file_name().unwrap();
        assert_eq!(parse_put(from).unwrap().to, Path::new("/root").join(name));
        assert_eq!(
            parse_put(&format!("{from}:/bin/x")).unwrap().to,
            Path::new("/bin/x")
        );
        assert!(parse_put(&format!("{from}:bin/x")).is_err());
        assert!(parse_put("/nonexistent").is_err());
    }

    #[test]
    fn words_reach_the_guest_as_typed() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
