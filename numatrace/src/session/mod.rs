//! A tracing session: programs are attached, events and counts are taken in, an interval ends, a report is made.

pub mod info;
pub mod interval;
pub mod launch;
pub mod open;
pub mod run;
pub mod side_recording;
pub mod tracer;
pub mod wait;
