//! output: a snapshot to text, JSON and screens; never reads /proc.

pub mod escape;

pub mod json;
pub mod text;
pub mod stat;
pub mod topology;

pub mod sink;
