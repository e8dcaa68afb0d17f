//! output: a snapshot to text, JSON and screens; never reads /proc.

pub mod topology;
