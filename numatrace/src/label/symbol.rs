//! Names of code: addresses of a process to functions, files and lines.
//!
//! A target's files are hostile: they are opened below its own root, only where they are regular files, are the very files that were
//! mapped, and are not too large to read the debug information of.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use blazesym::symbolize::{
    CodeInfo, Input, Symbolized, Symbolizer,
    source::{Elf, Source},
};

use crate::{
    enrich::{maps::MapLine, process::ProcessIndex, spaces::Spaces},
    ids::Pid,
    model::{Addr, Frame, Name},
};

/// Debug information of larger files is not looked at: it would take seconds and gigabytes.
const WITH_LINES: u64 = 256 << 20;

/// Larger files are not looked at at all.
const LARGEST: u64 = 4 << 30;

/// Finds names of code.
pub struct Symbols {
    symbolizer: Symbolizer,
}

/// The process whose code it is.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Its number.
    pub pid: Pid,
    /// Which of that number.
    pub process: ProcessIndex,
    /// It is there no more.
    pub ended: bool,
    /// What lay where in it.
    pub spaces: &'a Spaces,
}

impl Default for Symbols {
    fn default() -> Self {
        Self {
            symbolizer: Symbolizer::builder()
                .enable_code_info(true)
                .enable_inlined_fns(true)
                .enable_demangling(true)
                .build(),
        }
    }
}

impl Symbols {
    /// The frames of a stack, innermost first. All but the first address are of the instruction after a call.
    pub fn frames(&self, of: Of<'_>, addresses: &[u64]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (depth, address) in addresses.iter().enumerate() {
            let at = if depth == 0 {
                *address
            } else {
                address.saturating_sub(1)
            };
            self.frame(of, *address, at, &mut frames);
        }
        frames
    }

    fn frame(&self, of: Of<'_>, address: u64, at: u64, frames: &mut Vec<Frame>) {
        let bare = Frame {
            addr: Addr(address),
            ..Frame::default()
        };
        let Some(line) = of.spaces.line(of.process, at) else {
            return frames.push(without(bare, "nobody saw what lay there"));
        };
        let named = Frame {
            module: (!line.name.is_empty()).then(|| module(&line.name)),
            offset: Some(at - line.start + line.offset),
            ..bare
        };
        let (path, lines) = match file(of, line) {
            Ok(found) => found,
            Err(why) => return frames.push(without(named, why)),
        };
        let source = Source::Elf(Elf {
            debug_syms: lines,
            ..Elf::new(path)
        });
        let input = Input::FileOffset(at - line.start + line.offset);
        match self.symbolizer.symbolize_single(&source, input) {
            Ok(Symbolized::Sym(symbol)) => {
                // The library tells the outermost first.
                for inlined in symbol.inlined.iter().rev() {
                    frames.push(Frame {
                        symbol: Some(Name::from(inlined.name.as_bytes())),
                        line: inlined.code_info.as_ref().map(source_line),
                        offset: None,
                        inlined: true,
                        ..named.clone()
                    });
                }
                frames.push(Frame {
                    symbol: Some(Name::from(symbol.name.as_bytes())),
                    line: symbol.code_info.as_deref().map(source_line),
                    offset: Some(symbol.offset as u64),
                    ..named
                });
            }
            Ok(Symbolized::Unknown(why)) => frames.push(without(named, &why.to_string())),
            Err(error) => frames.push(without(named, &error.to_string())),
        }
    }
}

/// The frames of a stack where no file can be looked into: modules and offsets, and why there is no more.
pub fn unnamed(of: Of<'_>, addresses: &[u64], why: &str) -> Vec<Frame> {
    let frames = addresses.iter().enumerate().map(|(depth, address)| {
        let at = address.saturating_sub(u64::from(depth > 0));
        let line = of.spaces.line(of.process, at);
        let frame = Frame {
            addr: Addr(*address),
            module: line
                .filter(|line| !line.name.is_empty())
                .map(|line| module(&line.name)),
            offset: line.map(|line| at - line.start + line.offset),
            ..Frame::default()
        };
        without(frame, why)
    });
    frames.collect()
}

fn without(frame: Frame, why: &str) -> Frame {
    Frame {
        reason: Some(why.to_owned()),
        ..frame
    }
}

/// `matrix.c:41`: the last part of the path is what people know a file by.
fn source_line(code: &CodeInfo<'_>) -> Name {
    let mut text = code.file.as_encoded_bytes().to_vec();
    if let Some(line) = code.line {
        text.extend_from_slice(format!(":{line}").as_bytes());
    }
    Name::from(text)
}

/// The last part of a path.
fn module(path: &Name) -> Name {
    let bytes = path.as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'/').next();
    Name::from(last.filter(|last| !last.is_empty()).unwrap_or(bytes))
}

/// The file behind a line, and whether its debug information may be read; or why it is not looked at.
fn file(of: Of<'_>, line: &MapLine) -> Result<(PathBuf, bool), &'static str> {
    let mapped = line
        .file
        .ok_or("not a file: code made at run time, or the kernel's")?;
    let path = Path::new(std::ffi::OsStr::new(
        std::str::from_utf8(line.name.as_bytes()).map_err(|_| "a path that is no UTF-8")?,
    ));
    let path = if of.ended {
        path.to_owned()
    } else {
        let root = PathBuf::from(format!("/proc/{}/root", of.pid));
        root.join(path.strip_prefix("/").map_err(|_| "no path")?)
    };
    // Looked at without following a last link, and compared with what was mapped: no FIFO is opened, and no other file.
    let found = fs::symlink_metadata(&path).map_err(|_| "the file is gone")?;
    if !found.is_file() {
        return Err("not a regular file");
    }
    let (major, minor) = (libc::major(found.dev()), libc::minor(found.dev()));
    if found.ino() != mapped.ino || (major << 20 | minor) != mapped.dev {
        return Err("another file lies there now");
    }
    if found.len() > LARGEST {
        return Err("too large a file");
    }
    Ok((path, found.len() <= WITH_LINES))
}
