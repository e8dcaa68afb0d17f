//! Whom an event is charged to, and what is known of the task it happens in.

pub mod fault;
pub mod mover;
pub mod owner;
pub mod scope;
