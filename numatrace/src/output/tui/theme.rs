//! Colours, and what stands for them where there are none: bold, dim and reversed text are no colours.

use ratatui::style::{Color, Modifier, Style};

/// What a stretch of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A heading.
    Strong,
    /// Explanations, things that do not matter now.
    Faint,
    /// As it should be.
    Good,
    /// Look at it.
    Warn,
    /// Something is wrong, or lost.
    Bad,
    /// The row of the cursor.
    Cursor,
    /// How much of the largest, in eighths.
    Heat(u8),
}

/// How tones look.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// With colours.
    pub color: bool,
}

impl Theme {
    /// The style of a tone.
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

    /// From cold to hot; colours of the 256, which every terminal of today has.
    fn heat(self, eighths: u8) -> Style {
        const SCALE: [u8; 9] = [238, 17, 18, 19, 54, 90, 126, 160, 196];
        let shade = SCALE[usize::from(eighths.min(8))];
        if !self.color || eighths == 0 {
            return Style::new();
        }
        Style::new().bg(Color::Indexed(shade)).fg(Color::White)
    }
}
