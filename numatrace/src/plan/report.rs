//! The plan of a report: how it looks, where it goes, and the limits it must keep.

use std::path::PathBuf;

use crate::{console::rendering::Rendering, limits::fail_if::FailIf};

/// Form, destination and limits of the reports of a session or recording.
#[derive(Clone, Debug)]
pub struct ReportPlan {
    /// Form of the report.
    pub rendering: Rendering,
    /// File for the report; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Limits that each report is compared with.
    pub fail_if: FailIf,
}
