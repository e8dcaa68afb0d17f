//! `low-memory`: loads a driver for a device that takes addresses below 4 GiB only. It allocates
//! memory for the device at once, on behalf of the process that loads it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// The driver's module behind those that it needs, in the order of loading (`cargo xtask vm
/// --modules`).
const MODULES: &str = "/lab/modules/ata";
/// Channels of the device, each with a page of its own.
const CHANNELS: u64 = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run on a CPU of this node
    #[arg(long)]
    cpu_node: u32,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.cpu_node)?;
    let mut modules: Vec<PathBuf> = fs::read_dir(MODULES)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| Trouble::Unsupported(format!("no {MODULES}: {error}")))?;
    modules.sort();
    let Some(driver) = modules.pop() else {
        return Err(Trouble::Unsupported(format!("{MODULES} is empty")));
    };
    for module in modules {
        load(&module)?;
    }
    let mut truth = scene.begin("low-memory")?;
    load(&driver)?;
    Scene::end(&mut truth)?;
    let name = driver.display().to_string();
    truth.expect(
        fs::exists("/sys/bus/pci/drivers/ata_piix").unwrap_or(false),
        || format!("{name} is no driver of a PCI device"),
    );
    truth.detail("channels", CHANNELS);
    Ok(truth)
}

/// Loads a module, unless it is there already.
fn load(module: &Path) -> Result<(), Trouble> {
    let file = File::open(module).with_context(|| module.display().to_string())?;
    // SAFETY: the descriptor is open, and the kernel only reads the empty string.
    let done = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    let error = io::Error::last_os_error();
    if done != 0 && error.raw_os_error() != Some(libc::EEXIST) {
        return Err(anyhow!("cannot load {}: {error}", module.display()).into());
    }
    Ok(())
}
