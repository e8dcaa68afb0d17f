//! A library binds its memory and gets EINVAL; whoever runs it does not hear of it, or hears
//! "Invalid argument" alone.
//!
//! Sources: `mbind() failed: Invalid argument`,
//! <https://github.com/oneapi-src/unified-memory-framework/issues/149>; "NumaBind always return ok,
//! and the log is misleading", <https://github.com/mindspore-ai/mindspore/issues/186>.

use super::launched;
use crate::two_nodes_or_skip;

#[test]
fn a_refused_bind_names_call_error_cause_and_function() {
    let _ = two_nodes_or_skip!();
    let report = launched(&["refused"]);
    report.says("mbind was refused 3 times: EINVAL (address not page-aligned), from");
    report.says("bind_range");
}
