//! Headers of an ELF file, read from a descriptor: the little that is needed to copy the parts with
//! symbols out of it (`copy.rs`).
//!
//! All numbers in it are a hostile program's. Offsets and sizes are checked where they are used.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::reader::lost::Lost;

/// Most sections. Linkers make some dozens; a number of 0xff00 or more has a different place.
const MOST_SECTIONS: u16 = 0xff00;
/// Most program headers.
const MOST_SEGMENTS: u16 = 4096;
/// Most bytes of the table of section names.
const MOST_NAMES: u64 = 4 << 20;
/// Most bytes of a note or a link.
const MOST_NOTE: u64 = 16 << 10;
/// Most notes that are searched for a build ID.
const MOST_NOTES: usize = 64;
/// Longest build ID, bytes.
const MOST_ID: usize = 64;

/// Type of a section with symbols of other objects.
pub const NOBITS: u32 = 8;
const NOTE: u32 = 7;
const NT_GNU_BUILD_ID: u32 = 3;

/// Sizes and places that differ between the two classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Whether words have 64 bits.
    pub wide: bool,
}

/// One section header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Its name; empty if that cannot be read.
    pub name: Vec<u8>,
    /// Its type.
    pub kind: u32,
    /// Its flags.
    pub flags: u64,
    /// Its place in the file.
    pub offset: u64,
    /// Its size in the file.
    pub size: u64,
    /// Its header, as it stands in the file.
    pub raw: Vec<u8>,
}

/// A segment that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    size: u64,
}

/// The headers of a file.
#[derive(Debug)]
pub struct Headers {
    /// Its class.
    pub class: Class,
    /// The file's header, as it stands in the file.
    pub raw: Vec<u8>,
    /// The program headers, as they stand in the file.
    pub program: Vec<u8>,
    /// Sections, by their number.
    pub sections: Vec<Section>,
    /// Bytes of the file.
    pub size: u64,
    segments: Vec<Segment>,
}

impl Class {
    /// Bytes of the file's header.
    pub fn header(self) -> usize {
        if self.wide { 64 } else { 52 }
    }

    /// Bytes of a section header.
    pub fn section(self) -> usize {
        if self.wide { 64 } else { 40 }
    }

    /// Bytes of a program header.
    fn segment(self) -> usize {
        if self.wide { 56 } else { 32 }
    }

    /// Place of the numbers in the header: of the program headers, then of the section headers.
    pub fn tables(self) -> [usize; 2] {
        if self.wide { [32, 40] } else { [28, 32] }
    }

    /// Places of type, flags, offset and size in a section header.
    pub fn fields(self) -> [usize; 4] {
        if self.wide {
            [4, 8, 24, 32]
        } else {
            [4, 8, 16, 20]
        }
    }

    /// Reads a number with the width of an address.
    pub fn word(self, bytes: &[u8], at: usize) -> Option<u64> {
        if self.wide {
            Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
        } else {
            u32_at(bytes, at).map(u64::from)
        }
    }

    /// Writes a number with the width of an address; one that does not fit becomes the largest.
    pub fn put(self, bytes: &mut [u8], at: usize, number: u64) {
        if self.wide {
            put(bytes, at, &number.to_le_bytes());
        } else {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            put(bytes, at, &number.to_le_bytes());
        }
    }
}

impl Headers {
    /// Reads the headers of a file.
    ///
    /// # Errors
    /// They are damaged, or the file cannot be read.
    pub fn read(file: &File) -> Result<Self, Lost> {
        let size = file.metadata().map_err(|_| Lost::Changed)?.len();
        let ident = read(file, 0, 16)?;
        // Little-endian, and of one of the two classes.
        let class = match ident.get(..6) {
            Some([0x7f, b'E', b'L', b'F', 2, 1]) => Class { wide: true },
            Some([0x7f, b'E', b'L', b'F', 1, 1]) => Class { wide: false },
            _ => return Err(Lost::Damaged),
        };
        let raw = read(file, 0, class.header())?;
        let counts = class.header() - 10;
        let number = |at: usize| u16_at(&raw, at).ok_or(Lost::Damaged);
        let (segment_size, segments) = (number(counts)?, number(counts + 2)?);
        let (section_size, sections) = (number(counts + 4)?, number(counts + 6)?);
        let names = number(counts + 8)?;
        let [program_at, sections_at] = class.tables().map(|at| class.word(&raw, at));
        let fits = |size: u16, of: usize, count: u16| count == 0 || usize::from(size) == of;
        if segments > MOST_SEGMENTS
            || sections >= MOST_SECTIONS
            || !fits(segment_size, class.segment(), segments)
            || !fits(section_size, class.section(), sections)
        {
            return Err(Lost::Damaged);
        }
        let table = |at: Option<u64>, of: usize, count: u16| match count {
            0 => Ok(Vec::new()),
            _ => read(file, at.ok_or(Lost::Damaged)?, of * usize::from(count)),
        };
        let program = table(program_at, class.segment(), segments)?;
        let headers = table(sections_at, class.section(), sections)?;
        let mut sections: Vec<Section> = headers
            .chunks_exact(class.section())
            .map(|raw| section(class, raw))
            .collect();
        let text = match sections.get(usize::from(names)) {
            Some(table) if table.size <= MOST_NAMES => {
                read(file, table.offset, usize::try_from(table.size).unwrap_or(0))?
            }
            Some(_) => return Err(Lost::Damaged),
            None => Vec::new(),
        };
        for section in &mut sections {
            section.name = u32_at(&section.raw, 0)
                .and_then(|at| text.get(usize::try_from(at).ok()?..))
                // No section that is needed has a longer name.
                .map(|name| name.get(..32).unwrap_or(name))
                .and_then(|name| name.split(|byte| *byte == 0).next())
                .unwrap_or_default()
                .to_vec();
        }
        Ok(Self {
            segments: program
                .chunks_exact(class.segment())
                .filter_map(|raw| segment(class, raw))
                .collect(),
            class,
            raw,
            program,
            sections,
            size,
        })
    }

    /// Returns the first section of a name, as programs that read ELF files do.
    pub fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections
            .iter()
            .skip(1)
            .find(|section| section.name == name)
    }

    /// Returns the address that code at an offset of the file has before it is moved.
    pub fn address(&self, offset: u64) -> Option<u64> {
        let holds =
            |segment: &&Segment| offset >= segment.offset && offset - segment.offset < segment.size;
        let segment = self.segments.iter().find(holds)?;
        segment.address.checked_add(offset - segment.offset)
    }

    /// Returns the build ID, hexadecimal.
    pub fn build_id(&self, file: &File) -> Option<String> {
        let notes = self
            .sections
            .iter()
            .filter(|section| section.kind == NOTE && section.size <= MOST_NOTE);
        notes.take(MOST_NOTES).find_map(|section| {
            let bytes = bytes(file, section).ok()?;
            id_in(&bytes)
        })
    }

    /// Returns the bytes of a short section.
    pub fn short(&self, file: &File, name: &[u8]) -> Option<Vec<u8>> {
        let section = self.section(name)?;
        (section.kind != NOBITS && section.size <= MOST_NOTE)
            .then(|| bytes(file, section).ok())
            .flatten()
    }
}

/// Writes bytes at a place, if it is there.
pub fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

/// Reads a number of 32 bits.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns so many bytes of a file.
fn read(file: &File, at: u64, length: usize) -> Result<Vec<u8>, Lost> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)
        .map_err(|error| why(&error))?;
    Ok(bytes)
}

/// Returns why a read failed.
pub fn why(error: &io::Error) -> Lost {
    match error.kind() {
        // Headers point behind the end: they are damaged, or the file was cut.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => Lost::Damaged,
        _ => Lost::Changed,
    }
}

fn bytes(file: &File, section: &Section) -> Result<Vec<u8>, Lost> {
    let length = usize::try_from(section.size).map_err(|_| Lost::Damaged)?;
    read(file, section.offset, length)
}

fn section(class: Class, raw: &[u8]) -> Section {
    let [kind, flags, offset, size] = class.fields();
    Section {
        name: Vec::new(),
        kind: u32_at(raw, kind).unwrap_or_default(),
        flags: class.word(raw, flags).unwrap_or_default(),
        offset: class.word(raw, offset).unwrap_or_default(),
        size: class.word(raw, size).unwrap_or_default(),
        raw: raw.to_vec(),
    }
}

/// Returns a segment that is loaded.
fn segment(class: Class, raw: &[u8]) -> Option<Segment> {
    const LOAD: u32 = 1;
    let [offset, address, size] = if class.wide { [8, 16, 32] } else { [4, 8, 16] };
    (u32_at(raw, 0)? == LOAD).then_some(())?;
    Some(Segment {
        offset: class.word(raw, offset)?,
        address: class.word(raw, address)?,
        size: class.word(raw, size)?,
    })
}

/// Returns the build ID among notes.
fn id_in(mut notes: &[u8]) -> Option<String> {
    loop {
        let length = usize::try_from(u32_at(notes, 0)?).ok()?;
        let size = usize::try_from(u32_at(notes, 4)?).ok()?;
        let kind = u32_at(notes, 8)?;
        let what = 12usize.checked_add(length.checked_next_multiple_of(4)?)?;
        let end = what.checked_add(size)?;
        let text = notes.get(what..end)?;
        if kind == NT_GNU_BUILD_ID {
            return (text.len() <= MOST_ID).then(|| hex(text));
        }
        notes = notes.get(what.checked_add(size.checked_next_multiple_of(4)?)?..)?;
    }
}

/// Returns bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_build_id_is_found_behind_other_notes() {
        let mut notes = Vec::new();
        for (kind, text) in [(1u32, &b"abc"[..]), (3, &[0x12, 0xab][..])] {
            notes.extend_from_slice(&4u32.to_le_bytes());
            notes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
            notes.extend_from_slice(&kind.to_le_bytes());
            notes.extend_from_slice(b"GNU\0");
            notes.extend_from_slice(text);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(id_in(&notes).as_deref(), Some("12ab"));
        assert_eq!(id_in(notes.get(..20).unwrap()), None);
    }

    proptest! {
        #[test]
        fn no_notes_make_it_panic(notes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = id_in(&notes);
        }
    }
}
