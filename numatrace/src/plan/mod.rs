//! Turns parsed arguments into plans. Defaults and conflicts between options are decided here
//! alone.
//!
//! A [`SessionPlan`] says what a session does, a [`ReportPlan`] how its report looks; a command has
//! those that it needs.

pub mod events;
mod hooks;
mod live;
mod overwritten;
pub mod replay;
pub mod report;
pub mod scope;
pub mod session;
mod switches;
pub mod top;
pub mod trace;

pub use report::ReportPlan;
pub use scope::{Launch, Scope};
pub use session::{RecordingPlan, SessionPlan};
