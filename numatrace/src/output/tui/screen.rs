//! The screen on a real terminal: draws when there is something new, hands keys to the state, and the state's orders to the session.

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
    terminal::Taken,
    view,
};
use crate::model::frame::ScreenFrame;

/// How late a new look is shown at most. Keys are answered at once.
const NOTICE: Duration = Duration::from_millis(100);

/// The terminal, taken over.
#[derive(Debug)]
pub struct Screen {
    taken: Taken,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// Stdout is no terminal, or it refuses.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            taken: Taken::over()?,
        })
    }

    /// Shows looks and answers keys until the session ends or is told to. The terminal is given back at the end.
    ///
    /// # Errors
    /// The terminal broke.
    pub fn run(
        self,
        mut app: App,
        mut looks: watch::Receiver<Option<Arc<ScreenFrame>>>,
        mut recording: watch::Receiver<Recording>,
        orders: &UnboundedSender<Order>,
    ) -> io::Result<()> {
        let mut terminal = Terminal::new(CrosstermBackend::new(self.taken.output()))?;
        let mut stale = true;
        loop {
            match looks.has_changed() {
                Ok(true) => {
                    let look = looks.borrow_and_update().clone();
                    if let Some(look) = look {
                        app.take(look);
                        stale = true;
                    }
                }
                Ok(false) => {}
                // The session is over.
                Err(_) => return Ok(()),
            }
            if recording.has_changed().unwrap_or(false) {
                app.recording.clone_from(&recording.borrow_and_update());
                stale = true;
            }
            if !self.taken.is_ours() {
                return Ok(());
            }
            if std::mem::take(&mut stale) {
                execute!(self.taken.output(), BeginSynchronizedUpdate)?;
                terminal.draw(|frame| view::draw(&app, frame))?;
                execute!(self.taken.output(), EndSynchronizedUpdate)?;
            }
            if !event::poll(NOTICE)? {
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
