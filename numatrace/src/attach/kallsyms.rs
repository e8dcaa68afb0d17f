//! Addresses of kernel symbols from `/proc/kallsyms`, looked up in one pass: it has 100,000 to
//! 250,000 lines.
//!
//! A process without the right to see addresses reads every one as zero, and kernels built without
//! `CONFIG_KALLSYMS_ALL` list functions only. Both are reasons, not errors: the session starts and
//! reports the gap.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use thiserror::Error;

use super::btf::KernelBtf;

/// The kernel's list of symbols.
pub const KALLSYMS: &str = "/proc/kallsyms";

/// Per-CPU base address of each CPU, an array indexed by CPU number.
pub const PER_CPU_OFFSET: &str = "__per_cpu_offset";
/// The preempt count of 6.1, and again of 6.18 and later.
const PREEMPT_COUNT: &str = "__preempt_count";
/// The per-CPU struct that has it as a member in 6.12.
const PCPU_HOT: &str = "pcpu_hot";

/// Why an address is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SymbolGap {
    /// All addresses read as zero.
    #[error(
        "kernel addresses are hidden from this process: it needs CAP_SYSLOG (and \
         kernel.kptr_restrict below 2)"
    )]
    Hidden,
    /// Addresses are shown, this symbol is not listed.
    #[error(
        "this kernel does not list `{0}` in /proc/kallsyms (built without CONFIG_KALLSYMS_ALL, or \
         renamed)"
    )]
    Absent(String),
    /// The list could not be read.
    #[error("cannot read /proc/kallsyms: {0}")]
    Unreadable(String),
}

/// Addresses of the symbols asked for.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    found: HashMap<String, u64>,
    gap: Option<SymbolGap>,
}

/// The place of the per-CPU preempt count: its address on a CPU is
/// `symbol + *(per_cpu_offset + 8 * cpu)`, wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreemptCount {
    /// Address of the per-CPU symbol, or of the member of `pcpu_hot`.
    pub symbol: u64,
    /// Address of `__per_cpu_offset[]`.
    pub per_cpu_offset: u64,
}

impl Symbols {
    /// Looks up the symbols a session uses: those that locate the preempt count, which kernels have
    /// under one of two names.
    #[must_use]
    pub fn of_session(path: &Path) -> Self {
        Self::lookup(path, &[&[PER_CPU_OFFSET], &[PREEMPT_COUNT, PCPU_HOT]])
    }

    /// Looks up one symbol of each group of names in a file with the format of [`KALLSYMS`].
    /// Symbols of modules are ignored.
    #[must_use]
    pub fn lookup(path: &Path, wanted: &[&[&str]]) -> Self {
        match File::open(path).and_then(|file| Self::read(&mut BufReader::new(file), wanted)) {
            Ok(symbols) => symbols,
            Err(error) => Self {
                found: HashMap::new(),
                gap: Some(SymbolGap::Unreadable(error.to_string())),
            },
        }
    }

    /// Reads `address type name [module]` lines once; ends early when each group has a symbol. Of
    /// equal names the first one counts.
    fn read(lines: &mut dyn BufRead, wanted: &[&[&str]]) -> io::Result<Self> {
        let mut found = HashMap::new();
        let mut any_address = false;
        let mut line = Vec::new();
        let mut missing: Vec<&[&str]> = wanted.to_vec();
        while !(missing.is_empty() && any_address) && lines.read_until(b'\n', &mut line)? > 0 {
            if (!any_address || may_be(&line, wanted))
                && let Some((address, name)) = parse(&line)
            {
                any_address |= address != 0;
                let mut names = wanted.iter().copied().flatten();
                if let Some(name) = names.find(|wanted| wanted.as_bytes() == name) {
                    found.entry((*name).to_owned()).or_insert(address);
                    missing.retain(|group| !group.contains(name));
                }
            }
            line.clear();
        }
        let gap = (!any_address).then_some(SymbolGap::Hidden);
        Ok(Self { found, gap })
    }

    /// Returns the address of a symbol that was looked up.
    ///
    /// # Errors
    /// Addresses are hidden, the symbol is not listed, or the list could not be read.
    pub fn address(&self, name: &str) -> Result<u64, SymbolGap> {
        match (&self.gap, self.found.get(name)) {
            (Some(gap), _) => Err(gap.clone()),
            (None, Some(address)) => Ok(*address),
            (None, None) => Err(SymbolGap::Absent(name.to_owned())),
        }
    }

    /// Returns the place of the preempt count on x86: a separate symbol, or a member of `pcpu_hot`.
    ///
    /// # Errors
    /// Why one of the two addresses is unknown; interrupts then count as the task they interrupted.
    pub fn preempt_count(&self, btf: &KernelBtf) -> Result<PreemptCount, SymbolGap> {
        let per_cpu_offset = self.address(PER_CPU_OFFSET)?;
        let symbol = self.address(PREEMPT_COUNT).or_else(|missing| {
            let inside = btf.member(PCPU_HOT, "preempt_count").map_err(|_| missing)?;
            self.address(PCPU_HOT)
                .map(|base| base.wrapping_add(u64::from(inside.offset_bytes)))
        })?;
        Ok(PreemptCount {
            symbol,
            per_cpu_offset,
        })
    }
}

/// Returns whether a line can contain one of the names. On 64-bit machines an address has sixteen
/// digits, so names begin at a fixed column.
fn may_be(line: &[u8], wanted: &[&[&str]]) -> bool {
    const DIGITS: usize = 16;
    let (Some(b' '), Some(name)) = (line.get(DIGITS), line.get(DIGITS + 3..)) else {
        return true;
    };
    let mut names = wanted.iter().copied().flatten();
    names.any(|wanted| name.starts_with(wanted.as_bytes()))
}

/// Returns address and name of one line; `None` for a module's symbol or an unexpected line.
fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut fields = line
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    let address = std::str::from_utf8(fields.next()?).ok()?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let name = fields.nth(1)?;
    fields.next().is_none().then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::btf::fixture::{BtfBuilder, STRUCT};

    const SHMEM_VM_OPS: &str = "shmem_vm_ops";

    fn symbols(mut text: &[u8]) -> Symbols {
        Symbols::read(
            &mut text,
            &[
                &[PER_CPU_OFFSET],
                &[PREEMPT_COUNT, PCPU_HOT],
                &[SHMEM_VM_OPS],
            ],
        )
        .unwrap()
    }

    /// Returns a kernel whose `struct pcpu_hot` has the count at byte 8.
    fn kernel_with_pcpu_hot() -> KernelBtf {
        let mut b = BtfBuilder::new();
        let int = b.int("int", 4);
        b.aggregate(
            STRUCT,
            "pcpu_hot",
            64,
            &[("cpu_number", int, 96), ("preempt_count", int, 64)],
        );
        KernelBtf::from_bytes(b.build()).unwrap()
    }

    #[test]
    fn the_kernels_own_symbol_wins_over_a_modules() {
        let found = symbols(
            b"ffffffffc0000000 d shmem_vm_ops\t[evil]\nffffffff82000000 D shmem_vm_ops\n\
              ffffffff83000000 d shmem_vm_ops\n",
        );
        assert_eq!(found.address(SHMEM_VM_OPS), Ok(0xffff_ffff_8200_0000));
        assert_eq!(
            found.address(PCPU_HOT),
            Err(SymbolGap::Absent("pcpu_hot".into()))
        );
    }

    #[test]
    fn zeros_throughout_mean_hidden_and_one_zero_does_not() {
        let hidden = symbols(b"0000000000000000 T _text\n0000000000000000 D shmem_vm_ops\n");
        assert_eq!(hidden.address(SHMEM_VM_OPS), Err(SymbolGap::Hidden));
        // Up to 6.12 the per-CPU section of x86-64 begins at 0.
        let zero_based = symbols(b"0000000000000000 A __preempt_count\nffffffff81000000 T _text\n");
        assert_eq!(zero_based.address(PREEMPT_COUNT), Ok(0));
        assert_eq!(
            symbols(b"garbage\n\xff\xfe D x\n").address(PCPU_HOT),
            Err(SymbolGap::Hidden)
        );
    }

    #[test]
    fn the_preempt_count_is_a_symbol_or_a_member() {
        let btf = kernel_with_pcpu_hot();
        let own = symbols(b"1f000 A __preempt_count\nffffffff82000000 R __per_cpu_offset\n");
        let wanted = PreemptCount {
            symbol: 0x1f000,
            per_cpu_offset: 0xffff_ffff_8200_0000,
        };
        assert_eq!(own.preempt_count(&btf), Ok(wanted));
        let hot = symbols(b"20000 A pcpu_hot\nffffffff82000000 R __per_cpu_offset\n");
        assert_eq!(
            hot.preempt_count(&btf),
            Ok(PreemptCount {
                symbol: 0x20008,
                ..wanted
            })
        );
        let neither = symbols(b"ffffffff82000000 R __per_cpu_offset\n");
        assert!(matches!(
            neither.preempt_count(&btf),
            Err(SymbolGap::Absent(_))
        ));
        let no_array = symbols(b"20000 A pcpu_hot\nffffffff81000000 T _text\n");
        assert_eq!(
            no_array.preempt_count(&btf),
            Err(SymbolGap::Absent(PER_CPU_OFFSET.into()))
        );
    }

    #[test]
    fn a_list_that_cannot_be_read_is_a_reason() {
        let gap = Symbols::lookup(Path::new("/nonexistent/kallsyms"), &[&["x"]])
            .address("x")
            .unwrap_err();
        assert!(matches!(gap, SymbolGap::Unreadable(_)), "{gap}");
    }
}
