//! `cargo xtask demo`: memory on the wrong node of a two-node guest, and the report that shows it.

use std::{io, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    build,
    toolchain::Toolchain,
    vm::{command, guest::Guest, kernel, layout::Layout},
};

/// The kernel that is fetched when the cache has none: Debian's current long-term series.
const FIRST_KERNEL: &str = "6.12";
/// Fills 64 MiB from a thread on node 0; the memory lies on node 1.
const SCRIPT: &str = "#!/bin/sh\n\
    numatrace trace -o report -- \
    workload bind --node 1 --cpu-node 0 --pages 16384 >truth.json && cat report\n";

/// Boots the guest and prints its report.
///
/// # Errors
/// Something does not build, or the guest cannot be started.
pub fn run(toolchain: &Toolchain) -> Result<ExitCode> {
    let programs = build::static_programs(toolchain)?;
    let files = programs.put(&build::FOR_GUESTS)?;
    let kernel = match kernel::newest_cached()? {
        Some(kernel) => kernel,
        None => kernel::get(FIRST_KERNEL)?,
    };
    let layout = Layout::two_nodes();
    eprintln!(
        "xtask: a guest with two nodes and Linux {kernel}: \
         a thread on node 0 fills 64 MiB that lie on node 1"
    );
    let guest = Guest {
        kernel: &kernel,
        layout: &layout,
        smp: None,
        append: "",
        script: SCRIPT,
        files: &files,
        artifacts: None,
        data: false,
        modules: false,
        icount: false,
        timeout: Duration::from_secs(120),
    };
    let outcome = guest
        .run(&|| (Box::new(io::stdout()), Box::new(io::stderr())))
        .context("the lab could not run a guest")?;
    Ok(command::print_outcome(&kernel, &layout, &outcome))
}
