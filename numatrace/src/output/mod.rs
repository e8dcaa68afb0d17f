//! output: a snapshot as text, JSON and screens; never reads /proc.

pub mod csv;
pub mod escape;
pub mod format;

pub mod diff;
pub mod doctor;
pub mod events;
pub mod export;
pub mod json;
pub mod stat;
pub mod text;
pub mod topology;
pub mod tui;

mod lines;
pub mod replacement;
pub mod sink;
pub mod stream;
