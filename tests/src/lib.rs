//! Workloads with exact ground truth, and the harness that runs them under the tracer.
//!
//! `workload` does things to memory and placement, `counters` reads the kernel's own counts of
//! them, and `harness` reads the tracer's. A test compares the three.

pub mod workload;

pub mod counters;

pub mod harness;
