//! Names of strangers as cells: escaped, and visible as a whole.

use super::width;
use crate::{model::Name, output::escape};

/// Columns of a process name. The kernel keeps 15 bytes; only escapes make it longer.
const SHORT: usize = 20;

/// Returns a name for a terminal: escaped, in quotes where its spaces would be invisible.
#[must_use]
pub fn quoted(name: &Name) -> String {
    let shown = escape::text(name.as_bytes());
    let hides = shown.is_empty()
        || shown.starts_with(char::is_whitespace)
        || shown.ends_with(char::is_whitespace);
    if hides {
        format!("\"{shown}\"")
    } else {
        shown.into_owned()
    }
}

/// Returns a process name for a table: as [`quoted`], and cut where escapes made it too long.
#[must_use]
pub fn short(name: &Name) -> String {
    width::shorten(&quoted(name), SHORT)
}
