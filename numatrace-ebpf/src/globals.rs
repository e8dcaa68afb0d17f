//! The frozen globals, read so that the verifier sees a constant.

use numatrace_common::globals::Globals;

/// The globals, which userspace sets before it loads the object.
#[unsafe(no_mangle)]
pub static GLOBALS: Globals = Globals {
    // Anything but zero keeps the struct in `.rodata`, where a frozen map makes it constant to the
    // verifier.
    nodes_pgshift: 63,
    ..ZERO
};

// SAFETY: the struct is `Pod`: all zeroes is a value of it.
const ZERO: Globals = unsafe { core::mem::zeroed() };

/// Returns a global. The read is volatile, because userspace replaces the value that the compiler
/// sees.
#[inline(always)]
pub fn read<T: Copy>(field: &T) -> T {
    // SAFETY: a reference is valid and aligned, and nothing writes the globals after loading.
    unsafe { core::ptr::read_volatile(field) }
}

/// Returns a field of [`GLOBALS`]: `global!(scoped)`, `global!(offsets.task_pid)`.
macro_rules! global {
    ($($field:tt).+) => {
        $crate::globals::read(&$crate::globals::GLOBALS.$($field).+)
    };
}
pub(crate) use global;

/// Returns whether a switch of [`GLOBALS`] is on.
macro_rules! enabled {
    ($($field:tt).+) => {
        $crate::globals::global!($($field).+) != 0
    };
}
pub(crate) use enabled;
