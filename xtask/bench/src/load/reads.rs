//! Page-cache reads: a file of holes is read through, dropped from the cache and read again. Holes
//! need no disk, so the time is the kernel's own: allocation, zeroing and copying.

use std::{
    fs::OpenOptions,
    io::{Read as _, Seek as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::{Done, Used};

/// Bytes of one read(2), and of one event.
const BLOCK: usize = 4096;

/// Options of the reads.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to make, on a disk; removed at the end
    #[arg(long)]
    path: PathBuf,
    /// Its size, MiB
    #[arg(long, default_value_t = 64)]
    mib: usize,
    /// How often it is read
    #[arg(long, default_value_t = 4)]
    rounds: usize,
}

/// Reads the file.
///
/// # Errors
/// The file cannot be made or read.
pub fn run(args: &Args) -> Result<Done> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&args.path)
        .with_context(|| format!("cannot create {}", args.path.display()))?;
    // Without a name the file goes with the process, however that ends.
    std::fs::remove_file(&args.path)?;
    let length = args.mib << 20;
    file.set_len(length as u64)?;
    let mut block = vec![0; BLOCK];
    let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..args.rounds {
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        file.rewind()?;
        let used = Used::from_here()?;
        for _ in 0..length / BLOCK {
            file.read_exact(&mut block)?;
        }
        let (for_these, cpu_for_these) = used.until_now()?;
        wall += for_these;
        cpu += cpu_for_these;
    }
    Done::new(
        "read",
        (args.rounds * length / BLOCK) as u64,
        (wall, cpu),
        1,
    )
}
