//! The screen on a real terminal: draws new frames, passes keys to the state and the state's
//! requests to the session.

use std::{io, sync::Arc, time::Duration};

use crossterm::{
    event::{self, Event},
    execute,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{Terminal, backend::CrosstermBackend};
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

/// The screen; dropping it restores the terminal.
#[derive(Debug)]
pub struct Screen {
    terminal: RawTerminal,
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

    /// Shows frames and answers keys until the session ends or the person quits. The terminal is
    /// restored at the end.
    ///
    /// # Errors
    /// Reading from or writing to the terminal failed.
    pub fn run(
        self,
        mut app: App,
        mut frames: watch::Receiver<Option<Arc<ScreenFrame>>>,
        mut recording: watch::Receiver<Recording>,
        orders: &UnboundedSender<Order>,
    ) -> io::Result<()> {
        let mut terminal = Terminal::new(CrosstermBackend::new(self.terminal.output()))?;
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
            if std::mem::take(&mut stale) {
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
