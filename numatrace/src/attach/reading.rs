//! The long readings before anything can be loaded, side by side: kernel BTF, symbols of kallsyms, the processes there are.
//!
//! None needs another, each takes tens of milliseconds, and somebody waits for the session. aya's loader reads BTF for itself, whether it needs
//! it or not, so it is read twice.

use std::thread;

use anyhow::anyhow;

/// Something that is being read on a thread of its own.
pub struct Reading<T> {
    thread: Option<thread::JoinHandle<T>>,
    read: fn() -> T,
}

impl<T: Send + 'static> Reading<T> {
    /// Begins. A machine out of threads reads when the end is asked for.
    #[must_use]
    pub fn begin(read: fn() -> T) -> Self {
        Self {
            thread: thread::Builder::new().spawn(read).ok(),
            read,
        }
    }

    /// What was read.
    ///
    /// # Errors
    /// Reading it panicked.
    pub fn end(self) -> anyhow::Result<T> {
        match self.thread {
            Some(thread) => thread
                .join()
                .map_err(|_| anyhow!("reading what the kernel says of itself failed")),
            None => Ok((self.read)()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_comes_with_its_thread_and_without() {
        assert_eq!(Reading::begin(|| 7).end().unwrap(), 7);
        let without = Reading {
            thread: None,
            read: || 8,
        };
        assert_eq!(without.end().unwrap(), 8);
    }

    #[test]
    fn one_that_panics_is_an_error() {
        fn panics() {
            panic!("for a test");
        }
        assert!(Reading::begin(panics).end().is_err());
    }
}
