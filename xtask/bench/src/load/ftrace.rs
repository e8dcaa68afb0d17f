//! ftrace as a peer: an event switched on in an instance of its own, with a reader that throws the
//! records away, or without one.

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
    /// Read the records
    #[arg(long)]
    reader: bool,
}

/// Records until stdin closes.
///
/// # Errors
/// tracefs is not mounted, or this user may not use it.
pub fn run(args: &Args) -> Result<()> {
    let instance = Instance::make()?;
    let event = instance.0.join("events").join(&args.event);
    fs::write(event.join("enable"), "1")
        .with_context(|| format!("cannot switch {} on", args.event))?;
    let mut reader = args.reader.then(|| instance.pipe()).transpose()?;
    let mut buffer = vec![0; 1 << 20];
    until_eof::hold(|| {
        if let Some(pipe) = &mut reader {
            // An empty pipe is reported as an error here, and is no failure.
            while pipe
                .read(&mut buffer)
                .is_ok_and(|read| read == buffer.len())
            {}
        }
        Ok(())
    })
}

/// The folder of instances, each named after its maker.
const INSTANCES: &str = "/sys/kernel/tracing/instances";
const PREFIX: &str = "numatrace-bench-";

struct Instance(PathBuf);

impl Instance {
    fn make() -> Result<Self> {
        remove_orphans();
        let name = format!("{PREFIX}{}", std::process::id());
        let path = Path::new(INSTANCES).join(name);
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
        remove(&self.0);
    }
}

fn remove(instance: &Path) {
    if let Err(error) = fs::remove_dir(instance) {
        eprintln!("cannot remove {}: {error}", instance.display());
    }
}

/// Removes instances that killed makers left behind: such an instance goes on recording, and would
/// slow everything that is measured from then on.
fn remove_orphans() {
    let Ok(entries) = fs::read_dir(INSTANCES) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}
