//! The commands, one file or folder for each.

pub mod events;
pub mod top;
