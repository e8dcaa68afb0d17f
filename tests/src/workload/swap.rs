//! Swap space in compressed memory (Documentation/admin-guide/blockdev/zram.rst): the kernel
//! allocates pages for what it swaps out.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workload::trouble::Trouble;

/// Modules of guests, in the order of loading (`cargo xtask vm --modules`).
const MODULES: &str = "/lab/modules/zram";

/// Swap space on `/dev/zram0`. On drop it is given back; the module stays.
#[derive(Debug)]
pub struct Swap;

impl Swap {
    const DISK: &str = "/sys/block/zram0";
    const DEVICE: &str = "/dev/zram0";

    /// Makes swap space of so many bytes, the only one of the machine.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] where the kernel has no zram, or it is in use.
    pub fn compressed(bytes: u64) -> Result<Self, Trouble> {
        if !Path::new(Self::DISK).exists() {
            load()?;
        }
        let size = Path::new(Self::DISK).join("disksize");
        if let Err(error) = fs::write(&size, bytes.to_string()) {
            return Err(Trouble::Unsupported(format!("no zram: {error}")));
        }
        let swap = Self;
        let made = Command::new("mkswap").arg(Self::DEVICE).output();
        let made = made.context("mkswap")?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(anyhow::anyhow!("mkswap: {said}").into());
        }
        let device = CString::new(Self::DEVICE).context("a path")?;
        // SAFETY: the path ends with 0, and the kernel only reads it.
        if unsafe { libc::swapon(device.as_ptr(), 0) } != 0 {
            return Err(anyhow::Error::from(io::Error::last_os_error())
                .context("swapon")
                .into());
        }
        Ok(swap)
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        if let Ok(device) = CString::new(Self::DEVICE) {
            // SAFETY: as in swapon. A device without swap space is refused, which does not matter.
            unsafe { libc::swapoff(device.as_ptr()) };
        }
        let _ = fs::write(Path::new(Self::DISK).join("reset"), "1");
    }
}

/// Loads zram and what it needs.
fn load() -> Result<(), Trouble> {
    let Ok(entries) = fs::read_dir(MODULES) else {
        return Err(Trouble::Unsupported("no zram".to_owned()));
    };
    let mut modules: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    modules.sort();
    for module in modules {
        let loaded = Command::new("insmod").arg(&module).output();
        let loaded = loaded.context("insmod")?;
        let said = String::from_utf8_lossy(&loaded.stderr).into_owned();
        let is_there = said.contains("File exists");
        if !loaded.status.success() && !is_there {
            return Err(Trouble::Unsupported(format!("no zram: {said}")));
        }
    }
    Ok(())
}
