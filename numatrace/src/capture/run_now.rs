//! `BPF_PROG_TEST_RUN` of a raw tracepoint program on a chosen CPU: the kernel runs it there from
//! an interrupt, and the current task is the one that the CPU runs. See include/uapi/linux/bpf.h
//! (`union bpf_attr`, "test") and net/bpf/test_run.c, `bpf_prog_test_run_raw_tp`. aya offers this
//! for other program types only.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use bytemuck::{Pod, Zeroable};

use crate::ids::CpuId;

const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_F_TEST_RUN_ON_CPU: u32 = 1;

/// The `test` member of `union bpf_attr`, up to the last field that all kernels since 5.10 have.
#[repr(C)]
#[derive(Clone, Copy, Zeroable, Pod)]
struct TestAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

/// Runs a program once on a CPU. The program must not read its context.
///
/// # Errors
/// The error of bpf(2); `ENXIO` for a CPU that is offline.
pub fn run_on(program: BorrowedFd<'_>, cpu: CpuId) -> io::Result<()> {
    let mut attr = TestAttr {
        prog_fd: program.as_raw_fd().unsigned_abs(),
        flags: BPF_F_TEST_RUN_ON_CPU,
        cpu: cpu.0,
        ..TestAttr::zeroed()
    };
    // SAFETY: bpf(2) with a test attribute that has no buffers: the kernel reads the struct and
    // writes its result fields.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_TEST_RUN,
            &raw mut attr,
            size_of::<TestAttr>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
