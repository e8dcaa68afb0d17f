//! Writes ELF files, as wrong as a test wants them.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// A section.
#[derive(Clone, Default)]
pub struct Section {
    pub name: &'static str,
    pub kind: u32,
    pub flags: u64,
    pub bytes: Vec<u8>,
    /// Claimed size; `None` for what it has. Bytes that it lacks are a hole in the file.
    pub size: Option<u64>,
    pub entry: u64,
}

impl Section {
    pub fn new(name: &'static str, kind: u32, bytes: Vec<u8>) -> Self {
        Self {
            name,
            kind,
            bytes,
            entry: if kind == SYMTAB { 24 } else { 0 },
            ..Self::default()
        }
    }
}

pub const PROGBITS: u32 = 1;
pub const SYMTAB: u32 = 2;
pub const STRTAB: u32 = 3;
pub const COMPRESSED: u64 = 0x800;

/// Offset of the code that [`write()`] puts into a file, and its address.
pub const CODE: u64 = 0x1000;

/// Writes a file with a page of code and these sections.
pub fn write(path: &Path, sections: &[Section]) {
    let file = File::create(path).unwrap();
    let mut names = vec![0];
    let mut table = vec![0; 64];
    let mut at = CODE + 0x1000;
    let mut all = sections.to_vec();
    all.push(Section::new(".shstrtab", STRTAB, Vec::new()));
    for section in &mut all {
        let name = names.len();
        names.extend_from_slice(section.name.as_bytes());
        names.push(0);
        if section.name == ".shstrtab" {
            section.bytes.clone_from(&names);
        }
        let size = section.size.unwrap_or(section.bytes.len() as u64);
        file.write_all_at(&section.bytes, at).unwrap();
        for word in [u32::try_from(name).unwrap(), section.kind] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        for word in [section.flags, 0, at, size, 1 << 32 | 1, 8, section.entry] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        at = (at + size).next_multiple_of(16);
    }
    file.write_all_at(&table, at).unwrap();

    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // A shared object for x86-64.
    head.extend_from_slice(&[3, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0, 64, at] {
        head.extend_from_slice(&word.to_le_bytes());
    }
    let count = u16::try_from(all.len() + 1).unwrap();
    for half in [0, 0, 64, 56, 1, 64, count, count - 1] {
        head.extend_from_slice(&half.to_le_bytes());
    }
    // One segment, executable.
    for word in [5 << 32 | 1, CODE, CODE, CODE, 0x1000, 0x1000, 0x1000] {
        head.extend_from_slice(&u64::to_le_bytes(word));
    }
    file.write_all_at(&head, 0).unwrap();
}

/// Returns a symbol of a function that covers the code, whose name is at a place of `.strtab`.
pub fn function(name: u32) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    // A global function, in the first section.
    bytes.extend_from_slice(&[0x12, 0, 1, 0]);
    bytes.extend_from_slice(&CODE.to_le_bytes());
    bytes.extend_from_slice(&0x1000u64.to_le_bytes());
    bytes
}

/// Returns a symbol table with one function, and its name.
pub fn symbols(name: &str) -> [Section; 2] {
    let mut table = vec![0; 24];
    table.extend(function(1));
    let text = [b"\0", name.as_bytes(), b"\0"].concat();
    [
        Section::new(".symtab", SYMTAB, table),
        Section::new(".strtab", STRTAB, text),
    ]
}

/// Returns a section that claims to be this large when it is unpacked.
pub fn compressed(name: &'static str, claim: u64, stream: &[u8]) -> Section {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes.extend_from_slice(&claim.to_le_bytes());
    bytes.extend_from_slice(&1u64.to_le_bytes());
    bytes.extend_from_slice(stream);
    Section {
        flags: COMPRESSED,
        ..Section::new(name, PROGBITS, bytes)
    }
}

/// Returns a link to a file with debug information.
pub fn debug_link(name: &str, checksum: u32) -> Section {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Section::new(".gnu_debuglink", PROGBITS, bytes)
}
