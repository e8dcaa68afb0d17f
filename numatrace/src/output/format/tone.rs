//! Tones: the meaning of a piece of text. Text shows them as ANSI codes, the screen as its styles.

/// Meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Plain,
    /// A heading.
    Strong,
    /// An explanation, or something that does not matter now.
    Faint,
    /// All is well.
    Good,
    /// Needs attention.
    Warn,
    /// Wrong or lost.
    Bad,
    /// The row of the cursor; only on the screen.
    Cursor,
    /// A part of the largest value, in eighths; only on the screen.
    Heat(u8),
}

impl Tone {
    /// Returns `text` between SGR sequences (ECMA-48); unchanged where the tone has none.
    #[must_use]
    pub fn ansi(self, text: &str) -> String {
        let code = match self {
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Plain | Self::Cursor | Self::Heat(_) => return text.to_owned(),
        };
        format!("{code}{text}\x1b[0m")
    }
}
