//! Names of code that a program generates, from its perf map
//! (tools/perf/Documentation/jit-interface.txt). Each line is `START SIZE NAME`, with hexadecimal
//! numbers.

use std::{
    io::{self, BufRead, BufReader, Read},
    ops::Range,
};

use crate::reader::{
    lost::Lost,
    protocol::{MOST_NAME, Named, Place},
};

/// Most bytes of names that are kept: a JVM with all of its methods compiled writes some megabytes.
const MOST_TEXT: usize = 24 << 20;
/// Most functions.
const MOST_ENTRIES: usize = 400_000;
/// Entries searched below an address. A JIT reuses the addresses of old code, and then the later
/// line is the right one.
const NEIGHBOURS: usize = 64;
/// Bytes of a line before its name, at most, and of the name.
const MOST_LINE: usize = 64 + MOST_NAME;

/// The names of one process's code.
#[derive(Debug, Default)]
pub struct PerfMap {
    text: Vec<u8>,
    /// Sorted by address.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    start: u64,
    end: u64,
    /// Number of the line.
    line: usize,
    name: Range<usize>,
}

impl PerfMap {
    /// Reads a map; lines that cannot be read are ignored, and long names are cut.
    ///
    /// # Errors
    /// It has too many functions, or cannot be read.
    pub fn read(file: impl Read) -> Result<Self, Lost> {
        let mut map = Self::default();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        for number in 0.. {
            if !next_line(&mut file, &mut line).map_err(|_| Lost::Changed)? {
                break;
            }
            if let Some((start, size, name)) = fields(&line) {
                let name = line.get(name).unwrap_or_default();
                let at = map.text.len();
                map.text.extend_from_slice(name);
                map.entries.push(Entry {
                    start,
                    end: start.saturating_add(size),
                    line: number,
                    name: at..map.text.len(),
                });
            }
            if map.text.len() > MOST_TEXT || map.entries.len() > MOST_ENTRIES {
                return Err(Lost::TooLarge);
            }
        }
        map.entries
            .sort_unstable_by_key(|entry| (entry.start, entry.line));
        Ok(map)
    }

    /// Returns the functions at addresses.
    pub fn at(&self, addresses: &[u64]) -> Vec<Place> {
        let places = addresses.iter().map(|address| {
            let (name, offset) = self.function(*address).ok_or("not in its perf map")?;
            let mut named = Named {
                name: name.to_vec(),
                offset,
                ..Named::default()
            };
            named.cap();
            Ok(named)
        });
        places.collect()
    }

    /// Returns the function at an address, and the offset in it.
    fn function(&self, address: u64) -> Option<(&[u8], u64)> {
        let behind = self.entries.partition_point(|entry| entry.start <= address);
        let entry = self
            .entries
            .get(behind.saturating_sub(NEIGHBOURS)..behind)?
            .iter()
            .filter(|entry| address < entry.end)
            .max_by_key(|entry| entry.line)?;
        Some((self.text.get(entry.name.clone())?, address - entry.start))
    }
}

/// Reads the next line without its end, up to [`MOST_LINE`] bytes of it; returns whether there is
/// one.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let part = file.fill_buf()?;
        if part.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = part.iter().position(|byte| *byte == b'\n');
        let text = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
        let room = MOST_LINE - line.len();
        line.extend_from_slice(text.get(..room).unwrap_or(text));
        let used = end.map_or(part.len(), |end| end + 1);
        file.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Returns start, size, and the range of the name in the line.
fn fields(line: &[u8]) -> Option<(u64, u64, Range<usize>)> {
    let space = |from: usize| {
        let rest = line.get(from..)?;
        Some(from + rest.iter().position(|byte| *byte == b' ')?)
    };
    let number = |range: Range<usize>| {
        let digits = std::str::from_utf8(line.get(range)?).ok()?;
        u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
    };
    let first = space(0)?;
    let second = space(first + 1)?;
    let name = second + 1..line.len();
    (!name.is_empty()).then_some((number(0..first)?, number(first + 1..second)?, name))
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };

    use super::*;

    #[test]
    fn the_latest_code_at_an_address_is_the_one_that_counts() {
        let map = PerfMap::read(
            &b"7f00 100 LazyCompile:~first a.js:1\n8000 80 other\nbroken\n\
               7f40 40 void Main::second(int)\n"[..],
        )
        .unwrap();
        let name = |address| {
            let (name, offset) = map.function(address)?;
            Some((String::from_utf8_lossy(name).into_owned(), offset))
        };
        assert_eq!(
            name(0x7f3f),
            Some(("LazyCompile:~first a.js:1".into(), 0x3f))
        );
        assert_eq!(name(0x7f40), Some(("void Main::second(int)".into(), 0)));
        assert_eq!(
            name(0x7f80),
            Some(("LazyCompile:~first a.js:1".into(), 0x80))
        );
        assert_eq!(name(0x8080), None);
        assert_eq!(name(0), None);
    }

    #[test]
    fn a_long_name_costs_no_more_than_a_short_one() {
        let mut text = b"1000 100 ".to_vec();
        text.resize(1 << 20, b'x');
        text.extend_from_slice(b"\n2000 100 after\n");
        let map = PerfMap::read(&text[..]).unwrap();
        assert!(map.text.len() <= MOST_LINE + 5, "{}", map.text.len());
        let places = map.at(&[0x1000, 0x2001]);
        let long = places[0].as_ref().unwrap();
        assert!(long.name.ends_with("…".as_bytes()));
        let after = places[1].as_ref().unwrap();
        assert_eq!((after.name.as_slice(), after.offset), (&b"after"[..], 1));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in vec(any::<u8>(), 0..200), address: u64) {
            let _ = PerfMap::read(&bytes[..]).map(|map| map.at(&[address]));
        }

        #[test]
        fn every_line_that_was_written_is_found(
            lines in btree_map(0u64..1000, 1u64..16, 1..50)
        ) {
            let written = |(at, size): (&u64, &u64)| format!("{:x} {size:x} f{at}\n", at * 16);
            let text: String = lines.iter().map(written).collect();
            let map = PerfMap::read(text.as_bytes()).unwrap();
            for at in lines.keys() {
                let name = format!("f{at}");
                prop_assert_eq!(map.function(at * 16), Some((name.as_bytes(), 0)));
            }
        }
    }
}
