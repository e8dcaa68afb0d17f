//! A scheduler of sched_ext with one queue for all CPUs: a CPU with nothing to do takes the next
//! task, wherever it ran last. It is three programs of a few instructions, registered by bare calls
//! of bpf(2), and ends with its descriptors.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

use super::btf::{Btf, Struct};
use super::trouble::Trouble;

/// include/uapi/linux/bpf.h
const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const BTF_LOAD: libc::c_long = 18;
const LINK_CREATE: libc::c_long = 28;
const MAP_TYPE_STRUCT_OPS: u32 = 26;
const F_LINK: u32 = 1 << 13;
const PROG_TYPE_STRUCT_OPS: u32 = 27;
const F_SLEEPABLE: u32 = 1 << 4;
const ATTACH_STRUCT_OPS: u32 = 44;
/// Bytes of the union of arguments: as much as any call here reads.
const ATTR: usize = 128;

/// Number of the queue.
const QUEUE: i32 = 1;
/// How long a task may run, ns: short, so that tasks change places often.
const SLICE_NS: i32 = 2_000_000;

/// The registered scheduler.
#[derive(Debug)]
pub struct ExtScheduler {
    _link: OwnedFd,
    _map: OwnedFd,
    _programs: Vec<OwnedFd>,
}

impl ExtScheduler {
    /// Hands all tasks of normal priority to sched_ext.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] on kernels without the class; a failure when a call is refused.
    pub fn register() -> Result<Self, Trouble> {
        let btf = Btf::read()?;
        let ops = btf.find("sched_ext_ops")?;
        let value = btf.find("bpf_struct_ops_sched_ext_ops")?;
        let (Some(ops), Some(value)) = (ops, value) else {
            return Err(Trouble::Unsupported("a kernel without sched_ext".into()));
        };
        let types = load_types()?;
        let mut create = Attr::new();
        create.words(
            0,
            &[
                MAP_TYPE_STRUCT_OPS,
                4,
                u32::try_from(value.size).unwrap_or(0),
                1,
                F_LINK,
            ],
        );
        // btf_fd, btf_vmlinux_value_type_id
        create.words(48, &[raw(&types)?]);
        create.words(60, &[value.id]);
        let map = create.call(MAP_CREATE).context("BPF_MAP_CREATE")?;

        let mut bytes = vec![0u8; value.size];
        let name = value.offset("data")? + ops.offset("name")?;
        let text = b"numatrace_test";
        bytes
            .get_mut(name..name + text.len())
            .context("no room for a name")?
            .copy_from_slice(text);
        let mut programs = Vec::new();
        for (member, flags, instructions) in programs_of(&btf)? {
            let program = load(&ops, member, flags, &instructions).context(member)?;
            let at = value.offset("data")? + ops.offset(member)?;
            let place = bytes.get_mut(at..at + 4).context("no room for a program")?;
            place.copy_from_slice(&raw(&program)?.to_le_bytes());
            programs.push(program);
        }
        let key = 0u32;
        let mut update = Attr::new();
        update.words(0, &[raw(&map)?]);
        update.pointer(8, (&raw const key).cast());
        update.pointer(16, bytes.as_ptr());
        update.run(MAP_UPDATE_ELEM).context("BPF_MAP_UPDATE_ELEM")?;

        let mut link = Attr::new();
        link.words(0, &[raw(&map)?, 0, ATTACH_STRUCT_OPS]);
        let link = link.call(LINK_CREATE).context("BPF_LINK_CREATE")?;
        Ok(Self {
            _link: link,
            _map: map,
            _programs: programs,
        })
    }
}

/// An instruction: its code, registers, offset and number (Documentation/bpf/standardization).
fn instruction(code: u8, to: u8, from: u8, offset: i16, number: u32) -> u64 {
    let offset = u64::from(offset.cast_unsigned());
    u64::from(code) | u64::from(to | from << 4) << 8 | offset << 16 | u64::from(number) << 32
}

/// Returns the programs: the member of the operations that each is, its flags, its instructions.
fn programs_of(btf: &Btf) -> Result<[(&'static str, u32, Vec<u64>); 3]> {
    let number =
        |register: u8, number: i32| instruction(0xb7, register, 0, 0, number.cast_unsigned());
    let argument = |register: u8, offset| instruction(0x79, register, 6, offset, 0);
    let call =
        |names: &[&str]| Ok::<_, anyhow::Error>(instruction(0x85, 0, 2, 0, btf.function(names)?));
    let end = instruction(0x95, 0, 0, 0, 0);
    let nothing = number(0, 0);
    Ok([
        (
            "init",
            F_SLEEPABLE,
            vec![
                number(1, QUEUE),
                // On any node.
                number(2, -1),
                call(&["scx_bpf_create_dsq"])?,
                end,
            ],
        ),
        (
            "enqueue",
            0,
            vec![
                instruction(0xbf, 6, 1, 0, 0),
                argument(1, 0),
                number(2, QUEUE),
                number(3, SLICE_NS),
                argument(4, 8),
                call(&["scx_bpf_dsq_insert", "scx_bpf_dispatch"])?,
                nothing,
                end,
            ],
        ),
        (
            "dispatch",
            0,
            vec![
                number(1, QUEUE),
                call(&["scx_bpf_dsq_move_to_local", "scx_bpf_consume"])?,
                nothing,
                end,
            ],
        ),
    ])
}

/// Loads a program that is a member of the operations.
fn load(ops: &Struct, member: &str, flags: u32, instructions: &[u64]) -> Result<OwnedFd> {
    let mut log = vec![0u8; 64 << 10];
    let mut attr = Attr::new();
    attr.words(
        0,
        &[PROG_TYPE_STRUCT_OPS, u32::try_from(instructions.len())?],
    );
    attr.pointer(8, instructions.as_ptr().cast());
    attr.pointer(16, c"GPL".as_ptr().cast());
    attr.words(24, &[1, u32::try_from(log.len())?]);
    attr.pointer(32, log.as_mut_ptr());
    attr.words(44, &[flags]);
    attr.words(68, &[ops.index(member)?]);
    attr.words(108, &[ops.id]);
    attr.call(PROG_LOAD).with_context(|| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(0);
        String::from_utf8_lossy(&log[..end]).into_owned()
    })
}

/// Loads type information with one type: the kernel wants a map to have some.
fn load_types() -> Result<OwnedFd> {
    /// Head, an int of four bytes, and its name.
    const WORDS: [u32; 10] = [0x0001_eb9f, 24, 0, 16, 16, 5, 1, 1 << 24, 4, 1 << 24 | 32];
    let mut blob: Vec<u8> = WORDS.iter().flat_map(|word| word.to_le_bytes()).collect();
    blob.extend(b"\0int\0");
    let mut attr = Attr::new();
    attr.pointer(0, blob.as_ptr());
    attr.words(16, &[u32::try_from(blob.len())?]);
    attr.call(BTF_LOAD).context("BPF_BTF_LOAD")
}

fn raw(fd: &OwnedFd) -> Result<u32> {
    Ok(u32::try_from(fd.as_raw_fd())?)
}

/// Arguments of bpf(2).
struct Attr([u8; ATTR]);

impl Attr {
    fn new() -> Self {
        Self([0; ATTR])
    }

    fn words(&mut self, at: usize, words: &[u32]) {
        for (to, word) in self.0[at..].chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn pointer(&mut self, at: usize, to: *const u8) {
        self.0[at..at + 8].copy_from_slice(&(to as u64).to_le_bytes());
    }

    /// Makes a call that returns a descriptor.
    fn call(&self, command: libc::c_long) -> Result<OwnedFd> {
        let fd = i32::try_from(self.run(command)?)?;
        // SAFETY: a new descriptor, which nobody else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn run(&self, command: libc::c_long) -> Result<libc::c_long> {
        // SAFETY: the union and what it refers to live until the call returns.
        let done = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_ptr(), ATTR) };
        if done < 0 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(done)
    }
}
