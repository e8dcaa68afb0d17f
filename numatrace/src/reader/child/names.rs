//! Names of code in an ELF file. The library sees only copies (`copy.rs`).

use std::{fs::File, os::fd::AsRawFd, path::PathBuf};

use blazesym::symbolize::{
    CodeInfo, Input, Symbolized, Symbolizer,
    source::{Elf, Source},
};

use super::{
    copy,
    elf::{self, Headers},
};
use crate::reader::{
    lost::{Lost, UNREADABLE},
    protocol::{Link, Named, Place, Taken},
};

/// Longest name or path of a file in a link, bytes.
const MOST_PATH: usize = 1024;

/// An ELF file on its way to names.
#[derive(Debug)]
pub struct ElfNames {
    file: File,
    headers: Headers,
    lines: bool,
    /// The file that holds its debug information.
    debug: Option<(File, Headers)>,
    /// The file that the debug information shares with others.
    shared: Option<(File, Headers)>,
    copies: Option<Copies>,
}

/// The file that the library reads.
#[derive(Debug)]
struct Copies {
    symbolizer: Symbolizer,
    own: File,
    debug: Option<File>,
    /// Its descriptor is named in the copy that needs it.
    _shared: Option<File>,
}

impl ElfNames {
    /// Takes a file.
    ///
    /// # Errors
    /// Its headers are damaged, or it cannot be read.
    pub fn new(file: File, lines: bool) -> Result<(Self, Taken), Lost> {
        let headers = Headers::read(&file)?;
        let build_id = headers.build_id(&file);
        let link = lines
            .then(|| {
                let debug = debug_link(&file, &headers);
                debug
                    .map(|(name, _)| Link::Debug(name, build_id.clone()))
                    .or_else(|| shared_link(&file, &headers))
            })
            .flatten();
        let taken = Taken { build_id, link };
        let names = Self {
            file,
            headers,
            lines,
            debug: None,
            shared: None,
            copies: None,
        };
        Ok((names, taken))
    }

    /// Takes the file with its debug information, if it is the right one.
    pub fn take_debug(&mut self, file: File, linked: bool) -> Taken {
        let taken = Taken::default();
        let Ok(headers) = Headers::read(&file) else {
            return taken;
        };
        let own = self.headers.build_id(&self.file);
        let same = match (&own, headers.build_id(&file)) {
            (Some(own), Some(other)) => *own == other,
            _ => {
                linked
                    && debug_link(&self.file, &self.headers)
                        .is_some_and(|(_, checksum)| checksum_of(&file) == Some(checksum))
            }
        };
        if !same || copy::size(&headers, true).is_err() {
            return taken;
        }
        let link = shared_link(&file, &headers);
        self.debug = Some((file, headers));
        Taken { link, ..taken }
    }

    /// Takes the file that its debug information shares with others, if it is the right one.
    pub fn take_shared(&mut self, file: File) {
        let (from, headers) = match &self.debug {
            Some((file, headers)) => (file, headers),
            None => (&self.file, &self.headers),
        };
        if let Some(Link::Shared(_, id)) = shared_link(from, headers)
            && let Ok(headers) = Headers::read(&file)
            && headers.build_id(&file) == Some(id)
        {
            self.shared = Some((file, headers));
        }
    }

    /// Returns the bytes that will be read, or were.
    ///
    /// # Errors
    /// They are too many.
    pub fn size(&self) -> Result<u64, Lost> {
        let more = self.debug.iter().chain(&self.shared);
        let mut sum = copy::size(&self.headers, self.lines)?;
        for (_, headers) in more {
            sum = sum.saturating_add(copy::size(headers, true)?);
        }
        Ok(sum)
    }

    /// Returns the names of the code at offsets in the file.
    ///
    /// # Errors
    /// The parts with symbols cannot be copied.
    pub fn at(&mut self, offsets: &[u64]) -> Result<Vec<Place>, Lost> {
        if self.copies.is_none() {
            self.copies = Some(self.copy()?);
        }
        let copies = self.copies.as_ref().ok_or(Lost::Failed)?;
        Ok(offsets
            .iter()
            .map(|offset| copies.at(&self.headers, self.lines, *offset))
            .collect())
    }

    fn copy(&self) -> Result<Copies, Lost> {
        let shared = match &self.shared {
            Some((file, headers)) => Some(copy::copy(file, headers, true, None)?),
            None => None,
        };
        let of = |file: &File, headers: &Headers, lines| {
            let link = shared
                .as_ref()
                .zip(shared_link(file, headers))
                .and_then(|(copy, link)| link_to(copy, &link));
            copy::copy(file, headers, lines, link.as_deref())
        };
        let debug = match &self.debug {
            Some((file, headers)) => Some(of(file, headers, true)?),
            None => None,
        };
        // With the debug information elsewhere, what the file has itself does not count.
        let lines = self.lines && debug.is_none();
        Ok(Copies {
            own: of(&self.file, &self.headers, lines)?,
            debug,
            _shared: shared,
            symbolizer: Symbolizer::builder()
                .enable_code_info(true)
                .enable_inlined_fns(true)
                .enable_demangling(true)
                .enable_auto_reload(false)
                // Links are followed by the tracer. The folder makes the library look at the one
                // link that a copy has, to a descriptor.
                .set_debug_dirs(Some(["/proc/self/fd"]))
                .build(),
        })
    }
}

impl Copies {
    fn at(&self, headers: &Headers, lines: bool, offset: u64) -> Place {
        if let Some(debug) = &self.debug {
            let address = headers.address(offset).ok_or("not in a loaded segment")?;
            if let Ok(named) = self.named(debug, true, Input::VirtOffset(address)) {
                return Ok(named);
            }
        }
        let lines = lines && self.debug.is_none();
        self.named(&self.own, lines, Input::FileOffset(offset))
    }

    fn named(&self, file: &File, lines: bool, input: Input<u64>) -> Place {
        let source = Source::Elf(Elf {
            debug_syms: lines,
            ..Elf::new(path(file))
        });
        match self.symbolizer.symbolize_single(&source, input) {
            Ok(Symbolized::Sym(symbol)) => {
                // The library returns the outermost function first.
                let inlined = symbol.inlined.iter().rev();
                let mut named = Named {
                    name: symbol.name.as_bytes().to_vec(),
                    offset: symbol.offset as u64,
                    line: symbol.code_info.as_deref().map(source_line),
                    inlined: inlined
                        .map(|inlined| {
                            let line = inlined.code_info.as_ref().map(source_line);
                            (inlined.name.as_bytes().to_vec(), line)
                        })
                        .collect(),
                };
                named.cap();
                Ok(named)
            }
            Ok(Symbolized::Unknown(why)) => Err(why.to_string()),
            Err(error) => Err(format!("{UNREADABLE}: {error}")),
        }
    }
}

/// Returns a path to an open file.
fn path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Returns a source line as `matrix.c:41`: people know a file by the last part of its path.
fn source_line(code: &CodeInfo<'_>) -> Vec<u8> {
    let mut text = code.file.as_encoded_bytes().to_vec();
    if let Some(line) = code.line {
        text.extend_from_slice(format!(":{line}").as_bytes());
    }
    text
}

/// Returns the name in a link to debug information, and the checksum of that file.
fn debug_link(file: &File, headers: &Headers) -> Option<(Vec<u8>, u32)> {
    let text = headers.short(file, b".gnu_debuglink")?;
    let name = text.split(|byte| *byte == 0).next()?;
    let checksum = elf::u32_at(&text, (name.len() + 1).next_multiple_of(4))?;
    (!name.is_empty() && name.len() <= MOST_PATH).then(|| (name.to_vec(), checksum))
}

/// Returns the link to the debug information that a file shares with others.
fn shared_link(file: &File, headers: &Headers) -> Option<Link> {
    let text = headers.short(file, b".gnu_debugaltlink")?;
    let path = text.split(|byte| *byte == 0).next()?;
    let id = text.get(path.len() + 1..)?;
    let good = !path.is_empty() && path.len() <= MOST_PATH && (8..=64).contains(&id.len());
    good.then(|| Link::Shared(path.to_vec(), elf::hex(id)))
}

/// Returns the contents of a section that links to a copy.
fn link_to(copy: &File, link: &Link) -> Option<Vec<u8>> {
    let Link::Shared(_, id) = link else {
        return None;
    };
    let mut text = path(copy).into_os_string().into_encoded_bytes();
    text.push(0);
    let digits = (0..id.len()).step_by(2);
    for at in digits {
        text.push(u8::from_str_radix(id.get(at..at + 2)?, 16).ok()?);
    }
    Some(text)
}

/// Returns the checksum of a whole file, as links have it.
fn checksum_of(mut file: &File) -> Option<u32> {
    use std::io::Read;

    let mut sum = crc32fast::Hasher::new();
    let mut part = vec![0; 1 << 18];
    loop {
        let length = file.read(&mut part).ok()?;
        let Some(part) = part.get(..length).filter(|part| !part.is_empty()) else {
            return Some(sum.finalize());
        };
        sum.update(part);
    }
}
