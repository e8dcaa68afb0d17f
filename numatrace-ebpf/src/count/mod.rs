//! Counts: the key of an event, and its way through streaks and slots into the totals.

pub mod cause;
pub mod first_touch;
pub mod slot;
pub mod streaks;
pub mod totals;
pub mod twin;
