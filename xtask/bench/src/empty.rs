//! Empty BPF programs: the floor under every tracing program at the same hooks.
//!
//! Two instructions (`r0 = 0; exit`), loaded by bpf(2) itself: no object file, no maps, nothing of
//! numatrace that could add to the floor.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use aya_obj::btf::{Btf, BtfKind};
use bytemuck::{Pod, Zeroable};
use serde_json::Value;

use crate::until_eof;

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_RAW_TP: u32 = 23;
const BPF_TRACE_FENTRY: u32 = 24;
const BPF_TRACE_FEXIT: u32 = 25;

/// `r0 = 0` and `exit`, as `struct bpf_insn`.
const INSTRUCTIONS: [u64; 2] = [0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];

/// Options of `empty`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The hooks, as numatrace's reports name them: `tp_btf mm_page_alloc`, `fexit
    /// get_page_from_freelist`
    hooks: Vec<String>,
    /// The hooks of numatrace when it wrote this JSON report
    #[arg(long, value_name = "REPORT")]
    like: Option<PathBuf>,
}

/// Attaches an empty program to each hook and keeps them attached.
///
/// # Errors
/// A hook cannot be attached to.
pub fn run(args: &Args) -> Result<()> {
    let mut hooks = args.hooks.clone();
    if let Some(report) = &args.like {
        hooks.extend(hooks_of(report)?);
    }
    let attached = attach_all(&hooks)?;
    until_eof::hold(|| Ok(()))?;
    drop(attached);
    Ok(())
}

/// A loaded program and its link; both go when dropped.
pub struct Attached {
    _program: OwnedFd,
    _link: OwnedFd,
}

/// Attaches an empty program to each hook.
///
/// # Errors
/// A hook cannot be attached to.
pub fn attach_all(hooks: &[String]) -> Result<Vec<Attached>> {
    if hooks.is_empty() {
        return Ok(Vec::new());
    }
    let btf = Btf::from_sys_fs().context("no BTF")?;
    hooks
        .iter()
        .map(|hook| attach(&btf, hook).with_context(|| format!("cannot attach to {hook}")))
        .collect()
}

/// Returns the hooks in a report's `via` lines, without programs that are attached nowhere and
/// without perf events, which run no program.
fn hooks_of(report: &Path) -> Result<Vec<String>> {
    let text = fs::read(report).with_context(|| format!("cannot read {}", report.display()))?;
    let report: Value = serde_json::from_slice(&text)?;
    let hooks = report["hooks"]
        .as_array()
        .context("no hooks in the report")?;
    Ok(hooks
        .iter()
        .filter_map(|hook| hook["via"].as_str())
        .flat_map(|via| via.split(", "))
        .filter(|hook| {
            let kind = hook.split(' ').next();
            !matches!(kind, Some("raw_tp" | "perf_event_open"))
        })
        .map(str::to_owned)
        .collect())
}

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`, up to `attach_btf_id`.
#[repr(C)]
#[derive(Clone, Copy, Zeroable, Pod)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
}

/// `union bpf_attr` for `BPF_RAW_TRACEPOINT_OPEN` up to 6.9's cookie.
#[repr(C)]
#[derive(Clone, Copy, Zeroable, Pod)]
struct OpenAttr {
    name: u64,
    prog_fd: u32,
    reserved: u32,
}

fn attach(btf: &Btf, hook: &str) -> Result<Attached> {
    let Some((kind, target)) = hook.split_once([' ', ':']) else {
        bail!("it has no kind; try `tp_btf {hook}`");
    };
    let (expected_attach_type, name, kind) = match kind {
        "tp_btf" => (
            BPF_TRACE_RAW_TP,
            format!("btf_trace_{target}"),
            BtfKind::Typedef,
        ),
        "fentry" => (BPF_TRACE_FENTRY, target.to_owned(), BtfKind::Func),
        "fexit" => (BPF_TRACE_FEXIT, target.to_owned(), BtfKind::Func),
        other => bail!("there are no empty programs of the kind {other}"),
    };
    let attach_btf_id = btf.id_by_type_name_kind(&name, kind)?;
    let license = CString::new("GPL")?;
    let mut prog_name = [0; 16];
    // Returns the name of a program. Names end in a zero and hold letters, digits and underscores;
    // results find programs by the prefix.
    for (to, from) in prog_name[..15]
        .iter_mut()
        .zip(b"empty_".iter().chain(target.as_bytes()))
    {
        *to = *from;
    }
    let mut load = LoadAttr {
        prog_type: BPF_PROG_TYPE_TRACING,
        insn_cnt: 2,
        insns: INSTRUCTIONS.as_ptr() as u64,
        license: license.as_ptr() as u64,
        prog_name,
        expected_attach_type,
        attach_btf_id,
        ..LoadAttr::zeroed()
    };
    let program = bpf(BPF_PROG_LOAD, &mut load).context("load")?;
    let mut open = OpenAttr {
        prog_fd: u32::try_from(program.as_raw_fd())?,
        ..OpenAttr::zeroed()
    };
    let link = bpf(BPF_RAW_TRACEPOINT_OPEN, &mut open).context("attach")?;
    Ok(Attached {
        _program: program,
        _link: link,
    })
}

/// Makes a call of bpf(2) that returns a descriptor.
fn bpf<A: Pod>(command: libc::c_int, attr: &mut A) -> Result<OwnedFd> {
    // SAFETY: both attributes point to live buffers of the lengths they state, and the kernel gets
    // the struct's own size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<A>(),
        )
    };
    ensure!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the kernel just made this descriptor for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) })
}
