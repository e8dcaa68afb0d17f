//! Maps that several files use. Sizes are defaults: `attach` sets some of them before loading.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf, StackTrace},
};
use numatrace_common::{
    counters::COUNTERS,
    cpu::CpuState,
    limits::{
        MAX_CPUS, MOVER_ENTRIES, OVERFLOW_ENTRIES, RING_BYTES, SCOPE_ENTRIES, STACK_ENTRIES,
        TOTALS_ENTRIES,
    },
    mover::{CpuEntry, Mover},
    scope::ScopeEntry,
    slot::{SLOTS as SLOT_COUNT, Slot},
    totals::{TotalKey, TotalValue},
};

/// Records for userspace, which drains them on a timer and is never woken.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// State of each CPU that the hot programs need.
#[map]
pub static CPU_STATE: PerCpuArray<CpuState> = PerCpuArray::with_max_entries(1, 0);

/// Slots of all other programs that count.
#[map]
pub static SLOTS: PerCpuArray<Slot> = PerCpuArray::with_max_entries(SLOT_COUNT, 0);

/// Flushed counts. Preallocated: an allocation by the map would perturb the counts.
#[map]
pub static TOTALS: HashMap<TotalKey, TotalValue> = HashMap::with_max_entries(TOTALS_ENTRIES, 0);

/// Counts for which `TOTALS` had no room, without their owner: the sum stays exact.
#[map]
pub static OVERFLOWED: HashMap<TotalKey, TotalValue> =
    HashMap::with_max_entries(OVERFLOW_ENTRIES, 0);

/// Losses, per CPU.
#[map(name = "COUNTERS")]
pub static LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS, 0);

/// Processes in scope, by pid.
#[map]
pub static SCOPE: HashMap<u32, ScopeEntry> = HashMap::with_max_entries(SCOPE_ENTRIES, 0);

/// Node and state of each CPU. Userspace fills it before it attaches anything.
#[map(name = "CPUS")]
pub static CPU_TABLE: Array<CpuEntry> = Array::with_max_entries(MAX_CPUS, 0);

/// Notes on threads that move, by thread id.
#[map]
pub static MOVERS: HashMap<u32, Mover> = HashMap::with_max_entries(MOVER_ENTRIES, 0);

/// Stacks, by the number that records carry.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(STACK_ENTRIES, 0);
