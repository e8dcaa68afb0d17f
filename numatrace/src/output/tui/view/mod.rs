//! Views: functions from the state and a size to lines of text with tones. They scroll or drop what
//! does not fit; the terminal never wraps.

mod columns;
mod detail;
mod findings;
mod header;
mod help;
mod line;
mod matrix;
mod moves;
mod nodes;
mod processes;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};

use super::app::{App, View};
use crate::output::format::tone::Tone;
use columns::Columns;
use line::fit;

/// Fewer lines than this leave no room for tabs and keys.
const SMALL: usize = 8;

/// A piece of text with its tone.
pub type Part = (Tone, String);

/// One line of the screen.
pub type Row = Vec<Part>;

/// A line of one tone.
pub fn plain(tone: Tone, text: impl Into<String>) -> Row {
    vec![(tone, text.into())]
}

/// Draws the whole screen.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    frame.render_widget(Clear, area);
    for (y, row) in (area.y..area.bottom()).zip(screen(app, width, height)) {
        let spans = fit(row, width)
            .into_iter()
            .map(|(tone, text)| Span::styled(text, app.theme.style(tone)));
        let line = Line::from(spans.collect::<Vec<_>>());
        let place = Rect {
            x: area.x,
            y,
            width: area.width,
            height: 1,
        };
        frame.render_widget(Paragraph::new(line), place);
    }
}

/// Returns the lines of a screen of this size.
fn screen(app: &App, width: usize, height: usize) -> Vec<Row> {
    let mut rows = header::rows(app, width, height);
    let small = height < SMALL;
    if !small {
        rows.push(tabs(app));
    }
    let footer = (!small || app.typing).then(|| keys(app));
    let room = height
        .saturating_sub(rows.len())
        .saturating_sub(usize::from(footer.is_some()));
    let mut body = body(app, width, room);
    body.resize(room, Row::new());
    rows.extend(body);
    rows.extend(footer);
    rows
}

/// Returns the headers of all tables that the screen can show.
#[must_use]
pub fn headers() -> Vec<String> {
    let tables = [
        processes::headers(),
        nodes::headers(),
        moves::headers(),
        detail::headers_of_threads(),
        detail::headers_of_mappings(),
    ];
    tables
        .iter()
        .flat_map(Columns::headers)
        .map(str::to_owned)
        .collect()
}

fn body(app: &App, width: usize, height: usize) -> Vec<Row> {
    if app.help {
        return help::rows(app, width, height);
    }
    let Some(frame) = &app.frame else {
        return vec![
            Row::new(),
            plain(
                Tone::Faint,
                "  waiting for the end of the first interval ...",
            ),
        ];
    };
    match app.view {
        View::Processes if app.detail.is_some() => detail::rows(app, frame, width, height),
        View::Processes => processes::rows(app, frame, width, height),
        View::Nodes => nodes::rows(app, frame, width, height),
        View::Matrix => matrix::rows(app, frame, width, height),
        View::Moves => moves::rows(app, frame, width, height),
        View::Findings => findings::rows(app, width, height),
    }
}

fn tabs(app: &App) -> Row {
    let mut row = Row::new();
    for (digit, view) in (1..).zip(View::ALL) {
        let count = match view {
            View::Findings if app.findings.serious() > 0 => {
                format!(" ({})", app.findings.serious())
            }
            _ => String::new(),
        };
        let tone = if view == app.view {
            Tone::Cursor
        } else {
            Tone::Plain
        };
        row.push((tone, format!(" {digit} {}{count} ", view.name())));
        row.push((Tone::Plain, " ".into()));
    }
    row
}

/// Returns the last line: the filter while it is typed, else the keys of this view.
fn keys(app: &App) -> Row {
    if app.typing {
        return vec![
            (Tone::Strong, "filter: ".into()),
            (Tone::Plain, format!("{}_", app.filter)),
            (Tone::Faint, "   Enter keeps it, Esc clears it".into()),
        ];
    }
    let here = match (app.view, app.detail.is_some()) {
        (View::Processes, false) => "Enter details  s sort  / filter  ",
        (View::Processes, true) => "Esc back  j k scroll  ",
        (View::Matrix, _) => "m next quantity  ",
        _ => "j k scroll  ",
    };
    let mut row = plain(
        Tone::Faint,
        format!("q quit  h help  {here}space pause  r record  + - time"),
    );
    if !app.filter.is_empty() {
        row.push((Tone::Warn, format!("  filter: {}", app.filter)));
    }
    row
}
