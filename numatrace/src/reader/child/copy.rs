//! A copy of those parts of an ELF file that have symbols, in memory that only the reader has.
//!
//! The library that reads symbols maps its files, and a file that is cut while it is mapped ends
//! the process. A copy cannot be cut. Parts are read once, so that they are the same for all who
//! look at them later, and what is not needed never gets near the library: code, data, and links to
//! further files.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use nix::{
    errno::Errno,
    sys::memfd::{MFdFlags, memfd_create},
    unistd::{Whence, lseek},
};

use super::elf::{Class, Headers, NOBITS, Section, put, u32_at, why};
use crate::reader::{budget, lost::Lost};

const STRTAB: u32 = 3;
const COMPRESSED: u64 = 0x800;
/// Sections of symbols, and their names.
const SYMBOLS: [&[u8]; 4] = [b".symtab", b".strtab", b".dynsym", b".dynstr"];
/// Path and build ID of the file that debug information shares with others.
const SHARED: &[u8] = b".gnu_debugaltlink";
/// Kind of sections with a build ID.
const NOTE: u32 = 7;
/// Most bytes of a note that is copied.
const MOST_NOTE: u64 = 64 << 10;
/// Bytes that may be missing in a file that is not sparse on purpose, besides a quarter.
const HOLES: u64 = 1 << 20;
/// Bytes that are copied at a time.
const PART: usize = 1 << 18;

/// Returns the bytes of a file that a copy would read; debug information only with `lines`.
///
/// # Errors
/// Its headers are damaged.
pub fn size(headers: &Headers, lines: bool) -> Result<u64, Lost> {
    let mut sum = 0u64;
    for (_, section) in wanted(headers, lines) {
        sum = sum.saturating_add(section.size);
    }
    if sum > headers.size {
        return Err(Lost::Damaged);
    }
    if sum > budget::MOST_READ {
        return Err(Lost::TooLarge);
    }
    Ok(sum)
}

/// Copies the parts with symbols into an ELF file; debug information only with `lines`. `shared` is
/// what the link to shared debug information shall say.
///
/// # Errors
/// The file is damaged, too large, sparse, or changes.
pub fn copy(
    from: &File,
    headers: &Headers,
    lines: bool,
    shared: Option<&[u8]>,
) -> Result<File, Lost> {
    let read = size(headers, lines)?;
    let name = c"symbols";
    let to = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC).map_err(|_| Lost::Memory)?);
    let class = headers.class;
    let mut out = Out {
        to,
        at: class.header() as u64,
    };
    let mut head = headers.raw.clone();
    let [program_at, sections_at] = class.tables();
    class.put(&mut head, program_at, out.put(&headers.program)?);

    let mut names = vec![0];
    let mut table = nothing(headers);
    let (mut holes, mut unpacked) = (0, 0u64);
    for (number, section) in wanted(headers, lines) {
        let place = out.room(section.size);
        holes += out.copy(from, section, place)?;
        if section.flags & COMPRESSED != 0 {
            unpacked = unpacked.saturating_add(claim(from, class, section)?);
        }
        let [kind, _, offset, size] = class.fields();
        let Some(row) = table.get_mut(number) else {
            continue;
        };
        row.clone_from(&section.raw);
        put(row, 0, &name_in(&mut names, &section.name));
        put(row, kind, &section.kind.to_le_bytes());
        class.put(row, offset, place);
        class.put(row, size, section.size);
    }
    if holes > HOLES + read / 4 {
        return Err(Lost::Sparse);
    }
    if unpacked > budget::memory(read) {
        return Err(Lost::Memory);
    }
    let link = headers.sections.iter().position(|at| at.name == SHARED);
    if let (Some(number), Some(text)) = (link, shared)
        && let Some(row) = table.get_mut(number)
    {
        let [kind, _, offset, size] = class.fields();
        put(row, 0, &name_in(&mut names, SHARED));
        put(row, kind, &1u32.to_le_bytes());
        class.put(row, offset, out.put(text)?);
        class.put(row, size, text.len() as u64);
    }
    // The table of names is one more section at the end.
    let mut row = vec![0; class.section()];
    let [kind, _, offset, size] = class.fields();
    put(&mut row, kind, &STRTAB.to_le_bytes());
    class.put(&mut row, offset, out.put(&names)?);
    class.put(&mut row, size, names.len() as u64);
    table.push(row);
    class.put(&mut head, sections_at, out.put(&table.concat())?);
    let count = u16::try_from(table.len()).map_err(|_| Lost::Damaged)?;
    let counts = class.header() - 10;
    let sizes = u16::try_from(class.section()).map_err(|_| Lost::Damaged)?;
    put(&mut head, counts + 4, &sizes.to_le_bytes());
    put(&mut head, counts + 6, &count.to_le_bytes());
    put(&mut head, counts + 8, &(count - 1).to_le_bytes());
    out.to.write_all_at(&head, 0).map_err(|_| Lost::Memory)?;
    Ok(out.to)
}

/// Returns the sections that are copied, with their numbers: of each name the first.
fn wanted(headers: &Headers, lines: bool) -> Vec<(usize, &Section)> {
    let mut wanted: Vec<(usize, &Section)> = Vec::new();
    for (number, section) in headers.sections.iter().enumerate().skip(1) {
        let name = section.name.as_slice();
        let debug = lines && name.starts_with(b".debug_") && name != b".debug_sup";
        let note = section.kind == NOTE && section.size <= MOST_NOTE;
        if section.kind == NOBITS || !(SYMBOLS.contains(&name) || debug || note) {
            continue;
        }
        if !wanted.iter().any(|(_, known)| known.name == section.name) {
            wanted.push((number, section));
        }
    }
    wanted
}

/// Returns section headers that have no contents: numbers of sections stay what they were.
fn nothing(headers: &Headers) -> Vec<Vec<u8>> {
    let class = headers.class;
    let [kind, flags, offset, _] = class.fields();
    let rows = headers
        .sections
        .iter()
        .enumerate()
        .map(|(number, section)| {
            let mut row = section.raw.clone();
            put(&mut row, 0, &0u32.to_le_bytes());
            if number > 0 {
                put(&mut row, kind, &NOBITS.to_le_bytes());
            }
            let packed = section.flags & COMPRESSED;
            class.put(&mut row, flags, section.flags ^ packed);
            class.put(&mut row, offset, 0);
            row
        });
    rows.collect()
}

/// Adds a name to the table of names; returns its place.
fn name_in(names: &mut Vec<u8>, name: &[u8]) -> [u8; 4] {
    let at = u32::try_from(names.len()).unwrap_or_default();
    names.extend_from_slice(name);
    names.push(0);
    at.to_le_bytes()
}

/// Returns the size that a compressed section claims to have.
fn claim(from: &File, class: Class, section: &Section) -> Result<u64, Lost> {
    let mut head = [0; 24];
    let head = head
        .get_mut(..if class.wide { 24 } else { 12 })
        .unwrap_or_default();
    if section.size < head.len() as u64 {
        return Err(Lost::Damaged);
    }
    from.read_exact_at(head, section.offset)
        .map_err(|error| why(&error))?;
    let size = if class.wide {
        class.word(head, 8)
    } else {
        u32_at(head, 4).map(u64::from)
    };
    size.ok_or(Lost::Damaged)
}

/// A copy that is being written.
struct Out {
    to: File,
    at: u64,
}

impl Out {
    /// Returns the place for so many bytes, as aligned as any part of an ELF file needs.
    fn room(&mut self, size: u64) -> u64 {
        let place = self.at.next_multiple_of(16);
        self.at = place + size;
        place
    }

    /// Writes bytes; returns their place.
    fn put(&mut self, bytes: &[u8]) -> Result<u64, Lost> {
        let place = self.room(bytes.len() as u64);
        self.to
            .write_all_at(bytes, place)
            .map_err(|_| Lost::Memory)?;
        Ok(place)
    }

    /// Copies a section; returns how many of its bytes are not in the file.
    fn copy(&self, from: &File, section: &Section, place: u64) -> Result<u64, Lost> {
        let end = section.offset.checked_add(section.size);
        let end = end.ok_or(Lost::Damaged)?;
        let mut part = vec![0; PART];
        let (mut at, mut holes) = (section.offset, 0);
        while at < end {
            let (data, until) = next(from, at, end)?;
            if until == data && data < end {
                return Err(Lost::Changed);
            }
            holes += data - at;
            at = data;
            while at < until {
                let length = usize::try_from(until - at).unwrap_or(PART).min(PART);
                let part = part.get_mut(..length).unwrap_or_default();
                from.read_exact_at(part, at).map_err(|error| why(&error))?;
                let to = place + (at - section.offset);
                self.to.write_all_at(part, to).map_err(|_| Lost::Memory)?;
                at += length as u64;
            }
        }
        // The end of the last section may be a hole of the copy.
        self.to
            .set_len(self.at)
            .map_err(|_: io::Error| Lost::Memory)?;
        Ok(holes)
    }
}

/// Returns the next range of a file that is no hole, up to `end`.
fn next(file: &File, at: u64, end: u64) -> Result<(u64, u64), Lost> {
    let seek = |at: u64, whence| {
        let at = i64::try_from(at).map_err(|_| Lost::Damaged)?;
        match lseek(file.as_fd(), at, whence) {
            Ok(found) => Ok(u64::try_from(found).ok()),
            Err(Errno::ENXIO) => Ok(None),
            Err(_) => Err(Lost::Changed),
        }
    };
    match seek(at, Whence::SeekData) {
        Ok(Some(data)) if data < end => {
            let hole = seek(data, Whence::SeekHole)?.unwrap_or(end);
            Ok((data, hole.clamp(data, end)))
        }
        Ok(_) => Ok((end, end)),
        // The file system cannot tell.
        Err(_) => Ok((at, end)),
    }
}
