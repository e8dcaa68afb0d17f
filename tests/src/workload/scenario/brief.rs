//! `brief`: children that each map a file of their own, write it, and end before anybody can read
//! their `/proc/PID/maps`.

use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::workload::memory::{Region, page_size};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for the files; they are removed at the end
    #[arg(long)]
    folder: PathBuf,
    /// Children
    #[arg(long)]
    count: usize,
    /// Base pages of each file
    #[arg(long)]
    pages: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let mut truth = scene.begin("brief")?;
    let mut children = Vec::new();
    for number in 0..args.count {
        let path = args
            .folder
            .join(format!("brief-{}-{number}", std::process::id()));
        let helper = Helper::fork(|| write(&path, args.pages))?;
        let pid = helper.pid()?;
        helper.finish::<usize>()?;
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        children.push((pid, path.display().to_string()));
    }
    Scene::end(&mut truth)?;
    truth.detail("children", serde_json::json!(children));
    Ok(truth)
}

fn write(path: &Path, pages: usize) -> Result<usize, Trouble> {
    let mut how = OpenOptions::new();
    let file = how
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.set_len((pages * page_size()) as u64)
        .context("cannot give it a length")?;
    let region = Region::file(pages, file.as_fd())?;
    region.write_all(0..pages);
    Ok(pages)
}
