//! The console: messages and progress for a person on stderr, and how a report is rendered.

pub mod messages;
pub mod progress;
pub mod rendering;
