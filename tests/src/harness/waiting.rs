//! Waits for what a test is about to look at, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at things that send no event.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until a condition holds.
///
/// # Panics
/// The deadline has passed; the message names what was waited for.
pub fn until(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < deadline,
            "{what}: not within {deadline:?}"
        );
        thread::sleep(PAUSE);
    }
}
