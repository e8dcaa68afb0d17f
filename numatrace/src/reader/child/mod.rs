//! The reader itself: gives up whatever it may do besides reading, then answers questions until the
//! tracer is gone.
//!
//! Nothing here recovers from a file: a panic, an allocation that fails or a signal ends the
//! process, and the tracer starts another one.

mod confine;
mod copy;
mod elf;
mod filter;
mod limits;
mod names;
mod opens;
mod perf_map;

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
};

use super::{
    lost::Lost,
    protocol::{Answer, Kind, Place, Question, Taken},
    wire,
};
use limits::Limits;
use names::ElfNames;
use perf_map::PerfMap;

/// A file that was taken.
enum Taking {
    Elf(Box<ElfNames>),
    /// A perf map is read when it is first asked for.
    Unread(File),
    PerfMap(PerfMap),
}

/// Answers the questions that come in on standard input.
pub fn run() -> ExitCode {
    // SAFETY: descriptor 0 is the socket that the tracer made for us, and nothing else uses it.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
    match serve(&socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(socket: &UnixStream) -> io::Result<()> {
    confine::close_others();
    let mut limits = Limits::new()?;
    confine::confine()?;
    wire::answer(socket, &Answer::Ready)?;
    let mut files = HashMap::new();
    loop {
        let (question, file) = match wire::receive(socket) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let answer = answer(question, file, &mut files, &mut limits);
        wire::answer(socket, &answer.unwrap_or_else(Answer::Lost))?;
    }
}

fn answer(
    question: Question,
    file: Option<File>,
    files: &mut HashMap<u32, Taking>,
    limits: &mut Limits,
) -> Result<Answer, Lost> {
    match question {
        Question::Take(number, kind) => {
            let file = file.ok_or(Lost::Changed)?;
            let (taking, taken) = limits.within(number, 0, || {
                Ok(match kind {
                    Kind::Elf { lines } => {
                        let (names, taken) = ElfNames::new(file, lines)?;
                        (Taking::Elf(Box::new(names)), taken)
                    }
                    Kind::PerfMap => (Taking::Unread(file), Taken::default()),
                })
            })?;
            files.insert(number, taking);
            Ok(Answer::Taken(taken))
        }
        Question::TakeDebug(number, linked) => {
            let names = elf(files, number)?;
            let file = file.ok_or(Lost::Changed)?;
            // Its checksum is of all of it.
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            let taken = limits.within(number, size, || Ok(names.take_debug(file, linked)))?;
            Ok(Answer::Taken(taken))
        }
        Question::TakeShared(number) => {
            let names = elf(files, number)?;
            let file = file.ok_or(Lost::Changed)?;
            limits.within(number, 0, || {
                names.take_shared(file);
                Ok(Answer::Taken(Taken::default()))
            })
        }
        Question::Names(number, places) => {
            let taking = files.get_mut(&number).ok_or(Lost::Nonsense)?;
            let size = match taking {
                Taking::Elf(names) => names.size()?,
                Taking::Unread(_) | Taking::PerfMap(_) => 0,
            };
            limits
                .within(number, size, || taking.at(&places))
                .map(Answer::Names)
        }
        Question::Forget(number) => {
            files.remove(&number);
            limits.forget(number);
            Ok(Answer::Taken(Taken::default()))
        }
    }
}

impl Taking {
    fn at(&mut self, places: &[u64]) -> Result<Vec<Place>, Lost> {
        if let Self::Unread(file) = self {
            *self = Self::PerfMap(PerfMap::read(&*file)?);
        }
        match self {
            Self::Elf(names) => names.at(places),
            Self::PerfMap(map) => Ok(map.at(places)),
            Self::Unread(_) => Err(Lost::Failed),
        }
    }
}

fn elf(files: &mut HashMap<u32, Taking>, number: u32) -> Result<&mut ElfNames, Lost> {
    match files.get_mut(&number) {
        Some(Taking::Elf(names)) => Ok(names),
        _ => Err(Lost::Nonsense),
    }
}
