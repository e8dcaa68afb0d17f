//! Code that several files of tests need: the machine's nodes, comparisons with the ground truth,
//! and the claim that an audit is closed.

pub mod closed;
pub mod compare;
pub mod machine;
