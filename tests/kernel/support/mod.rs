//! What several files of tests need: the nodes of the machine, and the claim that an audit is closed.

pub mod closed;
pub mod machine;
