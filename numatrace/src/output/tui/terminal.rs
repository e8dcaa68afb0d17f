//! The terminal, taken over and given back: after the end, after a panic on whichever thread, and only once.

use std::{
    io::{self, Stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::{Hide, Show},
    execute,
    style::ResetColor,
    terminal::{
        EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};

/// The terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal as long as it is ours; dropping gives it back.
#[derive(Debug)]
pub struct Taken(());

impl Taken {
    /// Takes it over: raw mode, the other screen, no cursor. From here on a panic gives it back before its message.
    ///
    /// # Errors
    /// Stdout is no terminal, or the terminal refuses.
    pub fn over() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Self(());
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(taken)
    }

    /// Is it still ours? A panic elsewhere may have given it back.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        TAKEN.load(Ordering::SeqCst)
    }

    /// Where to draw.
    #[must_use]
    pub fn output(&self) -> Stdout {
        io::stdout()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Leaves the terminal as it was. What it refuses cannot be mended, and must not hide why this ends.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            ResetColor,
            LeaveAlternateScreen,
            Show
        );
        let _ = disable_raw_mode();
    }
}
