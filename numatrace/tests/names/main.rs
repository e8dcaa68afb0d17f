//! Names of honest files through the reader: lines and inlined functions are those that the library
//! reads from the file itself.
//!
//! The library takes memory for that, so hostile files, which must not, have a test of their own
//! (`tests/reader`).

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

#[path = "../reader/support.rs"]
mod support;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use blazesym::symbolize::{
    CodeInfo, Input, Symbolized, Symbolizer,
    source::{Elf, Source},
};
use numatrace::reader::{Kind, Link, Named, Place};

use support::{LINES, ask, code_of, honest, names, reader, run};

/// Returns what the library says about places in a file.
fn expected(path: &Path, lines: bool, places: &[u64]) -> Vec<Place> {
    let symbolizer = Symbolizer::new();
    let source = Source::Elf(Elf {
        debug_syms: lines,
        ..Elf::new(path)
    });
    let line = |code: &CodeInfo<'_>| {
        let file = code.file.to_string_lossy();
        let line = code
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        format!("{file}{line}").into_bytes()
    };
    let places = places.iter().map(|place| {
        match symbolizer.symbolize_single(&source, Input::FileOffset(*place)) {
            Ok(Symbolized::Sym(symbol)) => Ok(Named {
                name: symbol.name.as_bytes().to_vec(),
                offset: symbol.offset as u64,
                line: symbol.code_info.as_deref().map(line),
                inlined: symbol
                    .inlined
                    .iter()
                    .rev()
                    .map(|inlined| {
                        let line = inlined.code_info.as_ref().map(line);
                        (inlined.name.as_bytes().to_vec(), line)
                    })
                    .collect(),
            }),
            Ok(Symbolized::Unknown(why)) => Err(why.to_string()),
            Err(error) => Err(error.to_string()),
        }
    });
    places.collect()
}

fn assert_same(got: &[Place], expected: &[Place]) {
    assert_eq!(got.len(), expected.len());
    let named = expected.iter().filter(|place| place.is_ok()).count();
    assert!(named > 0, "{expected:?}");
    for (got, expected) in got.iter().zip(expected) {
        match (got, expected) {
            (Err(_), Err(_)) => {}
            _ => assert_eq!(got, expected),
        }
    }
}

#[test]
fn names_lines_and_inlined_functions_are_those_of_the_library() {
    let honest = honest();
    let expected = expected(&honest.path, true, &honest.code);
    let inlined = expected.iter().flatten();
    assert!(inlined.clone().any(|named| !named.inlined.is_empty()));
    assert!(inlined.clone().any(|named| named.line.is_some()));
    let got = names(&mut reader(), &honest.path, &honest.code).unwrap();
    assert_same(&got, &expected);
}

#[test]
fn without_lines_there_are_symbols() {
    let honest = honest();
    let kind = Kind::Elf { lines: false };
    let got = ask(&mut reader(), &honest.path, kind, &honest.code, &|_| None).unwrap();
    let expected = expected(&honest.path, false, &honest.code);
    assert_same(&got, &expected);
    assert!(got.iter().flatten().all(|named| named.line.is_none()));
}

#[test]
fn a_large_program_and_the_c_library_have_their_names() {
    let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = libc.lines().find_map(|line| {
        let path = PathBuf::from(line.split_whitespace().last()?);
        path.to_str()?.contains("/libc.so").then_some(path)
    });
    let own = PathBuf::from(env!("CARGO_BIN_EXE_numatrace"));
    let mut reader = reader();
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("packed");
    let pack = "--compress-debug-sections=zlib";
    run(Command::new("objcopy").args([pack, path(&own), path(&packed)]));
    for path in [Some(own), Some(packed), libc].into_iter().flatten() {
        let places: Vec<u64> = code_of(&path).into_iter().step_by(9973).collect();
        let began = std::time::Instant::now();
        let got = ask(&mut reader, &path, LINES, &places, &installed).unwrap();
        println!("{}: {} in {:?}", path.display(), got.len(), began.elapsed());
        let status = format!("/proc/{}/status", reader.process().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        println!(
            "{:?}",
            status.lines().find(|line| line.starts_with("VmHWM"))
        );
        assert_same(&got, &expected(&path, true, &places));
    }
}

#[test]
fn debug_information_in_another_file_is_used_if_it_is_that_of_the_file() {
    let honest = honest();
    let stripped = honest.folder.path().join("stripped");
    let debug = honest.folder.path().join("stripped.debug");
    for args in [
        ["--only-keep-debug", path(&honest.path), path(&debug)],
        ["--strip-all", path(&honest.path), path(&stripped)],
    ] {
        run(Command::new("objcopy").args(args));
    }
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run(Command::new("objcopy").arg(link).arg(&stripped));

    let mut reader = reader();
    let without = names(&mut reader, &stripped, &honest.code).unwrap();
    assert!(without.iter().flatten().all(|named| named.line.is_none()));
    let open = |link: &Link| {
        let Link::Debug(name, id) = link else {
            return None;
        };
        assert_eq!(name, b"stripped.debug");
        assert_eq!(id.as_ref().map(String::len), Some(40));
        Some((File::open(&debug).unwrap(), true))
    };
    let got = ask(&mut reader, &stripped, LINES, &honest.code, &open).unwrap();
    assert_same(&got, &expected(&honest.path, true, &honest.code));

    // The debug information of a different program is not used.
    let other = |_: &Link| Some((File::open("/proc/self/exe").unwrap(), true));
    let got = ask(&mut reader, &stripped, LINES, &honest.code, &other).unwrap();
    assert_eq!(got, without);
}

/// Finds debug information that is installed on this machine, as the library does.
fn installed(link: &Link) -> Option<(File, bool)> {
    let (Link::Debug(_, Some(id)) | Link::Shared(_, id)) = link else {
        return None;
    };
    let (folder, file) = id.split_at(2);
    let path = format!("/usr/lib/debug/.build-id/{folder}/{file}.debug");
    Some((File::open(path).ok()?, false))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
