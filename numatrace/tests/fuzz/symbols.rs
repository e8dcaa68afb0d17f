//! Executables, debug information and perf maps, through the reader: it may lose a file's names,
//! and goes on.

use std::path::Path;

use numatrace::reader::{Kind, Lost, Reader};

use crate::{
    campaign,
    dice::Dice,
    elf::{self, PROGBITS, STRTAB, SYMTAB, Section},
    support::{self, LINES, honest, reader},
};

/// Inputs for one reader: a session gives up after some seconds of waiting in vain.
const EACH: u64 = 20;

/// A reader, and the number of files that it was asked about.
struct Asked(Reader, u64);

impl Asked {
    fn new() -> Self {
        Self(reader(), 0)
    }

    /// Asks for names in a file; returns whether there were any.
    fn about(&mut self, path: &Path, kind: Kind, places: &[u64]) -> bool {
        self.1 += 1;
        if self.1.is_multiple_of(EACH) {
            self.still_works();
            self.0 = reader();
        }
        self.0.begin_report();
        match support::ask(&mut self.0, path, kind, places, &|_| None) {
            Ok(places) => places.iter().any(Result::is_ok),
            Err(why) => {
                assert_ne!(why, Lost::Interrupted, "nobody stopped the reader");
                assert_ne!(why, Lost::NoReader, "it is started again");
                false
            }
        }
    }

    /// Checks that an honest file has its names, unless the session has given up.
    fn still_works(&mut self) {
        self.0.begin_report();
        let honest = honest();
        match support::names(&mut self.0, &honest.path, &honest.code) {
            Ok(names) => assert!(names.iter().flatten().any(|named| named.name == b"work")),
            Err(why) => assert_eq!(why, Lost::NoTime),
        }
    }
}

#[test]
fn symbols_of_a_program_that_is_damaged() {
    let honest = honest();
    let bytes = std::fs::read(&honest.path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let mut reader = Asked::new();
    campaign::run("symbols_of_a_program", 60, |dice| {
        let mut bytes = bytes.clone();
        for _ in 0..=dice.throw(3) {
            damage(&mut bytes, dice);
        }
        std::fs::write(&path, &bytes).unwrap();
        reader.about(&path, LINES, &honest.code)
    });
    reader.still_works();
}

/// Changes a program: mostly where its headers and its tables of sections are.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let headers = 64 * 40;
    let length = bytes.len();
    let at = match dice.throw(4) {
        0 => dice.throw(64 + 56 * 14),
        1 => length.saturating_sub(headers) + dice.throw(headers),
        _ => return dice.shake(bytes),
    };
    let word = dice.corner().to_le_bytes();
    let size = *dice.one(&[1, 2, 4, 8]);
    for (byte, new) in bytes.iter_mut().skip(at).zip(&word[..size]) {
        *byte = *new;
    }
}

#[test]
fn symbols_of_sections_that_hold_anything() {
    const NAMES: [&str; 10] = [
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".debug_str",
        ".debug_ranges",
        ".debug_rnglists",
        ".debug_addr",
        ".debug_aranges",
        ".note.gnu.build-id",
        ".gnu_debuglink",
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let mut reader = Asked::new();
    campaign::run("symbols_of_sections", 60, |dice| {
        let mut sections = elf::symbols("hello").to_vec();
        for _ in 0..dice.throw(6) {
            let name = *dice.one(&NAMES);
            let size = dice.throw(400);
            let mut bytes: Vec<u8> = (0..size)
                .map(|_| u8::try_from(dice.throw(256)).unwrap())
                .collect();
            dice.shake(&mut bytes);
            let kind = *dice.one(&[PROGBITS, PROGBITS, PROGBITS, SYMTAB, STRTAB, 7]);
            let mut section = Section::new(name, kind, bytes);
            match dice.throw(5) {
                0 => section = elf::compressed(name, dice.corner(), &section.bytes),
                1 => section.entry = dice.corner(),
                2 => section.size = Some(dice.number() >> (34 + dice.throw(20))),
                _ => {}
            }
            sections.push(section);
        }
        elf::write(&path, &sections);
        reader.about(&path, LINES, &[elf::CODE + 8])
    });
    reader.still_works();
}

#[test]
fn symbols_of_perf_maps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("perf-1.map");
    let mut reader = Asked::new();
    campaign::run("symbols_of_perf_maps", 100, |dice| {
        let mut text = Vec::new();
        for line in 0..dice.throw(40) {
            text.extend(format!("{:x} 100 function {line}\n", 0x1000 + line * 0x100).bytes());
        }
        for _ in 0..dice.throw(5) {
            dice.shake_text(&mut text);
        }
        std::fs::write(&path, &text).unwrap();
        let places = [0x1000, 0x1180, dice.corner()];
        reader.about(&path, Kind::PerfMap, &places)
    });
    reader.still_works();
}
