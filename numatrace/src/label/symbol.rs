//! Names of code: addresses of a process to functions, files and lines.
//!
//! A target's files are hostile. They are opened below its own root, and only when they are regular
//! files, are the very files that were mapped, and are not too large to read debug information
//! from.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use blazesym::{
    MaybeDefault,
    helper::read_elf_build_id,
    symbolize::{
        CodeInfo, Input, Symbolized, Symbolizer,
        source::{Elf, Kernel, Source},
    },
};

use super::unwinding::{Incomplete, reaches_start};
use crate::{
    decode::mapping_run::FileId,
    enrich::{
        maps::MapLine,
        perf_map::PerfMap,
        process::{Process, ProcessIndex},
        spaces::Spaces,
        target_file::{self, TargetFile},
    },
    model::{Addr, Frame, Name},
};

/// Bytes of a file up to which its debug information is read: more takes seconds and gigabytes.
const WITH_LINES: u64 = 256 << 20;

/// Bytes of a file up to which it is opened at all.
const LARGEST: u64 = 4 << 30;

/// Most files that are kept open for their symbols.
const FILES: usize = 256;

/// Names of code, with the files that they were read from.
pub struct Symbols {
    symbolizer: Symbolizer,
    files: HashMap<FileId, Result<Binary, &'static str>>,
    perf_maps: HashMap<ProcessIndex, Result<PerfMap, &'static str>>,
}

/// A file with code.
struct Binary {
    /// Kept open, so that the path stays valid.
    _file: File,
    /// A path to the open file.
    path: PathBuf,
    /// Whether its debug information may be read.
    lines: bool,
    build_id: Option<String>,
}

/// The process that addresses belong to.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The process.
    pub process: &'a Process,
    /// Its index.
    pub index: ProcessIndex,
    /// Mappings of all processes.
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
            files: HashMap::new(),
            perf_maps: HashMap::new(),
        }
    }
}

impl Symbols {
    /// Returns the frames of a stack, innermost first, up to the first address that is not in any
    /// code, and why frames may be missing at its outer end. All addresses but the first are of the
    /// instruction behind a call.
    pub fn frames(&mut self, of: Of<'_>, addresses: &[u64]) -> (Vec<Frame>, Option<Incomplete>) {
        let mut frames = Vec::new();
        for (depth, address) in addresses.iter().enumerate() {
            let at = if depth == 0 {
                *address
            } else {
                address.saturating_sub(1)
            };
            let line = of.spaces.line(of.index, at);
            if depth > 0 && of.spaces.has_lines(of.index) && !line.is_some_and(|l| l.executable) {
                return (frames, Some(Incomplete::NotCode));
            }
            self.frame(of, line, (*address, at), &mut frames);
        }
        let incomplete = (!reaches_start(&frames)).then_some(Incomplete::NoStart);
        (frames, incomplete)
    }

    /// Returns the build ID of the file behind a line of maps.
    pub fn build_id(&mut self, of: Of<'_>, line: &MapLine) -> Option<String> {
        binary(&mut self.files, of, line).ok()?.build_id.clone()
    }

    /// Returns the frames of a kernel stack, innermost first, without those of the tracing itself.
    pub fn kernel_frames(&self, addresses: &[u64]) -> Vec<Frame> {
        let source = Source::Kernel(Kernel {
            // kallsyms has all names that are needed: no vmlinux is searched for.
            vmlinux: MaybeDefault::None,
            debug_syms: false,
            ..Kernel::default()
        });
        let module = Some(Name::from("[kernel]"));
        let frames = addresses.iter().map(|address| {
            let bare = Frame {
                module: module.clone(),
                ..Frame::default()
            };
            match self
                .symbolizer
                .symbolize_single(&source, Input::AbsAddr(*address))
            {
                Ok(Symbolized::Sym(symbol)) => Frame {
                    symbol: Some(Name::from(symbol.name.as_bytes())),
                    offset: Some(symbol.offset as u64),
                    ..bare
                },
                Ok(Symbolized::Unknown(why)) => without(bare, &why.to_string()),
                Err(error) => without(bare, &error.to_string()),
            }
        });
        frames.skip_while(is_of_tracing).collect()
    }

    fn frame(
        &mut self,
        of: Of<'_>,
        line: Option<&MapLine>,
        (address, at): (u64, u64),
        frames: &mut Vec<Frame>,
    ) {
        let bare = Frame {
            addr: Some(Addr(address)),
            ..Frame::default()
        };
        let Some(line) = line else {
            return frames.push(without(bare, "no mapping is known there"));
        };
        if is_generated(line) {
            return frames.push(self.generated(of, at, bare));
        }
        let offset = at - line.start + line.offset;
        let named = Frame {
            module: (!line.name.is_empty()).then(|| module(&line.name)),
            offset: Some(offset),
            ..bare
        };
        let Self {
            symbolizer, files, ..
        } = self;
        let binary = match binary(files, of, line) {
            Ok(found) => found,
            Err(why) => return frames.push(without(named, why)),
        };
        let named = Frame {
            build_id: binary.build_id.clone(),
            ..named
        };
        let source = Source::Elf(Elf {
            debug_syms: binary.lines,
            ..Elf::new(&binary.path)
        });
        match symbolizer.symbolize_single(&source, Input::FileOffset(offset)) {
            Ok(Symbolized::Sym(symbol)) => {
                // The library returns the outermost function first.
                for inlined in symbol.inlined.iter().rev() {
                    frames.push(Frame {
                        symbol: Some(Name::from(inlined.name.as_bytes())),
                        line: inlined.code_info.as_ref().map(source_line),
                        offset: None,
                        inlined: true,
                        build_id: None,
                        ..named.clone()
                    });
                }
                let line = symbol.code_info.as_deref().map(source_line);
                frames.push(Frame {
                    symbol: Some(Name::from(symbol.name.as_bytes())),
                    // With a line, the build ID is not needed to find a copy of the file.
                    build_id: named.build_id.filter(|_| line.is_none()),
                    line,
                    offset: Some(symbol.offset as u64),
                    ..named
                });
            }
            Ok(Symbolized::Unknown(why)) => frames.push(without(named, &why.to_string())),
            Err(error) => frames.push(without(named, &error.to_string())),
        }
    }

    /// Returns the frame of a function that a compiler generated while the process ran.
    fn generated(&mut self, of: Of<'_>, at: u64, bare: Frame) -> Frame {
        let map = self
            .perf_maps
            .entry(of.index)
            .or_insert_with(|| PerfMap::of(of.process));
        match map {
            Ok(map) => match map.function(at) {
                Some((name, offset)) => Frame {
                    symbol: Some(Name::from(name)),
                    module: Some(Name::from(format!("perf-{}.map", of.process.pid))),
                    offset: Some(offset),
                    ..bare
                },
                None => without(bare, "code generated at run time: not in its perf map"),
            },
            Err(why) => without(bare, &format!("code generated at run time: {why}")),
        }
    }
}

/// Returns whether a frame is one of our programs, or the kernel's code that runs it.
fn is_of_tracing(frame: &Frame) -> bool {
    let prefixes: [&[u8]; 3] = [b"bpf_", b"__bpf_", b"__traceiter_"];
    frame.symbol.as_ref().is_some_and(|symbol| {
        prefixes
            .iter()
            .any(|prefix| symbol.as_bytes().starts_with(prefix))
    })
}

/// Returns whether a line of maps is code that no file holds: in anonymous memory, or in a memfd,
/// which some compilers map twice.
fn is_generated(line: &MapLine) -> bool {
    let name = line.name.as_bytes();
    let plain = line.file.is_none() && (name.is_empty() || name.starts_with(b"[anon"));
    plain || name.starts_with(b"/memfd:")
}

/// Returns the frames of a stack where no file can be opened: modules, offsets, build IDs as far as
/// they are known, and `why` there are no names.
pub fn unnamed(
    of: Of<'_>,
    addresses: &[u64],
    build_ids: &HashMap<FileId, String>,
    why: &str,
) -> Vec<Frame> {
    let frames = addresses.iter().enumerate().map(|(depth, address)| {
        let at = address.saturating_sub(u64::from(depth > 0));
        let line = of.spaces.line(of.index, at);
        let frame = Frame {
            addr: Some(Addr(*address)),
            module: line
                .filter(|line| !line.name.is_empty())
                .map(|line| module(&line.name)),
            offset: line.map(|line| (at - line.start).saturating_add(line.offset)),
            build_id: line.and_then(|line| build_ids.get(&line.file?)).cloned(),
            ..Frame::default()
        };
        without(frame, why)
    });
    frames.collect()
}

/// Returns the frames of a kernel stack without names.
pub fn unnamed_kernel(addresses: &[u64]) -> Vec<Frame> {
    let frames = addresses.iter().map(|_| {
        let frame = Frame {
            module: Some(Name::from("[kernel]")),
            ..Frame::default()
        };
        without(
            frame,
            "names of the kernel are looked up when a session ends",
        )
    });
    frames.collect()
}

fn without(frame: Frame, why: &str) -> Frame {
    Frame {
        reason: Some(why.to_owned()),
        ..frame
    }
}

/// Returns a source line as `matrix.c:41`: people know a file by the last part of its path.
fn source_line(code: &CodeInfo<'_>) -> Name {
    let mut text = code.file.as_encoded_bytes().to_vec();
    if let Some(line) = code.line {
        text.extend_from_slice(format!(":{line}").as_bytes());
    }
    Name::from(text)
}

/// Returns the last part of a path.
fn module(path: &Name) -> Name {
    let bytes = path.as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'/').next();
    Name::from(last.filter(|last| !last.is_empty()).unwrap_or(bytes))
}

/// Returns the file behind a line of maps, or why it is not opened.
fn binary<'a>(
    files: &'a mut HashMap<FileId, Result<Binary, &'static str>>,
    of: Of<'_>,
    line: &MapLine,
) -> Result<&'a Binary, &'static str> {
    let mapped = line.file.ok_or("not a file: the kernel's own")?;
    if files.len() >= FILES && !files.contains_key(&mapped) {
        return Err("too many files");
    }
    let found = files
        .entry(mapped)
        .or_insert_with(|| open(of.process, mapped, &line.name));
    found.as_ref().map_err(|why| *why)
}

fn open(process: &Process, mapped: FileId, name: &Name) -> Result<Binary, &'static str> {
    let path = Path::new(std::ffi::OsStr::new(
        std::str::from_utf8(name.as_bytes()).map_err(|_| "a path that is not UTF-8")?,
    ));
    let root = if process.ended {
        PathBuf::from("/")
    } else {
        PathBuf::from(format!("/proc/{}/root", process.pid))
    };
    let TargetFile { file, metadata } = target_file::open_below(&root, path)?;
    let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
    if metadata.ino() != mapped.ino || (major << 20 | minor) != mapped.dev {
        return Err("a different file is there now");
    }
    if metadata.len() > LARGEST {
        return Err("the file is too large");
    }
    let path = PathBuf::from(target_file::descriptor(&file));
    let build_id = read_elf_build_id(&path).ok().flatten().map(|id| {
        let hex = id.iter().map(|byte| format!("{byte:02x}"));
        hex.collect()
    });
    Ok(Binary {
        path,
        lines: metadata.len() <= WITH_LINES,
        build_id,
        _file: file,
    })
}
