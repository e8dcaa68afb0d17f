//! ftrace as a peer: an event on in an instance of its own, with a reader that throws it away, or without one.

use std::{
    fs::{self, File},
    io::Read as _,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::until_eof;

/// Options of `ftrace`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The event, `kmem/mm_page_alloc`
    event: String,
    /// Read what is recorded
    #[arg(long)]
    reader: bool,
}

/// Records until stdin closes.
///
/// # Errors
/// tracefs is not mounted or not ours.
pub fn run(args: &Args) -> Result<()> {
    let instance = Instance::make()?;
    let event = instance.0.join("events").join(&args.event);
    fs::write(event.join("enable"), "1")
        .with_context(|| format!("cannot switch {} on", args.event))?;
    let mut reader = args.reader.then(|| instance.pipe()).transpose()?;
    let mut buffer = vec![0; 1 << 20];
    until_eof::hold(|| {
        if let Some(pipe) = &mut reader {
            // Empty is an error of its own kind here, and no trouble.
            while pipe
                .read(&mut buffer)
                .is_ok_and(|read| read == buffer.len())
            {}
        }
        Ok(())
    })
}

struct Instance(PathBuf);

impl Instance {
    fn make() -> Result<Self> {
        let name = format!("numatrace-bench-{}", std::process::id());
        let path = Path::new("/sys/kernel/tracing/instances").join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn pipe(&self) -> Result<File> {
        let pipe = File::open(self.0.join("trace_pipe"))?;
        fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(pipe)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
