//! Values as the report has them: times without meaningless digits, and a name for processes that
//! ended unnamed.

use crate::model::Name;

/// The name of a process or thread that ended before it could be named.
pub const GONE: &str = "[ended before it could be named]";

/// Returns nanoseconds as milliseconds, to the microsecond: finer digits are noise.
pub fn millis(ns: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a session is shorter than 2^53 µs"
    )]
    let micros = (ns / 1000) as f64;
    micros / 1000.0
}

/// Returns nanoseconds as seconds, to the microsecond.
pub fn seconds(ns: u64) -> f64 {
    millis(ns) / 1000.0
}

/// Returns a name, or [`GONE`] where it is not known.
pub fn name(comm: Option<&Name>) -> Name {
    comm.cloned().unwrap_or_else(|| Name::from(GONE))
}
