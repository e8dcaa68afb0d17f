//! Reasons why a file has no names.

use serde::{Deserialize, Serialize};

/// Why a file has no names, or no more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lost {
    /// The file used up its time.
    TooLong,
    /// Reading it takes more memory than a file may cost.
    Memory,
    /// The reader died of it.
    Failed,
    /// The reader answered with something else than an answer.
    Nonsense,
    /// Its headers contradict themselves or the file.
    Damaged,
    /// The parts that must be read are too large.
    TooLarge,
    /// The parts that must be read are not in the file: it is sparse.
    Sparse,
    /// It changed while it was read.
    Changed,
    /// All files together used up the time of a report, or of a session.
    NoTime,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The reader cannot be started.
    NoReader,
}

/// Start of the reason of a place whose file the library refuses.
pub const UNREADABLE: &str = "its symbols cannot be read";

/// Returns what of a frame's reason says that its file is to blame; `None` for a frame that has no
/// name for a different reason, such as a file without symbols.
pub fn of_file(reason: &str) -> Option<&'static str> {
    let known = Lost::ALL.map(Lost::in_words);
    let known = known.into_iter().find(|words| *words == reason);
    known.or_else(|| reason.starts_with(UNREADABLE).then_some(UNREADABLE))
}

impl Lost {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::TooLong,
        Self::Memory,
        Self::Failed,
        Self::Nonsense,
        Self::Damaged,
        Self::TooLarge,
        Self::Sparse,
        Self::Changed,
        Self::NoTime,
        Self::Interrupted,
        Self::NoReader,
    ];

    /// Returns the reason in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TooLong => "reading its symbols took too long",
            Self::Memory => "reading its symbols takes more memory than a file may cost",
            Self::Failed => "the reader of symbols failed on it",
            Self::Nonsense => "the reader of symbols gave no answer that makes sense",
            Self::Damaged => "its ELF headers are damaged",
            Self::TooLarge => "its symbols are too large",
            Self::Sparse => "it has holes where its symbols should be",
            Self::Changed => "it changed while its symbols were read",
            Self::NoTime => "reading symbols took too long in all",
            Self::Interrupted => "reading symbols was interrupted",
            Self::NoReader => "the reader of symbols cannot be started",
        }
    }

    /// Returns whether a later report may try the file again.
    pub fn passes(self) -> bool {
        matches!(self, Self::NoTime | Self::Interrupted)
    }
}
