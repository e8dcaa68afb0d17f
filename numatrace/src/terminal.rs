//! What stdout is: a terminal with a width and colours, or not.

use std::io::IsTerminal;

use crate::cli::Color;

/// Whether text is coloured; `to_file` when it does not go to stdout.
#[must_use]
pub fn color(choice: Color, to_file: bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            !to_file
                && std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    }
}

/// Columns of the terminal on stdout; `None` when it is none, or the text does not go there.
#[must_use]
pub fn width(to_file: bool) -> Option<usize> {
    if to_file {
        return None;
    }
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(columns))
}
