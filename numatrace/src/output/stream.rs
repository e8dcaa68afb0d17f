//! A stream of lines to a reader who may be slow: a bounded queue, and a thread that writes.
//!
//! Sending a line never blocks. Lines that find no room in the queue are counted, and a line with
//! the count stands at the place of the gap.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::sink::Sink;
use crate::model::event::{Line, Lost, LostKind, LostReason};

/// Bytes per write, about.
const CHUNK: usize = 64 * 1024;

/// Time for which the end of a session waits for its reader.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sending end of a stream.
pub struct Stream {
    queue: SyncSender<Line>,
    writer: JoinHandle<()>,
    state: Arc<State>,
    /// Lines that found no room since the last line about a gap, by kind.
    missing: BTreeMap<String, u64>,
    /// All lines that found no room.
    dropped: u64,
}

#[derive(Default)]
struct State {
    closed: AtomicBool,
    error: Mutex<Option<io::Error>>,
}

impl Stream {
    /// Opens a stream into `sink` with room for `room` lines; `form` formats them.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn open(
        sink: Sink,
        room: usize,
        form: impl Fn(&Line) -> io::Result<String> + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(room);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let writer = thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                if let Err(error) = write_all(sink, &lines, form) {
                    *shared.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                shared.closed.store(true, Ordering::Release);
            })?;
        Ok(Self {
            queue,
            writer,
            state,
            missing: BTreeMap::new(),
            dropped: 0,
        })
    }

    /// Sends a line, or counts it if there is no room.
    pub fn send(&mut self, line: Line) {
        if !self.missing.is_empty() && !self.send_gap() {
            self.drop_one(&line);
            return;
        }
        match self.queue.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(line)) => self.drop_one(&line),
            Err(TrySendError::Disconnected(_)) => self.state.closed.store(true, Ordering::Release),
        }
    }

    fn drop_one(&mut self, line: &Line) {
        let kind = match line {
            Line::Event(event) => event.kind.name(),
            Line::Session(_) => "session",
            Line::Lost(_) => "lost",
        };
        let count = self.missing.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Sends a line about the missing ones; returns false if there is no room for it either.
    fn send_gap(&mut self) -> bool {
        let lost = Line::Lost(self.gap());
        let sent = self.queue.try_send(lost).is_ok();
        if sent {
            self.missing.clear();
        }
        sent
    }

    fn gap(&self) -> Lost {
        Lost {
            time: Timestamp::now(),
            kind: LostKind::Lost,
            reason: LostReason::SlowReader,
            count: self.missing.values().sum(),
            by_kind: self.missing.clone(),
        }
    }

    /// Returns the number of lines that found no room so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns whether the reader is gone or the destination failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.closed.load(Ordering::Acquire)
    }

    /// Ends the stream after a short wait for a slow reader. Returns the number of lines that are
    /// missing without a line about them.
    ///
    /// # Errors
    /// The destination failed.
    pub fn finish(mut self) -> io::Result<u64> {
        let until = Instant::now() + PATIENCE;
        while !self.missing.is_empty()
            && !self.send_gap()
            && !self.is_closed()
            && Instant::now() < until
        {
            thread::park_timeout(Duration::from_millis(10));
        }
        let unreported: u64 = self.missing.values().sum();
        let Self {
            queue,
            writer,
            state,
            ..
        } = self;
        drop(queue);
        while !writer.is_finished() && Instant::now() < until {
            thread::park_timeout(Duration::from_millis(10));
        }
        if !writer.is_finished() {
            // The thread blocks in a write that nobody reads; it ends with the process.
            return Ok(unreported.max(1));
        }
        // The thread ended, so this does not wait.
        if writer.join().is_err() {
            return Err(io::Error::other(
                "the writer panicked; its message is above",
            ));
        }
        match state
            .error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(error) => Err(error),
            None => Ok(unreported),
        }
    }
}

/// Writes lines until there are no more, or the reader is gone.
fn write_all(
    mut sink: Sink,
    lines: &Receiver<Line>,
    form: impl Fn(&Line) -> io::Result<String>,
) -> io::Result<()> {
    let mut chunk = String::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(3600)) {
            Ok(line) => chunk.push_str(&form(&line)?),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while chunk.len() < CHUNK {
            let Ok(line) = lines.try_recv() else { break };
            chunk.push_str(&form(&line)?);
        }
        if !sink.write(chunk.as_bytes())? {
            return Ok(());
        }
        chunk.clear();
    }
    sink.finish(&[])
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{BufRead, BufReader},
        os::fd::OwnedFd,
    };

    use super::*;
    use crate::model::event::Session;

    fn line(number: u64) -> Line {
        Line::Session(Box::new(Session {
            schema: "test".into(),
            time: Timestamp::UNIX_EPOCH,
            kernel: String::new(),
            page_size: number,
            nodes: Vec::new(),
            hooks: Vec::new(),
        }))
    }

    fn form(line: &Line) -> io::Result<String> {
        Ok(match line {
            // As long as a page of a pipe, so that a few of them fill it.
            Line::Session(session) => format!("{:>4095}\n", session.page_size),
            Line::Lost(lost) => format!("lost {}\n", lost.count),
            Line::Event(_) => "event\n".into(),
        })
    }

    fn pipe() -> (File, OwnedFd) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        (File::from(reader), writer)
    }

    #[test]
    fn a_reader_that_stops_loses_counted_lines_at_the_place_of_the_gap() {
        let (reader, writer) = pipe();
        let mut stream = Stream::open(Sink::Existing(File::from(writer)), 4, form).unwrap();
        // A pipe has sixteen pages at most and the queue four lines: most of these find no room.
        for number in 0..500 {
            stream.send(line(number));
        }
        let dropped = stream.dropped();
        assert!((400..500).contains(&dropped), "{dropped}");
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap().trim(), "0");
        // Now that somebody reads, there will be room again.
        let reading = thread::spawn(move || lines.collect::<Vec<String>>());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !stream.missing.is_empty() && Instant::now() < deadline {
            stream.send_gap();
        }
        stream.send(line(1_000));
        while stream.dropped() > dropped && !stream.missing.is_empty() && Instant::now() < deadline
        {
            stream.send_gap();
        }
        assert_eq!(stream.finish().unwrap(), 0);
        let rest: Vec<String> = reading.join().unwrap();
        let counted: u64 = rest
            .iter()
            .filter_map(|line| line.strip_prefix("lost "))
            .map(|count| count.parse::<u64>().unwrap())
            .sum();
        let read = 1 + rest.iter().filter(|line| !line.starts_with("lost")).count();
        assert!(counted >= dropped, "{counted} counted, {dropped} dropped");
        assert_eq!(counted + read as u64, 501, "every line is read or counted");
    }

    #[test]
    fn a_reader_that_leaves_is_not_an_error() {
        let (reader, writer) = pipe();
        let mut stream = Stream::open(Sink::Existing(File::from(writer)), 4, form).unwrap();
        drop(reader);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !stream.is_closed() && Instant::now() < deadline {
            stream.send(line(1));
        }
        assert!(stream.is_closed());
        assert!(stream.finish().is_ok());
    }
}
