//! The system calls that the reader may make (seccomp(2)): reading, memory, and leaving. Calls that
//! open or look up files are answered by the reader itself (`opens.rs`); whatever else is refused.

use std::io;

/// Installs the filter.
///
/// # Errors
/// The kernel has no filters, or it is a machine whose calls are not listed here.
pub fn install() -> io::Result<()> {
    #[cfg(target_arch = "x86_64")]
    {
        super::opens::answer_them()?;
        x86_64::install()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::{io, mem::offset_of};

    use libc::{
        BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long,
        seccomp_data, sock_filter, sock_fprog,
    };

    /// `AUDIT_ARCH_X86_64`.
    const ARCH: u32 = 0xc000_003e;
    /// Numbers from here on are of a different way to call.
    const X32: u32 = 0x4000_0000;

    /// Calls that may be made with any arguments.
    const ALLOWED: [c_long; 36] = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_pwrite64,
        libc::SYS_lseek,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_fcntl,
        libc::SYS_ftruncate,
        libc::SYS_memfd_create,
        libc::SYS_recvmsg,
        libc::SYS_recvfrom,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_poll,
        libc::SYS_ppoll,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_clock_gettime,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_getrlimit,
        libc::SYS_setrlimit,
        libc::SYS_getrusage,
        libc::SYS_setitimer,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// Calls that this process answers itself.
    const ANSWERED: [c_long; 10] = [
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_access,
        libc::SYS_faccessat,
        libc::SYS_readlink,
        libc::SYS_readlinkat,
    ];

    /// Calls that may be made if bits of an argument are not set, or are.
    const BITS: [(c_long, usize, u32, bool); 4] = [
        (libc::SYS_mmap, 2, PROT_EXEC, false),
        (libc::SYS_mprotect, 2, PROT_EXEC, false),
        // With an empty path these two are about a descriptor.
        (libc::SYS_statx, 2, AT_EMPTY_PATH, true),
        (libc::SYS_newfstatat, 3, AT_EMPTY_PATH, true),
    ];
    const PROT_EXEC: u32 = 4;
    const AT_EMPTY_PATH: u32 = 0x1000;

    /// Calls that may be made if their first argument is this process.
    const ON_ITSELF: [c_long; 3] = [libc::SYS_tgkill, libc::SYS_tkill, libc::SYS_kill];

    pub fn install() -> io::Result<()> {
        let mut program = program(std::process::id());
        let program = sock_fprog {
            len: u16::try_from(program.len()).map_err(io::Error::other)?,
            filter: program.as_mut_ptr(),
        };
        // SAFETY: the kernel copies the program, whose length and address belong together.
        let set = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            )
        };
        if set == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Returns the filter of the process with this number.
    fn program(own: u32) -> Vec<sock_filter> {
        let kill = answer(libc::SECCOMP_RET_KILL_PROCESS);
        let allow = answer(libc::SECCOMP_RET_ALLOW);
        let answered = answer(libc::SECCOMP_RET_TRAP);
        let refuse = answer(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs());
        let number = load(offset_of!(seccomp_data, nr));
        let mut program = vec![
            load(offset_of!(seccomp_data, arch)),
            jump(BPF_JEQ, ARCH, 1, 0),
            kill,
            number,
            jump(BPF_JGE, X32, 0, 1),
            kill,
        ];
        let is = |call: c_long, otherwise: u8| {
            jump(
                BPF_JEQ,
                u32::try_from(call).unwrap_or(u32::MAX),
                0,
                otherwise,
            )
        };
        for call in ALLOWED {
            program.extend([is(call, 1), allow]);
        }
        for (call, argument, bits, set) in BITS {
            let (then, otherwise) = if set { (0, 1) } else { (1, 0) };
            program.extend([
                is(call, 4),
                load(argument_at(argument)),
                jump(BPF_JSET, bits, then, otherwise),
                allow,
                // The number again: another rule may be about this call.
                number,
            ]);
        }
        // The C library writes 0 for itself there.
        let itself = ON_ITSELF.map(|call| (call, own));
        for (call, process) in itself.into_iter().chain([(libc::SYS_prlimit64, 0)]) {
            program.extend([
                is(call, 4),
                load(argument_at(0)),
                jump(BPF_JEQ, process, 0, 1),
                allow,
                number,
            ]);
        }
        for call in ANSWERED {
            program.extend([is(call, 1), answered]);
        }
        program.push(refuse);
        program
    }

    /// Returns the place of the lower half of an argument.
    fn argument_at(number: usize) -> usize {
        offset_of!(seccomp_data, args) + 8 * number
    }

    fn load(at: usize) -> sock_filter {
        statement(
            BPF_LD | BPF_W | BPF_ABS,
            u32::try_from(at).unwrap_or(u32::MAX),
        )
    }

    fn answer(action: u32) -> sock_filter {
        statement(BPF_RET | BPF_K, action)
    }

    fn statement(code: u32, k: u32) -> sock_filter {
        filter(code, 0, 0, k)
    }

    fn jump(compare: u32, with: u32, then: u8, otherwise: u8) -> sock_filter {
        filter(BPF_JMP | compare | BPF_K, then, otherwise, with)
    }

    fn filter(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
        sock_filter {
            code: u16::try_from(code).unwrap_or(u16::MAX),
            jt,
            jf,
            k,
        }
    }
}
