//! `numatrace doctor`: what can be typed after it.

use clap::Args;

use super::Format;

/// Show what this machine allows, hook by hook, what is lost otherwise, and how to get it.
///
/// Finds out by trying: every hook is attached for an instant and taken off again. Exit code 0 when a tracing session is
/// possible, 4 when not; the reason and a way out are printed in both forms.
#[derive(Args, Clone, Debug, Default)]
pub struct DoctorArgs {
    /// Form of the output: text, or one JSON document of schema numatrace.doctor/1
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,
}
