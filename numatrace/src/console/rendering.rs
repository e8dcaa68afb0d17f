//! Renders reports: one way for sessions and recordings.

use std::io;

use crate::{
    cli::{Color, Format},
    model::{AuditReport, Snapshot, section::Sections},
    output::{self, text::TextOptions},
};

/// Form of a report.
#[derive(Clone, Debug)]
pub struct Rendering {
    /// Text or JSON.
    pub format: Format,
    /// Render only the audit.
    pub audit_only: bool,
    /// Width, rows and colour of text.
    pub text: TextOptions,
}

impl Rendering {
    /// Creates a form for a file, or for stdout, whose terminal has a width.
    pub fn new(
        format: Format,
        audit_only: bool,
        to_file: bool,
        sections: Sections,
        rows: usize,
        color: bool,
    ) -> Self {
        let text = TextOptions {
            width: if to_file { None } else { terminal_width() },
            rows: Some(rows),
            color,
            sections,
        };
        Self {
            format,
            audit_only,
            text,
        }
    }

    /// Renders a report, with a newline at its end.
    ///
    /// # Errors
    /// Serializing to memory failed.
    pub fn of(&self, snapshot: &Snapshot) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match (self.format, self.audit_only) {
            (Format::Json, false) => output::json::write_line(&mut bytes, snapshot)?,
            (Format::Json, true) => {
                output::json::write_line(&mut bytes, &AuditReport::of(snapshot))?;
            }
            (Format::Text, audit_only) => {
                let interval = snapshot.session.interval;
                if interval.is_some_and(|interval| interval > 0) {
                    // An empty line separates the reports of intervals.
                    bytes.push(b'\n');
                }
                let text = if audit_only {
                    output::text::render_audit(snapshot, &self.text)
                } else {
                    output::text::render(snapshot, &self.text)
                };
                bytes.extend(text.into_bytes());
            }
        }
        Ok(bytes)
    }
}

/// Returns whether text is coloured, on stdout or in a file.
pub fn color(wanted: Color, to_file: bool) -> bool {
    use io::IsTerminal;
    match wanted {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            !to_file
                && io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// Returns the columns of the terminal on stdout; `None` when stdout is no terminal.
fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(columns))
}
