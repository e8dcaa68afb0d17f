//! fold: observations to accumulators, by plain synchronous arithmetic.
//!
//! Counts are kept as they came, by owner and count key; counters are derived on demand
//! for them. Nothing here reads a clock, a file or a map, so every sum can be checked without a
//! kernel.

mod accumulators;
mod counts;
mod folding;
pub mod histogram;
pub mod shortages;
pub mod slices;
pub mod sums;
pub mod window;

pub mod absence;
pub mod home;
pub mod live;
pub mod timeline;

pub mod area;
pub mod extents;
pub mod mapping;
pub mod surprise;

pub mod busy;
pub mod counted;
pub mod failures;
pub mod verify;

// For `numatrace stat`, which traces nothing.
pub mod stat;

pub use {
    accumulators::Accumulators,
    counts::{Counts, Tally},
    folding::Folding,
};
