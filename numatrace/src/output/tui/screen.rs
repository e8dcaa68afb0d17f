//! The screen on a real terminal: draws new frames, passes keys to the state and the state's
//! requests to the session.

use std::{io, sync::Arc, time::Duration};

use crossterm::{
    event::{self, Event},
    execute,
    terminal::{self, BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::{
    app::{App, Order},
    keys,
    recording::Recording,
    terminal::RawTerminal,
    view,
};
use crate::model::frame::ScreenFrame;

/// Longest time until a new frame is shown. Keys are answered at once.
const LATENCY: Duration = Duration::from_millis(100);

/// Largest part of a terminal that is drawn on, columns and rows: more than a person can read, and
/// little enough to be drawn at once.
const LARGEST: (u16, u16) = (1_000, 500);

/// The screen; dropping it restores the terminal.
#[derive(Debug)]
pub struct Screen {
    terminal: RawTerminal,
}

/// Returns the part of the terminal that is drawn on.
fn area() -> io::Result<Rect> {
    let (columns, rows) = terminal::size()?;
    Ok(Rect::new(0, 0, columns.min(LARGEST.0), rows.min(LARGEST.1)))
}

impl Screen {
    /// Switches the terminal to the full screen.
    ///
    /// # Errors
    /// Stdout is not a terminal, or the terminal refuses.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            terminal: RawTerminal::enter()?,
        })
    }

    /// Shows frames and answers keys until the session ends or the person quits. `continued` says
    /// that this process was stopped and goes on. The terminal is restored at the end.
    ///
    /// # Errors
    /// Reading from or writing to the terminal failed.
    pub fn run(
        self,
        mut app: App,
        mut frames: watch::Receiver<Option<Arc<ScreenFrame>>>,
        mut recording: watch::Receiver<Recording>,
        mut continued: watch::Receiver<()>,
        orders: &UnboundedSender<Order>,
    ) -> io::Result<()> {
        let mut drawn_on = area()?;
        let viewport = Viewport::Fixed(drawn_on);
        let backend = CrosstermBackend::new(self.terminal.output());
        let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        let mut stale = true;
        loop {
            match frames.has_changed() {
                Ok(true) => {
                    let frame = frames.borrow_and_update().clone();
                    if let Some(frame) = frame {
                        app.add(frame);
                        stale = true;
                    }
                }
                Ok(false) => {}
                // The session ended.
                Err(_) => return Ok(()),
            }
            if recording.has_changed().unwrap_or(false) {
                app.recording.clone_from(&recording.borrow_and_update());
                stale = true;
            }
            if !self.terminal.is_raw() {
                return Ok(());
            }
            let was_stopped = continued.has_changed().unwrap_or(false);
            if was_stopped {
                continued.mark_unchanged();
                self.terminal.take_again()?;
                stale = true;
            }
            if std::mem::take(&mut stale) {
                let now = area()?;
                if was_stopped || now != drawn_on {
                    terminal.resize(now)?;
                    drawn_on = now;
                }
                execute!(self.terminal.output(), BeginSynchronizedUpdate)?;
                terminal.draw(|frame| view::draw(&app, frame))?;
                execute!(self.terminal.output(), EndSynchronizedUpdate)?;
            }
            if !event::poll(LATENCY)? {
                continue;
            }
            stale = true;
            if let Event::Key(key) = event::read()?
                && let Some(action) = keys::action(key, app.typing)
                && let Some(order) = app.apply(action)
                && (orders.send(order).is_err() || order == Order::Quit)
            {
                return Ok(());
            }
        }
    }
}
