//! Attribution: whom an event is charged to, and the state that is kept of a task.

pub mod fault;
pub mod mover;
pub mod owner;
pub mod scope;
