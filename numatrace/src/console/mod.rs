//! The console: messages to a person on stderr, progress, and how a report is rendered.

pub mod messages;
pub mod progress;
pub mod rendering;
