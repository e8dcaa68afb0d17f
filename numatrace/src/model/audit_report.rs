//! The audit without the processes it sums up: what `--audit-only` prints as JSON.

use serde::Serialize;

use super::audit::Audit;
use super::coverage::Coverage;
use super::hooks::Hook;
use super::report::{Host, Session, Snapshot};

/// The parts of a report that the audit rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AuditReport<'a> {
    /// Always [`AuditReport::SCHEMA`]: this is no whole report.
    pub schema: &'static str,
    /// The machine.
    pub host: &'a Host,
    /// What was traced, and how long.
    pub session: &'a Session,
    /// Each hook family, and how it fared.
    pub hooks: &'a [Hook],
    /// What was seen and what was lost.
    pub coverage: &'a Coverage,
    /// Our totals beside the kernel's.
    pub audit: &'a Audit,
}

impl<'a> AuditReport<'a> {
    /// The version of its shape.
    pub const SCHEMA: &'static str = "numatrace.audit/1";

    /// The audit of a report.
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
