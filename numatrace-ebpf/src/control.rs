//! The control words, as a variable of the object: its address is a constant of each program, and a
//! read of it needs no map lookup.

use core::{cell::UnsafeCell, ptr::read_volatile};

use numatrace_common::{
    control::{CONTROL_SECTION, Control},
    globals::WHILE_CHEAP,
};

use crate::{atomic, globals::global};

/// A variable that userspace and programs change.
#[repr(transparent)]
struct Shared(UnsafeCell<Control>);

// SAFETY: each of its words is read and written whole, or added to atomically.
unsafe impl Sync for Shared {}

/// The words lie in a section of their own, which makes them a map of their own. They are zero
/// until userspace has set them up.
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

/// Returns the current epoch.
#[inline(always)]
pub fn epoch() -> u64 {
    // SAFETY: a live variable. Volatile, because others change it.
    unsafe { read_volatile(&raw const (*CONTROL.0.get()).epoch) }
}

/// Returns whether one of these hooks is attached (bits of [`Control::attached`]).
#[inline(always)]
pub fn is_attached(hooks: u64) -> bool {
    // SAFETY: as above.
    unsafe { read_volatile(&raw const (*CONTROL.0.get()).attached) & hooks != 0 }
}

/// Returns whether userspace has switched off a detail (a bit of [`Control::reduced`]). Reads the
/// word only in sessions that have a limit for their cost.
#[inline(always)]
pub fn is_reduced(part: u64) -> bool {
    // SAFETY: as above.
    global!(mapping_runs) == WHILE_CHEAP
        && unsafe { read_volatile(&raw const (*CONTROL.0.get()).reduced) & part != 0 }
}

/// Begins an epoch.
#[inline(always)]
pub fn begin_epoch() {
    // SAFETY: as above; only our own reads and one exec per session write it, and do not overlap.
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
