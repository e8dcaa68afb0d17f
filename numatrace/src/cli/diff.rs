//! Arguments of `numatrace diff`.

use std::path::PathBuf;

use clap::Args;

use super::{Color, Format};

/// Show what changed between two sessions: did it help?
///
/// Takes two recordings (record -o FILE) or JSON reports (trace -f json -o FILE), the earlier one
/// first; `-` is a report on standard input. Processes are matched by command when their PIDs
/// differ. Each change says whether chance alone could explain it, and how many events it is based
/// on.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// Recording or report from before the change
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,

    /// Recording or report from after the change
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,

    /// Exit with status 3 when this condition holds, such as 'remote_share_change > 1%' or
    /// 'proc(redis).surprise_pages > 0' (repeatable; names in docs/fail-if.md)
    #[arg(long, value_name = "EXPR")]
    pub fail_if: Vec<String>,

    /// Rows of processes and mappings in text; JSON always has all of them
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 15)]
    pub limit: usize,

    /// Output format: text, or JSON of schema numatrace.diff/1
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the comparison to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,
}
