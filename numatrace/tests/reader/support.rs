//! A reader, files that a compiler made, and ways to ask.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use numatrace::reader::{Kind, Link, Lost, Place, Reader};

/// Files are read with their debug information.
pub const LINES: Kind = Kind::Elf { lines: true };

/// Returns a reader that is the program under test.
pub fn reader() -> Reader {
    Reader::of(PathBuf::from(env!("CARGO_BIN_EXE_numatrace")))
}

/// Returns the names of places in a file, whose links lead nowhere.
pub fn names(reader: &mut Reader, path: &Path, places: &[u64]) -> Result<Vec<Place>, Lost> {
    ask(reader, path, LINES, places, &|_| None)
}

/// Returns the names of places in a file.
pub fn ask(
    reader: &mut Reader,
    path: &Path,
    kind: Kind,
    places: &[u64],
    find: &dyn Fn(&Link) -> Option<(File, bool)>,
) -> Result<Vec<Place>, Lost> {
    let (number, _, lost) = reader.take(File::open(path).unwrap(), kind);
    let names = match lost {
        Some(why) => Err(why),
        None => reader.names(number, places, find),
    };
    reader.forget(number);
    names
}

/// A program with a function that was inlined, and its folder.
pub struct Honest {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
    /// Offsets of code in it.
    pub code: Vec<u64>,
}

/// Returns a program that gcc has just made; all tests share it.
pub fn honest() -> &'static Honest {
    static HONEST: OnceLock<Honest> = OnceLock::new();
    HONEST.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("honest.c");
        let text = "static inline __attribute__((always_inline)) int twice(int n)\n\
                    { return n * 2 + (n >> 3); }\n\
                    __attribute__((noinline)) int work(int n)\n\
                    { for (int i = 0; i < n; i++) n += twice(n ^ i); return n; }\n\
                    int main(int argc, char **argv) { return work(argc); }\n";
        std::fs::write(&source, text).unwrap();
        let path = folder.path().join("honest");
        let mut gcc = Command::new("gcc");
        gcc.args(["-g", "-O2", "-Wl,--build-id=sha1", "-o"])
            .args([&path, &source])
            .stdout(Stdio::null());
        assert!(gcc.status().unwrap().success());
        let code = code_of(&path);
        Honest { folder, path, code }
    })
}

/// Returns offsets in the code of a program: each fourth byte of `.text`.
pub fn code_of(path: &Path) -> Vec<u64> {
    let text = run(Command::new("readelf").args(["-SW"]).arg(path));
    let line = text.lines().find(|line| line.contains(" .text ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "PROGBITS").unwrap();
    let number = |word: &str| u64::from_str_radix(word, 16).unwrap();
    let (start, size) = (number(words[at + 2]), number(words[at + 3]));
    assert!(size > 40, "{line}");
    (start..start + size).step_by(4).collect()
}

/// Runs a command and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
