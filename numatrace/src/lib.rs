//! numatrace: a live NUMA placement tracer.
//!
//! The groups stand in the order in which a command runs: arguments become a plan, a command opens
//! a session or reads a file, and the stages turn the kernel's counts into a report.

pub mod exit;
pub mod ids;

// Arguments, and what they mean.
pub mod cli;
pub mod plan;

// Commands, and their messages to a person.
pub mod command;
pub mod console;

// A session that traces.
pub mod session;

// Its input, live or from a recording.
pub mod ingest;
pub mod recording;

// The stages, in the order in which data flows.
pub mod attach;
pub mod capture;
pub mod decode;
pub mod enrich;
pub mod fold;
pub mod label;
pub mod model;
pub mod output;

// The child process that reads the files of traced programs.
pub mod reader;

// Limits that a report must keep.
pub mod limits;
