//! capture: bytes out of the kernel: ring buffer, map sweeps, numastat, recordings.

pub mod sys;
