//! Names of code: addresses of a process to functions, files and lines.
//!
//! A target's files are hostile. They are opened below its own root, and only when they are regular
//! files, are the very files that were mapped, and are not too large. Their bytes are read by the
//! [reader](crate::reader) only.

use std::{
    collections::{HashMap, hash_map::Entry},
    os::unix::fs::MetadataExt,
    path::Path,
};

use blazesym::{
    MaybeDefault,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Kernel, Source},
    },
};

use super::{
    debug_files,
    unwinding::{Incomplete, reaches_start},
};
use crate::{
    decode::mapping_run::FileId,
    enrich::{
        maps::MapLine,
        perf_map,
        process::{Process, ProcessIndex},
        spaces::Spaces,
        target_file::{self, TargetFile},
    },
    model::{Addr, Frame, Name},
    reader::{Kind, Lost, Named, Number, Place, Reader},
};

/// Bytes of a file up to which its debug information is read: more takes seconds and gigabytes.
const WITH_LINES: u64 = 256 << 20;

/// Bytes of a file up to which it is opened at all.
const LARGEST: u64 = 4 << 30;

/// Most files that are kept open for their symbols.
const FILES: usize = 256;

/// Most names that are kept.
const NAMES: usize = 100_000;

/// Names of code, with the files that they were read from.
pub struct Symbols {
    kernel: Symbolizer,
    reader: Reader,
    files: HashMap<FileId, Result<Binary, &'static str>>,
    perf_maps: HashMap<ProcessIndex, Result<Number, String>>,
    names: HashMap<(FileId, u64), Place>,
    /// Names of generated code.
    generated: HashMap<(ProcessIndex, u64), Place>,
}

/// A file with code.
#[derive(Clone, Debug)]
struct Binary {
    number: Number,
    build_id: Option<String>,
    /// Why it has no names any more.
    lost: Option<Lost>,
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

/// An address of a stack.
struct At<'a> {
    address: u64,
    /// The instruction that names are looked up for.
    at: u64,
    line: Option<&'a MapLine>,
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new(Reader::default())
    }
}

impl Symbols {
    /// Returns names that a reader reads.
    pub fn new(reader: Reader) -> Self {
        Self {
            kernel: Symbolizer::builder().enable_demangling(true).build(),
            reader,
            files: HashMap::new(),
            perf_maps: HashMap::new(),
            names: HashMap::new(),
            generated: HashMap::new(),
        }
    }

    /// Begins a report: what may have changed since the one before is read again.
    pub fn begin_report(&mut self) {
        self.reader.begin_report();
        self.generated.clear();
        for (_, map) in self.perf_maps.drain() {
            if let Ok(number) = map {
                self.reader.forget(number);
            }
        }
        self.files.retain(|_, file| file.is_ok());
        for file in self.files.values_mut().flatten() {
            file.lost = file.lost.filter(|why| !why.passes());
        }
    }

    /// Begins to read while the session runs: a signal from now on ends it.
    pub fn begin_reading(&mut self) {
        self.reader.begin_reading();
    }

    /// Returns the frames of a stack, innermost first, up to the first address that is not in any
    /// code, and why frames may be missing at its outer end. All addresses but the first are of the
    /// instruction behind a call.
    pub fn frames(&mut self, of: Of<'_>, addresses: &[u64]) -> (Vec<Frame>, Option<Incomplete>) {
        let mut places = Vec::new();
        let mut not_code = false;
        for (depth, address) in addresses.iter().enumerate() {
            let at = if depth == 0 {
                *address
            } else {
                address.saturating_sub(1)
            };
            let line = of.spaces.line(of.index, at);
            if depth > 0 && of.spaces.has_lines(of.index) && !line.is_some_and(|l| l.executable) {
                not_code = true;
                break;
            }
            places.push(At {
                address: *address,
                at,
                line,
            });
        }
        self.read_names(of, &places);
        let mut frames = Vec::new();
        for place in &places {
            self.frame(of, place, &mut frames);
        }
        if not_code {
            return (frames, Some(Incomplete::NotCode));
        }
        let incomplete = (!reaches_start(&frames)).then_some(Incomplete::NoStart);
        (frames, incomplete)
    }

    /// Returns the build ID of the file behind a line of maps.
    pub fn build_id(&mut self, of: Of<'_>, line: &MapLine) -> Option<String> {
        self.binary(of, line).ok()?.build_id
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
                .kernel
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

    /// Reads the names of a stack's code that are not known, all those of a file at once.
    fn read_names(&mut self, of: Of<'_>, places: &[At<'_>]) {
        let mut wanted: Vec<(FileId, &MapLine, Vec<u64>)> = Vec::new();
        for place in places {
            let Some(line) = place.line.filter(|line| !is_generated(line)) else {
                continue;
            };
            let Some(file) = line.file else { continue };
            let offset = place.offset(line);
            if self.names.contains_key(&(file, offset)) {
                continue;
            }
            match wanted.iter_mut().find(|(known, ..)| *known == file) {
                Some((.., offsets)) => offsets.push(offset),
                None => wanted.push((file, line, vec![offset])),
            }
        }
        if self.names.len() > NAMES {
            self.names.clear();
        }
        for (file, line, offsets) in wanted {
            let Ok(binary) = self.binary(of, line) else {
                continue;
            };
            if binary.lost.is_some() {
                continue;
            }
            let find = |link: &_| debug_files::find(&of.process.root(), &line.name, link);
            match self.reader.names(binary.number, &offsets, &find) {
                Ok(names) => {
                    let keys = offsets.into_iter().map(|offset| (file, offset));
                    self.names.extend(keys.zip(names));
                }
                Err(why) => {
                    if let Some(Ok(binary)) = self.files.get_mut(&file) {
                        binary.lost = Some(why);
                    }
                }
            }
        }
    }

    fn frame(&mut self, of: Of<'_>, place: &At<'_>, frames: &mut Vec<Frame>) {
        let bare = Frame {
            addr: Some(Addr(place.address)),
            ..Frame::default()
        };
        let Some(line) = place.line else {
            return frames.push(without(bare, "no mapping is known there"));
        };
        if is_generated(line) {
            return frames.push(self.generated(of, place.at, bare));
        }
        let offset = place.offset(line);
        let named = Frame {
            module: (!line.name.is_empty()).then(|| module(&line.name)),
            offset: Some(offset),
            ..bare
        };
        let binary = match self.binary(of, line) {
            Ok(found) => found,
            Err(why) => return frames.push(without(named, why)),
        };
        let named = Frame {
            build_id: binary.build_id,
            ..named
        };
        let known = line.file.and_then(|file| self.names.get(&(file, offset)));
        match known {
            Some(Ok(function)) => with_inlined(function, &named, frames),
            Some(Err(why)) => frames.push(without(named, why)),
            None => {
                let why = binary.lost.unwrap_or(Lost::Failed);
                frames.push(without(named, why.in_words()));
            }
        }
    }

    /// Returns the frame of a function that a compiler generated while the process ran.
    fn generated(&mut self, of: Of<'_>, at: u64, bare: Frame) -> Frame {
        let reader = &mut self.reader;
        let map = self.perf_maps.entry(of.index).or_insert_with(|| {
            let (number, ..) = reader.take(perf_map::open(of.process)?, Kind::PerfMap);
            Ok(number)
        });
        let place = match map {
            Ok(number) => {
                let place = match self.generated.entry((of.index, at)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => match reader.names(*number, &[at], &|_| None) {
                        Ok(mut places) => place.insert(places.remove(0)),
                        Err(why) => return without(bare, why.in_words()),
                    },
                };
                place.as_ref().map_err(String::as_str)
            }
            Err(why) => Err(why.as_str()),
        };
        match place {
            Ok(function) => Frame {
                symbol: Some(Name::from(function.name.as_slice())),
                module: Some(Name::from(format!("perf-{}.map", of.process.pid))),
                offset: Some(function.offset),
                ..bare
            },
            Err(why) => without(bare, &format!("code generated at run time: {why}")),
        }
    }

    /// Returns the file behind a line of maps, or why it is not opened.
    fn binary(&mut self, of: Of<'_>, line: &MapLine) -> Result<Binary, &'static str> {
        let mapped = line.file.ok_or("not a file: the kernel's own")?;
        if self.files.len() >= FILES && !self.files.contains_key(&mapped) {
            return Err("too many files");
        }
        let reader = &mut self.reader;
        let found = self
            .files
            .entry(mapped)
            .or_insert_with(|| open(reader, of.process, mapped, &line.name));
        found.clone()
    }
}

impl At<'_> {
    /// Returns the offset in the file of its line.
    fn offset(&self, line: &MapLine) -> u64 {
        (self.at - line.start).saturating_add(line.offset)
    }
}

/// Appends the frames of a function, with those of the functions that were inlined into it.
fn with_inlined(function: &Named, named: &Frame, frames: &mut Vec<Frame>) {
    for (name, line) in &function.inlined {
        frames.push(Frame {
            symbol: Some(Name::from(name.as_slice())),
            line: line.as_deref().map(Name::from),
            offset: None,
            inlined: true,
            build_id: None,
            ..named.clone()
        });
    }
    let line = function.line.as_deref().map(Name::from);
    frames.push(Frame {
        symbol: Some(Name::from(function.name.as_slice())),
        // With a line, the build ID is not needed to find a copy of the file.
        build_id: named.build_id.clone().filter(|_| line.is_none()),
        line,
        offset: Some(function.offset),
        ..named.clone()
    });
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

/// Returns the last part of a path.
fn module(path: &Name) -> Name {
    let bytes = path.as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'/').next();
    Name::from(last.filter(|last| !last.is_empty()).unwrap_or(bytes))
}

fn open(
    reader: &mut Reader,
    process: &Process,
    mapped: FileId,
    name: &Name,
) -> Result<Binary, &'static str> {
    let path = Path::new(std::ffi::OsStr::new(
        std::str::from_utf8(name.as_bytes()).map_err(|_| "a path that is not UTF-8")?,
    ));
    let TargetFile { file, metadata } = target_file::open_in_time(&process.root(), path)?;
    let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
    if metadata.ino() != mapped.ino || (major << 20 | minor) != mapped.dev {
        return Err("a different file is there now");
    }
    if metadata.len() > LARGEST {
        return Err("the file is too large");
    }
    let lines = metadata.len() <= WITH_LINES;
    let (number, build_id, lost) = reader.take(file, Kind::Elf { lines });
    Ok(Binary {
        number,
        build_id,
        lost,
    })
}
