//! The frozen globals, read so that the verifier sees a constant.

use numatrace_common::globals::Globals;

/// Set by userspace before loading.
#[unsafe(no_mangle)]
pub static GLOBALS: Globals = Globals {
    // Anything but zero keeps the struct in `.rodata`, where a frozen map makes it constant to the verifier.
    nodes_pgshift: 63,
    ..ZERO
};

// SAFETY: the struct is `Pod`: all zeroes is a value of it.
const ZERO: Globals = unsafe { core::mem::zeroed() };

/// Reads a global. Volatile, because userspace replaces the value the compiler sees.
#[inline(always)]
pub fn read<T: Copy>(field: &T) -> T {
    // SAFETY: a reference is valid and aligned, and nothing writes the globals after loading.
    unsafe { core::ptr::read_volatile(field) }
}

/// Reads one field of [`GLOBALS`]: `global!(scoped)`, `global!(offsets.task_pid)`.
macro_rules! global {
    ($($field:tt).+) => {
        $crate::globals::read(&$crate::globals::GLOBALS.$($field).+)
    };
}
pub(crate) use global;

/// Is a switch of [`GLOBALS`] on?
macro_rules! enabled {
    ($($field:tt).+) => {
        $crate::globals::global!($($field).+) != 0
    };
}
pub(crate) use enabled;
