//! Styles of tones on the screen. Without colours there are bold, dim and reversed text.

use ratatui::style::{Color, Modifier, Style};

use crate::output::format::tone::Tone;

/// The style of a screen.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// With colours.
    pub color: bool,
}

impl Theme {
    /// Returns the style of a tone.
    #[must_use]
    pub fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let colored = |color| if self.color { plain.fg(color) } else { plain };
        match tone {
            Tone::Plain => plain,
            Tone::Strong => plain.add_modifier(Modifier::BOLD),
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            Tone::Good => colored(Color::Green),
            Tone::Warn => colored(Color::Yellow),
            Tone::Bad => colored(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Cursor => plain.add_modifier(Modifier::REVERSED),
            Tone::Heat(eighths) => self.heat(eighths),
        }
    }

    /// Returns the colour of a value, from cold to hot, out of the 256 that terminals have.
    fn heat(self, eighths: u8) -> Style {
        const SCALE: [u8; 9] = [238, 17, 18, 19, 54, 90, 126, 160, 196];
        let shade = SCALE[usize::from(eighths.min(8))];
        if !self.color || eighths == 0 {
            return Style::new();
        }
        Style::new().bg(Color::Indexed(shade)).fg(Color::White)
    }
}
