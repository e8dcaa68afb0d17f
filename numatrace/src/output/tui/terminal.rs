//! The terminal in raw mode and its restoration: at the end and after a panic on any thread, once.

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

/// True while the terminal is in raw mode.
static RAW: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode; dropping it restores the terminal.
#[derive(Debug)]
pub struct RawTerminal(());

impl RawTerminal {
    /// Switches the terminal to raw mode and the other screen, and hides the cursor. From here on a
    /// panic restores the terminal before its message.
    ///
    /// # Errors
    /// Stdout is not a terminal, or the terminal refuses.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        enable_raw_mode()?;
        RAW.store(true, Ordering::SeqCst);
        let terminal = Self(());
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(terminal)
    }

    /// Takes the terminal again after this process was stopped: the shell had it meanwhile.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn take_again(&self) -> io::Result<()> {
        if !self.is_raw() {
            return Ok(());
        }
        // The library takes the terminal for raw already, and would not ask the kernel again.
        disable_raw_mode()?;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)
    }

    /// Returns whether it is still in raw mode: a panic on another thread restores it.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        RAW.load(Ordering::SeqCst)
    }

    /// Returns the output to draw on.
    #[must_use]
    pub fn output(&self) -> Stdout {
        io::stdout()
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal. Errors are ignored: nothing can be done about them, and they must not
/// hide the reason of the end.
fn restore() {
    if RAW.swap(false, Ordering::SeqCst) {
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
