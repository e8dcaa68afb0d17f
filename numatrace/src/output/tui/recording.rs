//! What the screen knows of the recording that `r` begins and ends.

/// A recording beside the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// There was none yet.
    #[default]
    Off,
    /// Its programs are being attached.
    Beginning,
    /// It is being written.
    On {
        /// Its file.
        path: String,
        /// Seconds since it began.
        seconds: u64,
        /// KiB written so far.
        kib: u64,
    },
    /// The last one is whole.
    Done {
        /// Its file.
        path: String,
        /// Its size, KiB.
        kib: u64,
    },
    /// The last one could not be begun, or not be finished.
    Failed {
        /// Why.
        why: String,
    },
}
