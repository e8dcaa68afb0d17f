//! Workloads with exact ground truth, and the harness that runs them under the tracer.
//!
//! `workload` is what happens, `counters` what the kernel says about it, `harness` what the tracer says about it. A test compares them.

pub mod workload;

pub mod counters;

pub mod harness;
