//! The control word, as a variable: its address is a constant of each program, and reading it needs no look-up in a map.

use core::{cell::UnsafeCell, ptr::read_volatile};

use numatrace_common::{
    control::{CONTROL_SECTION, Control},
    globals::WHILE_CHEAP,
};

use crate::{atomic, globals::global};

/// A variable that userspace and programs change.
#[repr(transparent)]
struct Shared(UnsafeCell<Control>);

// SAFETY: each word of it is read and written whole, or added to atomically.
unsafe impl Sync for Shared {}

/// In a section of its own, which makes it a map of its own. Zeros until userspace has set it up.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.control")]
static CONTROL: Shared = Shared(UnsafeCell::new(Control {
    epoch: 0,
    fold_epoch: 0,
    folds: 0,
    attached: 0,
    reduced: 0,
    reserved: 0,
}));

const _: () = assert!(matches!(CONTROL_SECTION.as_bytes(), b".data.control"));

/// The current epoch.
#[inline(always)]
pub fn epoch() -> u64 {
    // SAFETY: a live variable. Volatile, because others change it.
    unsafe { read_volatile(&raw const (*CONTROL.0.get()).epoch) }
}

/// Is one of these attached (bits of [`Control::attached`])?
#[inline(always)]
pub fn is_attached(hooks: u64) -> bool {
    // SAFETY: as above.
    unsafe { read_volatile(&raw const (*CONTROL.0.get()).attached) & hooks != 0 }
}

/// Returns whether userspace has switched off a part of the details (a bit of [`Control::reduced`]).
/// The word is read only in sessions that have a limit for their cost.
#[inline(always)]
pub fn is_reduced(part: u64) -> bool {
    // SAFETY: as above.
    global!(mapping_runs) == WHILE_CHEAP
        && unsafe { read_volatile(&raw const (*CONTROL.0.get()).reduced) & part != 0 }
}

/// Begins an epoch.
#[inline(always)]
pub fn begin_epoch() {
    // SAFETY: as above; only our own reads and one exec a session write it, and they do not overlap.
    unsafe { atomic::add(&raw mut (*CONTROL.0.get()).epoch, 1) };
}

/// Begins an epoch at a fold of the kernel's counters.
#[inline(always)]
pub fn begin_epoch_at_fold() {
    begin_epoch();
    let control = CONTROL.0.get();
    // SAFETY: as above.
    unsafe {
        (*control).fold_epoch = epoch();
        (*control).folds += 1;
    }
}
