//! Arguments of `numatrace doctor`.

use clap::Args;

use super::Format;

/// Show what this machine allows, hook by hook, what is missing without it, and how to get it.
///
/// Tries everything for real: every hook is attached for an instant and detached again. Exits with
/// status 0 when a tracing session is possible, and 4 when not; both output formats give the reason
/// and the remedy.
#[derive(Args, Clone, Debug, Default)]
pub struct DoctorArgs {
    /// Output format: text, or one JSON document of schema numatrace.doctor/1
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,
}
