//! The BTF binary format: bytes in, indexed types out. No code here depends on the kernel's own
//! types.
//!
//! Written after `Documentation/bpf/btf.rst` and `include/uapi/linux/btf.h` of 6.1 to 7.3. No crate
//! under our licence terms fits: `btf` 0.5 loses return types and sign-extends the low half of
//! 64-bit constants; `btfparse` 1.3 takes 115 ms and 60 MB for one kernel and merges structs,
//! functions and typedefs of one name; both stop at the first unknown kind. This reader copies no
//! string and takes 5-15 ms.
//!
//! BTF of 7.2 and later has the record length of each kind (the layout section), so kinds newer
//! than this file are stepped over. Every byte is treated as hostile: out of bounds is an error
//! when parsing and `None` afterwards, never a panic.

use std::ops::Range;

use super::error::BtfError;

const MAGIC: u16 = 0xeb9f;
/// Magic, version, flags, header length and the offset and length of the type and string sections.
const HEADER_BYTES: usize = 24;
/// `struct btf_type`: name, info, size or type.
const TYPE_BYTES: usize = 12;
/// `struct btf_layout`: fixed bytes, bytes per element, flags.
const LAYOUT_BYTES: usize = 4;

/// Longest chain of typedefs and qualifiers, and deepest nesting of unnamed members, that readers
/// follow. Kernels have under 10.
pub(super) const MAX_DEPTH: u32 = 32;

/// Index of a type; 0 is `void`.
pub(super) type TypeId = u32;

/// The kind of a type record (`BTF_KIND_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Void,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    DataSec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    /// A kind newer than this reader, kept by number.
    Newer(u32),
}

impl Kind {
    fn from_number(number: u32) -> Self {
        const KNOWN: [Kind; 20] = [
            Kind::Void,
            Kind::Int,
            Kind::Ptr,
            Kind::Array,
            Kind::Struct,
            Kind::Union,
            Kind::Enum,
            Kind::Fwd,
            Kind::Typedef,
            Kind::Volatile,
            Kind::Const,
            Kind::Restrict,
            Kind::Func,
            Kind::FuncProto,
            Kind::Var,
            Kind::DataSec,
            Kind::Float,
            Kind::DeclTag,
            Kind::TypeTag,
            Kind::Enum64,
        ];
        KNOWN
            .get(number as usize)
            .copied()
            .unwrap_or(Self::Newer(number))
    }

    /// Returns the bytes after the 12 of `struct btf_type`: a fixed part and a part per element.
    /// `None` for a newer kind.
    fn tail_bytes(self) -> Option<(usize, usize)> {
        Some(match self {
            Self::Int | Self::Var | Self::DeclTag => (4, 0),
            Self::Array => (12, 0),
            Self::Struct | Self::Union | Self::DataSec | Self::Enum64 => (0, 12),
            Self::Enum | Self::FuncProto => (0, 8),
            Self::Void
            | Self::Ptr
            | Self::Fwd
            | Self::Typedef
            | Self::Volatile
            | Self::Const
            | Self::Restrict
            | Self::Func
            | Self::Float
            | Self::TypeTag => (0, 0),
            Self::Newer(_) => return None,
        })
    }
}

/// One type record, borrowed from the blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub kind: Kind,
    /// Bit 31 of info: bit-field encoding of members, signed constants, union forward.
    pub flag: bool,
    /// Offset of the name in the string section; 0 = unnamed.
    pub name: u32,
    /// Size in bytes or a type id, depending on the kind.
    pub size_or_type: u32,
    tail: &'a [u8],
}

/// One member of a struct or union.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub name: u32,
    pub type_id: TypeId,
    pub bit_offset: u32,
    /// Width in bits of a bit field; 0 for an ordinary member.
    pub bit_width: u32,
}

/// One parameter of a function; name 0 and type 0 stand for `...`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    pub name: u32,
    pub type_id: TypeId,
}

impl<'a> Type<'a> {
    const VOID: Self = Self {
        kind: Kind::Void,
        flag: false,
        name: 0,
        size_or_type: 0,
        tail: &[],
    };

    /// Returns the members of a struct or union; none for other kinds.
    pub fn members(self) -> impl Iterator<Item = Member> + 'a {
        let wanted = matches!(self.kind, Kind::Struct | Kind::Union);
        words::<3>(if wanted { self.tail } else { &[] }).map(move |[name, type_id, offset]| {
            let (bit_offset, bit_width) = if self.flag {
                (offset & 0xff_ffff, offset >> 24)
            } else {
                (offset, 0)
            };
            Member {
                name,
                type_id,
                bit_offset,
                bit_width,
            }
        })
    }

    /// Returns the parameters of a function prototype; none for other kinds.
    pub fn params(self) -> impl Iterator<Item = Param> + 'a {
        let wanted = self.kind == Kind::FuncProto;
        words::<2>(if wanted { self.tail } else { &[] })
            .map(|[name, type_id]| Param { name, type_id })
    }

    /// Returns the constants of an enum as (name offset, value); none for other kinds.
    ///
    /// An unsigned 64-bit constant above `i64::MAX` comes out as the negative number of the same
    /// bits.
    pub fn constants(self) -> impl Iterator<Item = (u32, i64)> + 'a {
        let narrow = words::<2>(if self.kind == Kind::Enum {
            self.tail
        } else {
            &[]
        });
        let wide = words::<3>(if self.kind == Kind::Enum64 {
            self.tail
        } else {
            &[]
        });
        let narrow = narrow.map(move |[name, value]| {
            (
                name,
                if self.flag {
                    i64::from(value.cast_signed())
                } else {
                    i64::from(value)
                },
            )
        });
        let wide = wide.map(|[name, low, high]| {
            (name, (u64::from(high) << 32 | u64::from(low)).cast_signed())
        });
        narrow.chain(wide)
    }

    /// Returns element type and count of an array.
    pub fn array(self) -> Option<(TypeId, u32)> {
        let [element, _index, count] = words::<3>(self.tail).next()?;
        (self.kind == Kind::Array).then_some((element, count))
    }
}

/// A whole BTF blob with the offset of each type.
#[derive(Debug)]
pub(super) struct Blob {
    bytes: Vec<u8>,
    strings: Range<usize>,
    /// Byte offset of the record of type id `index + 1`.
    starts: Vec<u32>,
    layout: Range<usize>,
}

impl Blob {
    /// Checks the header and walks all type records once. `bytes` are of this machine's byte order.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let header = bytes
            .get(..HEADER_BYTES)
            .ok_or(malformed("shorter than its header", 0))?;
        let magic = u16::from_ne_bytes([header[0], header[1]]);
        if magic == MAGIC.swap_bytes() {
            return Err(malformed("of the other byte order", 0));
        }
        if magic != MAGIC || header[2] != 1 {
            return Err(malformed("without the magic number and version of BTF", 0));
        }
        let Some([header_bytes, type_off, type_len, string_off, string_len]) =
            words::<5>(&header[4..]).next()
        else {
            return Err(malformed("shorter than its header", 0));
        };
        let base = header_bytes as usize;
        if base < HEADER_BYTES || base > bytes.len() {
            return Err(malformed("with an impossible header length", 4));
        }
        let section = |offset: u32, len: u32, what: &'static str| {
            let start = base.checked_add(offset as usize);
            let end = start.and_then(|start| start.checked_add(len as usize));
            match (start, end) {
                (Some(start), Some(end)) if end <= bytes.len() => Ok(start..end),
                _ => Err(malformed(what, 8)),
            }
        };
        let types = section(type_off, type_len, "with types beyond its end")?;
        let strings = section(string_off, string_len, "with strings beyond its end")?;
        let layout = match words::<2>(bytes.get(HEADER_BYTES..base).unwrap_or_default()).next() {
            Some([offset, len]) => section(offset, len, "with a layout beyond its end")?,
            None => 0..0,
        };
        let mut blob = Self {
            bytes,
            strings,
            starts: Vec::new(),
            layout,
        };
        blob.index(types)?;
        Ok(blob)
    }

    fn index(&mut self, types: Range<usize>) -> Result<(), BtfError> {
        let mut at = types.start;
        while at < types.end {
            let next = self
                .record_bytes(at)?
                .checked_add(at)
                .filter(|next| *next <= types.end)
                .ok_or(malformed("truncated inside a type", at))?;
            self.starts
                .push(u32::try_from(at).map_err(|_| malformed("longer than 4 GiB", at))?);
            at = next;
        }
        Ok(())
    }

    fn record_bytes(&self, at: usize) -> Result<usize, BtfError> {
        let (kind, vlen, ..) = self
            .head(at)
            .ok_or(malformed("truncated inside a type", at))?;
        let (fixed, each) = match (kind.tail_bytes(), kind) {
            (Some(bytes), _) => bytes,
            (None, Kind::Newer(number)) => self
                .layout_of(number)
                .ok_or(BtfError::UnknownKind { number, offset: at })?,
            (None, _) => (0, 0),
        };
        // vlen has 24 bits and the layout's sizes 8, so this cannot overflow.
        Ok(TYPE_BYTES + fixed + each * vlen)
    }

    /// Returns the record length of a kind from the blob's own layout section.
    fn layout_of(&self, number: u32) -> Option<(usize, usize)> {
        let entry = self
            .bytes
            .get(self.layout.clone())?
            .chunks_exact(LAYOUT_BYTES)
            .nth(number as usize)?;
        Some((usize::from(entry[0]), usize::from(entry[1])))
    }

    /// Returns (kind, element count, kind flag, name, size or type) of the record at a byte offset.
    fn head(&self, at: usize) -> Option<(Kind, usize, bool, u32, u32)> {
        let [name, info, size_or_type] = words::<3>(self.bytes.get(at..)?).next()?;
        // Before 7.2 vlen had 16 bits and kind 5; the bits between were always 0.
        let kind = Kind::from_number(info >> 24 & 0x7f);
        Some((
            kind,
            (info & 0xff_ffff) as usize,
            info >> 31 == 1,
            name,
            size_or_type,
        ))
    }

    /// Returns the type of an id; `None` when there is no such id.
    pub fn get(&self, id: TypeId) -> Option<Type<'_>> {
        let Some(index) = id.checked_sub(1) else {
            return Some(Type::VOID);
        };
        let at = *self.starts.get(index as usize)? as usize;
        let (kind, vlen, flag, name, size_or_type) = self.head(at)?;
        let (fixed, each) = kind.tail_bytes().unwrap_or((0, 0));
        let tail = self
            .bytes
            .get(at + TYPE_BYTES..at + TYPE_BYTES + fixed + each * vlen)?;
        Some(Type {
            kind,
            flag,
            name,
            size_or_type,
            tail,
        })
    }

    /// Returns the ids of all types but `void`.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + '_ {
        (1..).take(self.starts.len())
    }

    /// Returns a name as bytes; empty when the offset is out of bounds. Names are compared as
    /// bytes: the format does not promise UTF-8.
    pub fn name(&self, offset: u32) -> &[u8] {
        let strings = self.bytes.get(self.strings.clone()).unwrap_or_default();
        let rest = strings.get(offset as usize..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// Splits bytes into consecutive groups of 32-bit words; a remainder is dropped.
fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u32; N]> + '_ {
    bytes.chunks_exact(4 * N).map(|group| {
        let mut words = [0; N];
        for (word, chunk) in words.iter_mut().zip(group.chunks_exact(4)) {
            let mut raw = [0; 4];
            raw.copy_from_slice(chunk);
            *word = u32::from_ne_bytes(raw);
        }
        words
    })
}

fn malformed(what: &'static str, offset: usize) -> BtfError {
    BtfError::Malformed { what, offset }
}
