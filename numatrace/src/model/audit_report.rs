//! The audit without the processes that it sums up: the JSON document of `--audit-only`.

use serde::Serialize;

use super::audit::Audit;
use super::coverage::Coverage;
use super::hooks::Hook;
use super::report::{Host, Session, Snapshot};

/// The parts of a report that the audit depends on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AuditReport<'a> {
    /// Always [`AuditReport::SCHEMA`]: this is not a whole report.
    pub schema: &'static str,
    /// The machine.
    pub host: &'a Host,
    /// Scope and length of the session.
    pub session: &'a Session,
    /// Each hook family with its state.
    pub hooks: &'a [Hook],
    /// Records and losses.
    pub coverage: &'a Coverage,
    /// Traced totals compared with the kernel's counters.
    pub audit: &'a Audit,
}

impl<'a> AuditReport<'a> {
    /// Name and version of the document.
    pub const SCHEMA: &'static str = "numatrace.audit/1";

    /// Takes the audit's parts out of a report.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            schema: Self::SCHEMA,
            host: &snapshot.host,
            session: &snapshot.session,
            hooks: &snapshot.hooks,
            coverage: &snapshot.coverage,
            audit: &snapshot.audit,
        }
    }
}
