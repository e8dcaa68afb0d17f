//! Frames: the units of writing. Each can be checked and unpacked by itself.
//!
//! The file begins with 16 bytes: [`MAGIC`], the version (u16), two zero bytes, and the CRC-32 of
//! these twelve. A frame is a header of 24 bytes (mark, number from 0, bytes unpacked, bytes
//! packed, CRC-32 of the packed bytes, CRC-32 of the header before it; all numbers little-endian)
//! and the packed bytes (zstd).

use std::io::{self, Read};

/// The first bytes of a recording. The first byte is not text and the last one ends a line, so a
/// copy in text mode breaks them and is noticed.
pub const MAGIC: [u8; 8] = *b"\x89numatr\n";
/// The version that is written.
pub const VERSION: u16 = 1;
/// Bytes of the file's header.
pub const FILE_HEADER: usize = 16;
/// Bytes of a frame's header.
pub const FRAME_HEADER: usize = 24;
/// Largest frame in bytes, packed or not. Writers make frames of a few MiB; a larger chunk gets a
/// frame to itself.
pub const LARGEST: usize = 1 << 28;
/// Bytes that a frame may unpack to, however few its packed bytes are.
const UNPACKED: usize = 1 << 26;
/// Further unpacked bytes for each packed byte, many times what frames of a session have.
const RATIO: usize = 256;
/// The first bytes of a frame.
const MARK: [u8; 4] = *b"NMfr";
/// The zstd level: packs 300 to 500 MB/s on one core. Higher levels save little, because the
/// columns have removed most of the redundancy.
const LEVEL: i32 = 3;

/// Returns the file's header.
pub fn file_header() -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    let sum = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// Packs the contents of frames.
pub struct Packer(zstd::bulk::Compressor<'static>);

/// The packed contents of a frame, not yet numbered.
#[derive(Clone, Debug)]
pub struct Packed {
    raw: u32,
    packed: u32,
    bytes: Vec<u8>,
}

impl Packer {
    /// Creates a packer.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self(zstd::bulk::Compressor::new(LEVEL)?))
    }

    /// Packs chunks.
    ///
    /// # Errors
    /// The chunks are larger than [`LARGEST`], or there is no memory.
    pub fn pack(&mut self, chunks: &[u8]) -> io::Result<Packed> {
        if chunks.len() > LARGEST {
            return Err(io::Error::other(
                "a part of the recording is too large to be written",
            ));
        }
        let bytes = self.0.compress(chunks)?;
        let length = |length: usize| u32::try_from(length).map_err(io::Error::other);
        Ok(Packed {
            raw: length(chunks.len())?,
            packed: length(bytes.len())?,
            bytes,
        })
    }
}

impl Packed {
    /// Returns the whole frame, numbered for its file.
    pub fn frame(&self, number: u32) -> Vec<u8> {
        let mut frame = Vec::with_capacity(self.len());
        frame.extend(MARK);
        for word in [number, self.raw, self.packed, crc32fast::hash(&self.bytes)] {
            frame.extend(word.to_le_bytes());
        }
        let sum = crc32fast::hash(&frame);
        frame.extend(sum.to_le_bytes());
        frame.extend(&self.bytes);
        frame
    }

    /// Returns the bytes of the whole frame.
    pub fn len(&self) -> usize {
        FRAME_HEADER + self.bytes.len()
    }

    /// Returns false: a frame has at least a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Why this version cannot read a file as a recording.
#[derive(Debug, thiserror::Error)]
pub enum NotReadable {
    /// The file is not a recording.
    #[error("it is not a numatrace recording")]
    NotARecording,
    /// The file has no complete header.
    #[error("it ends before its first frame")]
    Empty,
    /// A later version wrote it.
    #[error("its format is version {0}; this numatrace reads up to version {VERSION}")]
    Later(u16),
    /// The file's header is damaged.
    #[error("its header is damaged")]
    Damaged,
    /// The system cannot read the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How the frames of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// After a complete frame.
    Whole,
    /// Within a frame: the file is truncated.
    Truncated {
        /// Offset of the frame in the file.
        at: u64,
        /// Bytes of the frame that are there.
        left: u64,
    },
    /// At a frame that does not match its checksum.
    Damaged {
        /// Offset of the frame in the file.
        at: u64,
        /// The mismatch, for a person.
        why: String,
    },
}

/// Reads frames.
pub struct Frames<R> {
    from: R,
    at: u64,
    number: u32,
    zstd: zstd::bulk::Decompressor<'static>,
    packed: Vec<u8>,
    end: Option<End>,
    /// The version of the file.
    pub version: u16,
}

impl<R: Read> Frames<R> {
    /// Checks the file's header and begins to read.
    ///
    /// # Errors
    /// Why the file is no recording of this version.
    pub fn open(mut from: R) -> Result<Self, NotReadable> {
        let mut header = [0; FILE_HEADER];
        let length = fill(&mut from, &mut header)?;
        if length < MAGIC.len() || header[..8] != MAGIC {
            return Err(
                if length < MAGIC.len() && MAGIC.starts_with(&header[..length]) {
                    NotReadable::Empty
                } else {
                    NotReadable::NotARecording
                },
            );
        }
        if length < FILE_HEADER {
            return Err(NotReadable::Empty);
        }
        let version = u16::from_le_bytes([header[8], header[9]]);
        if header[12..] != crc32fast::hash(&header[..12]).to_le_bytes() {
            return Err(NotReadable::Damaged);
        }
        if version == 0 || version > VERSION {
            return Err(NotReadable::Later(version));
        }
        Ok(Self {
            from,
            at: FILE_HEADER as u64,
            number: 0,
            zstd: zstd::bulk::Decompressor::new()?,
            packed: Vec::new(),
            end: None,
            version,
        })
    }

    /// Returns the bytes read so far.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Returns how the frames ended, once [`Frames::next`] has returned `false`.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Unpacks the next frame; returns `false` at the end, whether complete or not.
    ///
    /// # Errors
    /// The file cannot be read, which is not its end.
    pub fn next(&mut self, chunks: &mut Vec<u8>) -> io::Result<bool> {
        if self.end.is_some() {
            return Ok(false);
        }
        match self.unpack(chunks)? {
            Some(end) => {
                self.end = Some(end);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn unpack(&mut self, chunks: &mut Vec<u8>) -> io::Result<Option<End>> {
        let at = self.at;
        let damaged = |why: &str| {
            Ok(Some(End::Damaged {
                at,
                why: why.to_owned(),
            }))
        };
        let mut header = [0; FRAME_HEADER];
        let length = fill(&mut self.from, &mut header)?;
        if length == 0 {
            return Ok(Some(End::Whole));
        }
        if length < FRAME_HEADER {
            return Ok(Some(End::Truncated {
                at,
                left: length as u64,
            }));
        }
        let word = |from: usize| {
            let bytes = header
                .get(from..from + 4)
                .and_then(|bytes| bytes.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        if header[..4] != MARK || word(20) != crc32fast::hash(&header[..20]) {
            return damaged("its header does not match its checksum");
        }
        if word(4) != self.number {
            return damaged("frames before it are missing");
        }
        let (raw, packed) = (word(8) as usize, word(12) as usize);
        if raw > LARGEST || packed > LARGEST {
            return damaged("its header claims more bytes than a frame can have");
        }
        if raw > UNPACKED + RATIO * packed {
            return damaged(
                "it would unpack to far more bytes than a session's frame does (it was made to \
                 exhaust its reader)",
            );
        }
        self.packed.clear();
        let got = (&mut self.from)
            .take(packed as u64)
            .read_to_end(&mut self.packed)?;
        if got < packed {
            return Ok(Some(End::Truncated {
                at,
                left: (FRAME_HEADER + got) as u64,
            }));
        }
        if word(16) != crc32fast::hash(&self.packed) {
            return damaged("its contents do not match their checksum");
        }
        chunks.clear();
        chunks.reserve(raw);
        match self.zstd.decompress_to_buffer(&self.packed, chunks) {
            Ok(length) if length == raw => {}
            Ok(_) => return damaged("its unpacked length differs from its header"),
            Err(error) => return damaged(&format!("it cannot be unpacked: {error}")),
        }
        self.at += (FRAME_HEADER + packed) as u64;
        self.number = self.number.wrapping_add(1);
        Ok(None)
    }
}

/// Reads until the buffer is full or the file ends; returns the bytes read.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut packer = Packer::new().unwrap();
        let mut file = file_header().to_vec();
        for (number, frame) in (0..).zip(frames) {
            file.extend(packer.pack(frame).unwrap().frame(number));
        }
        file
    }

    fn read(file: &[u8]) -> Result<(Vec<Vec<u8>>, End), NotReadable> {
        let mut frames = Frames::open(file)?;
        let (mut all, mut chunks) = (Vec::new(), Vec::new());
        while frames.next(&mut chunks)? {
            all.push(chunks.clone());
        }
        Ok((all, frames.end().unwrap().clone()))
    }

    #[test]
    fn a_file_truncated_at_any_byte_has_its_whole_frames_and_is_known_to_be_truncated() {
        let contents = [vec![1; 100], vec![2; 10], (0..=255).collect::<Vec<u8>>()];
        let whole = file(&contents);
        let ends: Vec<usize> = (0..=3)
            .map(|count| file(&contents[..count]).len())
            .collect();
        for length in 0..whole.len() {
            let got = read(&whole[..length]);
            if length < FILE_HEADER {
                assert!(matches!(got, Err(NotReadable::Empty)), "{length}");
                continue;
            }
            let (frames, end) = got.unwrap();
            let expected = ends.iter().filter(|end| **end <= length).count() - 1;
            assert_eq!(frames, contents[..expected], "{length}");
            assert_eq!(
                end == End::Whole,
                ends.contains(&length),
                "{length}: {end:?}"
            );
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let contents = [vec![1; 100], vec![2; 10]];
        let whole = file(&contents);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            if let Ok((frames, end)) = read(&changed) {
                assert!(
                    matches!(end, End::Damaged { .. } | End::Truncated { .. }),
                    "{at}: {end:?}"
                );
                assert!(contents.starts_with(&frames), "{at}");
            }
        }
    }

    #[test]
    fn a_file_of_a_different_kind_and_a_later_recording_have_different_errors() {
        assert!(matches!(
            read(b"{\"schema\": 1}  and more"),
            Err(NotReadable::NotARecording)
        ));
        assert!(matches!(read(b""), Err(NotReadable::Empty)));
        let mut later = file_header();
        later[8] = 9;
        let sum = crc32fast::hash(&later[..12]);
        later[12..].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(read(&later), Err(NotReadable::Later(9))));
    }

    proptest! {
        #[test]
        fn any_bytes_behind_a_header_are_frames_or_an_end(bytes: Vec<u8>) {
            let mut file = file_header().to_vec();
            file.extend(bytes);
            let _ = read(&file);
        }
    }
}
