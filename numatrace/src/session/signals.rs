//! Signals that end a session, who sent them, and the dispositions that a launched command gets.
//!
//! A handler notes each signal before tokio's handler wakes the session: a session that is still
//! being opened asks [`first`], and a running one waits in [`Signals::next`].

use std::{
    future::poll_fn,
    io, mem, ptr,
    sync::{
        Arc, Once, OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
    task::Poll,
};

use anyhow::Context;
use libc::c_int;
use tokio::signal::unix::{SignalKind, signal};

/// Signals that end a session. Each of them would end numatrace by default, without a report and
/// with the terminal of `top` as it is.
const ENDING: [c_int; 13] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
];

/// Largest number of a signal, and the bits of [`IGNORED`].
const SIGNALS: c_int = 64;

/// The first of these signals; 0 before.
static FIRST: AtomicI32 = AtomicI32::new(0);
/// True while a signal of a process has come that [`Signals::next`] has not returned.
static SENT: AtomicBool = AtomicBool::new(false);
/// Number of these signals so far; the reader of names looks at it while nobody waits in
/// [`Signals::next`].
static COUNT: OnceLock<Arc<AtomicU64>> = OnceLock::new();
/// Signals that were ignored when numatrace began, one bit each.
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// A signal that has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    signal: c_int,
    sent: bool,
}

impl Came {
    /// Returns whether it is Ctrl-C on the terminal, which every process of the foreground group
    /// gets.
    pub(super) fn is_ctrl_c(self) -> bool {
        self.signal == libc::SIGINT && !self.sent
    }

    /// Returns whether it is Ctrl-\ on the terminal, which some programs answer without ending.
    pub(super) fn is_ctrl_backslash(self) -> bool {
        self.signal == libc::SIGQUIT && !self.sent
    }
}

/// Signals that end a session.
pub(crate) struct Signals(Vec<(c_int, tokio::signal::unix::Signal)>);

impl Signals {
    /// Handles the signals from now on, except those that are ignored: nohup(1) asks for that.
    /// SIGINT is handled even then, because a shell without job control ignores it for each program
    /// in the background, and `kill -INT` is the way to end such a session.
    ///
    /// # Errors
    /// sigaction(2) failed.
    pub(crate) fn new() -> anyhow::Result<Self> {
        note_all().context("cannot handle signals")?;
        let ignored = IGNORED.load(Ordering::Relaxed);
        let handled = ENDING
            .into_iter()
            .filter(|number| *number == libc::SIGINT || ignored & bit(*number) == 0);
        let signals = handled.map(|number| Ok((number, signal(SignalKind::from_raw(number))?)));
        let signals = signals.collect::<io::Result<_>>();
        Ok(Self(signals.context("cannot handle signals")?))
    }

    /// Waits for the next signal. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Came {
        poll_fn(|context| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(Came {
                        signal: *number,
                        sent: SENT.swap(false, Ordering::Relaxed),
                    });
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Returns a stream of the moments at which this process goes on after a stop: another program had
/// the terminal meanwhile.
///
/// # Errors
/// sigaction(2) failed.
pub(crate) fn continued() -> io::Result<tokio::signal::unix::Signal> {
    signal(SignalKind::from_raw(libc::SIGCONT))
}

/// Returns the first signal that was to end this session; `None` as long as there was none.
pub(super) fn first() -> Option<nix::sys::signal::Signal> {
    nix::sys::signal::Signal::try_from(FIRST.load(Ordering::Relaxed)).ok()
}

/// Returns the number of these signals, which grows while the session goes on.
pub(super) fn count() -> Arc<AtomicU64> {
    Arc::clone(COUNT.get_or_init(Arc::default))
}

/// Registers the handlers that note the signals, once in this process.
fn note_all() -> io::Result<()> {
    static DONE: Once = Once::new();
    let mut done = Ok(());
    DONE.call_once(|| done = register());
    done
}

fn register() -> io::Result<()> {
    for number in 1..=SIGNALS {
        if handler(number) == Some(libc::SIG_IGN) {
            IGNORED.fetch_or(bit(number), Ordering::Relaxed);
        }
    }
    for number in ENDING {
        if number != libc::SIGINT && IGNORED.load(Ordering::Relaxed) & bit(number) != 0 {
            continue;
        }
        let count = count();
        // SAFETY: the handler only changes atomic variables.
        unsafe {
            signal_hook_registry::register_sigaction(number, move |info| {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = FIRST.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
                // The kernel's own signals, those of keys among them, have codes above zero.
                if info.si_code <= 0 {
                    SENT.store(true, Ordering::Relaxed);
                }
            })?;
        }
    }
    // With a handler that does nothing, a write beyond the limit of a file's size fails as one to a
    // full disk does. An ignored signal would stay ignored in a launched command.
    // SAFETY: the handler does nothing.
    unsafe { signal_hook_registry::register(libc::SIGXFSZ, || ()) }?;
    Ok(())
}

/// Gives this process the dispositions that numatrace was started with, and blocks no signal. Meant
/// for a child between fork and exec: a signal that comes there must end the child, not wake the
/// session through the handlers and the pipe that both have.
pub(super) fn restore_inherited() {
    let ignored = IGNORED.load(Ordering::Relaxed);
    // Rust's runtime ignores SIGPIPE, and its `Command` has undone that by now.
    for number in (1..=SIGNALS).filter(|number| *number != libc::SIGPIPE) {
        let wanted = if ignored & bit(number) == 0 {
            libc::SIG_DFL
        } else {
            libc::SIG_IGN
        };
        if handler(number).is_some_and(|current| current != wanted) {
            // SAFETY: zero is a valid value of each member, and a default or ignored signal runs no
            // code of ours.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = wanted;
                libc::sigaction(number, &raw const action, ptr::null_mut());
            }
        }
    }
    // SAFETY: zero is a valid value, and the set is initialized before it is used.
    unsafe {
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Returns the handler of a signal, `SIG_DFL` or `SIG_IGN`; `None` where there is no such signal.
fn handler(number: c_int) -> Option<usize> {
    // SAFETY: zero is a valid value of each member, and the kernel only writes to the structure.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        (libc::sigaction(number, ptr::null(), &raw mut action) == 0).then_some(action.sa_sigaction)
    }
}

fn bit(number: c_int) -> u64 {
    1 << (number - 1)
}
