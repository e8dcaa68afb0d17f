//! Questions to the reader and its answers. Both ends are the same program, so the format may
//! change at any time.

use serde::{Deserialize, Serialize};

use super::lost::Lost;

/// Most bytes of a message. The tracer does not trust the reader, so that an answer must not make
/// it allocate much either.
pub const MOST_BYTES: usize = 2 << 20;
/// Most addresses in one question.
pub const MOST_ADDRESSES: usize = 32;
/// Most bytes of a name; longer ones are cut.
pub const MOST_NAME: usize = 4096;
/// Most bytes of all names of an address, with inlined functions.
pub const MOST_NAMES: usize = 24 << 10;

/// Kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An ELF file; with `lines` its debug information is read as well.
    Elf {
        /// Whether its debug information is read.
        lines: bool,
    },
    /// A perf map (`enrich/perf_map.rs`).
    PerfMap,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Takes a file, whose descriptor comes with it, under a number.
    Take(u32, Kind),
    /// Takes the file with the debug information of a file. Its descriptor comes with it; `linked`
    /// says that a name led to it, so that its checksum must be compared.
    TakeDebug(u32, bool),
    /// Takes the file that debug information shares with others.
    TakeShared(u32),
    /// Asks for the names of places in a file: offsets of an ELF file, addresses of a perf map.
    Names(u32, Vec<u64>),
    /// Forgets a file.
    Forget(u32),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The reader has given up everything that it does not need.
    Ready,
    /// The file was taken.
    Taken(Taken),
    /// Names, in the order of the places; `Err` for a place without a name.
    Names(Vec<Place>),
    /// The file has no names.
    Lost(Lost),
}

/// A function at a place in a file, or why there is none.
pub type Place = Result<Named, String>;

/// Facts about a file that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Build ID, hexadecimal.
    pub build_id: Option<String>,
    /// Where more of its debug information is.
    pub link: Option<Link>,
}

/// A link to a file with debug information. The path is what a hostile file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// `.gnu_debuglink`: the name of a file, and the build ID of the file with the link.
    Debug(Vec<u8>, Option<String>),
    /// `.gnu_debugaltlink`: the path of a file, and its build ID.
    Shared(Vec<u8>, String),
}

/// A function, with the functions that were inlined into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: Vec<u8>,
    /// Offset in the function.
    pub offset: u64,
    /// Source file and line.
    pub line: Option<Vec<u8>>,
    /// Inlined functions with their lines, innermost first.
    pub inlined: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Named {
    /// Cuts whatever is too long.
    pub fn cap(&mut self) {
        let mut room = MOST_NAMES;
        let mut cut = |name: &mut Vec<u8>| {
            cap(name);
            room = room.saturating_sub(name.len() + 16);
            room > 0
        };
        cut(&mut self.name);
        if let Some(line) = &mut self.line {
            cut(line);
        }
        self.inlined.retain_mut(|(name, line)| {
            let kept = cut(name);
            line.as_mut().map_or(kept, &mut cut)
        });
    }
}

/// Cuts a name that is too long.
pub fn cap(name: &mut Vec<u8>) {
    if name.len() > MOST_NAME {
        name.truncate(MOST_NAME);
        name.extend_from_slice("…".as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_whatever_the_names_are() {
        let long = vec![0xff; 40 << 20];
        let mut named = Named {
            name: long.clone(),
            offset: u64::MAX,
            line: Some(long.clone()),
            inlined: vec![(vec![0xff; 5000], Some(vec![0xff; 5000])); 1000],
        };
        named.cap();
        assert_eq!(named.name.len(), MOST_NAME + "…".len());
        assert!(!named.inlined.is_empty());
        let answer = Answer::Names(vec![Ok(named); MOST_ADDRESSES]);
        let bytes = rmp_serde::to_vec(&answer).unwrap();
        assert!(bytes.len() <= MOST_BYTES, "{}", bytes.len());
    }
}
