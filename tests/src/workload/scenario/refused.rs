//! `refused`: calls about memory policy and CPU affinity that the kernel must refuse, each from a
//! function of its own.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// `MPOL_BIND`
const BIND: i64 = 2;
/// `MPOL_MF_MOVE`
const MOVE: i32 = 2;
/// Bits of a mask of nodes, and one more, as the calls want it.
const BITS: u64 = 65;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often mbind(2) is called with an address that is not page-aligned
    #[arg(long, default_value_t = 3)]
    times: u64,
    /// Only calls that succeed
    #[arg(long)]
    none: bool,
    /// Only calls that a seccomp filter refuses: mbind(2) and set_mempolicy(2), with EPERM, as in
    /// containers
    #[arg(long, conflicts_with = "none")]
    filter: bool,
    /// The filter is there already: for the program that `--filter` executes
    #[arg(long, hide = true)]
    filtered: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    if args.filter {
        // As container runtimes do: a program finds the filter when it begins.
        forbid(&[libc::SYS_mbind, libc::SYS_set_mempolicy])?;
        let times = args.times.to_string();
        let mut program = Command::new("/proc/self/exe");
        program.args(["refused", "--filtered", "--times", &times]);
        let error = program.exec();
        return Err(anyhow!(error).context("cannot execute the workload").into());
    }
    let node = scene.nodes.memory(scene.nodes.here()?)?;
    let region = Region::anonymous(4)?;
    region.write_all(0..4);
    let mut truth = scene.begin("refused")?;
    let mut refused: Vec<Value> = Vec::new();
    let mut note = |call: &str, result: i64, count: u64| -> Result<()> {
        ensure!(result == -1, "{call} was not refused: {result}");
        let errno = io::Error::last_os_error().raw_os_error();
        refused.push(json!({"call": call, "errno": errno, "count": count}));
        Ok(())
    };
    if args.filtered {
        let mut result = 0;
        for _ in 0..args.times {
            result = bind_range(region.start(), &region, 1 << node);
        }
        note("mbind", result, args.times)?;
        note("set_mempolicy", bind_thread(1 << node), 1)?;
    } else if args.none {
        let bound = bind_range(region.start(), &region, 1 << node);
        let error = io::Error::last_os_error();
        truth.expect(bound == 0, || format!("mbind: {error}"));
    } else {
        let start = region.start() + 1;
        // From one place: calls from different ones are told apart.
        let mut result = 0;
        for _ in 0..args.times {
            result = bind_range(start, &region, 1 << node);
        }
        note("mbind", result, args.times)?;
        note("set_mempolicy", bind_thread(0), 1)?;
        note("sched_setaffinity", run_nowhere(), 1)?;
        note("move_pages", move_page(&region), 1)?;
        note("migrate_pages", migrate(), 1)?;
        let home = give_home(&region);
        let unknown = io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS);
        if !unknown {
            note("set_mempolicy_home_node", home, 1)?;
        }
    }
    Scene::end(&mut truth)?;
    truth.detail("refused", refused);
    Ok(truth)
}

/// Makes the kernel refuse some calls of this process from now on, with EPERM.
fn forbid(calls: &[i64]) -> Result<()> {
    let instruction = |code: u32, value: u32, then: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt: then,
        jf: 0,
        k: value,
    };
    let load = instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0);
    let mut program = vec![load];
    for (at, call) in calls.iter().enumerate() {
        // Over the comparisons that follow, and over the permission.
        let over = u8::try_from(calls.len() - at)?;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(instruction(equal, u32::try_from(*call)?, over));
    }
    let result = libc::BPF_RET | libc::BPF_K;
    program.push(instruction(result, libc::SECCOMP_RET_ALLOW, 0));
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    program.push(instruction(result, refuse, 0));
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len())?,
        filter: program.as_mut_ptr(),
    };
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: the filter and its program outlive the call, which copies them.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const filter,
        )
    };
    ensure!(set == 0, "no filter: {}", io::Error::last_os_error());
    Ok(())
}

/// Makes a system call from the function that it is inlined into, as programs without a C library
/// do: the one of musl has no frame pointer, so nothing above it would be known. Returns -1 with
/// `errno`, as syscall(2).
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        let arguments = [$($argument as u64),*];
        let get = |at: usize| arguments.get(at).copied().unwrap_or(0);
        let mut result = $number as i64;
        std::arch::asm!(
            "syscall",
            inlateout("rax") result,
            in("rdi") get(0),
            in("rsi") get(1),
            in("rdx") get(2),
            in("r10") get(3),
            in("r8") get(4),
            in("r9") get(5),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
        if result < 0 {
            *libc::__errno_location() = i32::try_from(-result).unwrap_or(0);
            result = -1;
        }
        result
    }};
}

#[inline(never)]
fn bind_range(start: usize, region: &Region, mask: u64) -> i64 {
    // SAFETY: the range is ours as far as it is one, and the mask outlives the call.
    unsafe {
        call!(
            libc::SYS_mbind,
            start,
            region.len(),
            BIND,
            &raw const mask,
            BITS,
            0,
        )
    }
}

/// Without nodes a bind makes no sense.
#[inline(never)]
fn bind_thread(mask: u64) -> i64 {
    // SAFETY: the mask outlives the call.
    unsafe { call!(libc::SYS_set_mempolicy, BIND, &raw const mask, BITS) }
}

/// A mask of CPUs that are not there: the last 64 of 1,024.
#[inline(never)]
fn run_nowhere() -> i64 {
    let mut mask = [0u64; 16];
    mask[15] = 1 << 63;
    // SAFETY: the mask outlives the call.
    unsafe {
        call!(
            libc::SYS_sched_setaffinity,
            0,
            size_of_val(&mask),
            mask.as_ptr(),
        )
    }
}

/// To a node that is not online.
#[inline(never)]
fn move_page(region: &Region) -> i64 {
    let (page, node, mut status) = (region.start(), 900i32, 0i32);
    // SAFETY: all three are one element long and outlive the call.
    unsafe {
        call!(
            libc::SYS_move_pages,
            0,
            1,
            &raw const page,
            &raw const node,
            &raw mut status,
            MOVE,
        )
    }
}

/// To no node.
#[inline(never)]
fn migrate() -> i64 {
    let (from, to) = (1u64, 0u64);
    // SAFETY: the masks outlive the call.
    unsafe {
        call!(
            libc::SYS_migrate_pages,
            0,
            BITS,
            &raw const from,
            &raw const to,
        )
    }
}

/// For memory without a policy.
#[inline(never)]
fn give_home(region: &Region) -> i64 {
    /// `set_mempolicy_home_node`, the same number on all architectures.
    const CALL: i64 = 450;
    // SAFETY: the range is ours.
    unsafe { call!(CALL, region.start(), page_size(), 0, 0) }
}
