//! Reads in parallel what a session needs before it can load anything: kernel BTF, symbols of
//! kallsyms, the living processes.
//!
//! The readings are independent and each takes tens of milliseconds of the user's time. BTF is read
//! twice, because aya's loader reads it by itself in any case.

use std::thread;

use anyhow::anyhow;

/// A reading that runs on a separate thread.
pub struct Reading<T> {
    thread: Option<thread::JoinHandle<T>>,
    read: fn() -> T,
}

impl<T: Send + 'static> Reading<T> {
    /// Begins the reading. If no thread can be started, [`Reading::end`] does the work.
    #[must_use]
    pub fn begin(read: fn() -> T) -> Self {
        Self {
            thread: thread::Builder::new().spawn(read).ok(),
            read,
        }
    }

    /// Waits for the result and returns it.
    ///
    /// # Errors
    /// The reading panicked.
    pub fn end(self) -> anyhow::Result<T> {
        match self.thread {
            Some(thread) => thread
                .join()
                .map_err(|_| anyhow!("a reading of kernel data panicked")),
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
