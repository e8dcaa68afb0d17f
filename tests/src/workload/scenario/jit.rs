//! `jit`: code that is made at run time touches memory, and a perf map names it, as compilers of
//! managed languages do.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
}

/// `void fill(char *memory, long pages)` with a frame pointer: writes a byte of each of so many
/// pages of 4 kB.
#[rustfmt::skip]
const CODE: [u8; 21] = [
    0x55,                                     // push rbp
    0x48, 0x89, 0xe5,                         // mov rbp, rsp
    0xc6, 0x07, 0x01,                         // next: mov byte [rdi], 1
    0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, // add rdi, 4096
    0x48, 0xff, 0xce,                         // dec rsi
    0x75, 0xf1,                               // jnz next
    0x5d,                                     // pop rbp
    0xc3,                                     // ret
];

/// The function's name in the perf map.
const NAME: &str = "jitted::fill(char*, long)";

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    if !cfg!(target_arch = "x86_64") || page_size() != 4096 {
        return Err(Trouble::Unsupported("its code is for x86-64".to_owned()));
    }
    let length = NonZeroUsize::new(page_size()).context("no pages")?;
    let how = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let code = unsafe { mmap_anonymous(None, length, how, MapFlags::MAP_PRIVATE) }
        .context("cannot map memory for code")?;
    // SAFETY: the mapping is longer than the code, and nothing else refers to it.
    unsafe { std::ptr::copy_nonoverlapping(CODE.as_ptr(), code.as_ptr().cast(), CODE.len()) };
    let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
    let mut map = std::fs::File::create(&path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    writeln!(map, "{:x} {:x} {NAME}", code.as_ptr() as usize, CODE.len())
        .context("cannot write the map")?;
    let region = Region::anonymous(args.pages)?;
    // SAFETY: the memory holds a function of this type, for this machine's architecture.
    let fill: extern "C" fn(usize, usize) =
        unsafe { std::mem::transmute(code.as_ptr().cast_const()) };

    let mut truth = scene.begin("jit")?;
    fill(region.start(), args.pages);
    Scene::end(&mut truth)?;

    truth.span("region", &region);
    truth.detail("function", NAME);
    truth.detail("map", path.display().to_string());
    Ok(truth)
}
