//! The state of the recording that `r` starts and stops, as the screen shows it.

/// State of a recording during `top`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// None was started yet.
    #[default]
    Off,
    /// Its programs are being attached.
    Beginning,
    /// The recording is being written.
    On {
        /// Its file.
        path: String,
        /// Seconds since it began.
        seconds: u64,
        /// KiB written so far.
        kib: u64,
    },
    /// The last one is complete.
    Done {
        /// Its file.
        path: String,
        /// Its size, KiB.
        kib: u64,
    },
    /// The last one could not be started or completed.
    Failed {
        /// The reason.
        why: String,
    },
}
