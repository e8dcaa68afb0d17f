//! The kernel's own type information, as far as a workload needs it: structs by name, with the
//! places of their members (Documentation/bpf/btf.rst).

use anyhow::{Context, Result, bail, ensure};

/// A struct of the kernel.
#[derive(Debug)]
pub struct Struct {
    /// Number of its type.
    pub id: u32,
    /// Bytes.
    pub size: usize,
    /// Its members: name, and offset in bytes.
    pub members: Vec<(String, usize)>,
}

impl Struct {
    /// Returns the position of a member among the others.
    ///
    /// # Errors
    /// There is no such member.
    pub fn index(&self, member: &str) -> Result<u32> {
        let at = self.members.iter().position(|(name, _)| name == member);
        Ok(u32::try_from(at.context("no such member")?)?)
    }

    /// Returns the offset of a member, in bytes.
    ///
    /// # Errors
    /// There is no such member.
    pub fn offset(&self, member: &str) -> Result<usize> {
        let found = self.members.iter().find(|(name, _)| name == member);
        found.map(|(_, at)| *at).context("no such member")
    }
}

/// The type information of the running kernel.
#[derive(Debug)]
pub struct Btf {
    blob: Vec<u8>,
    types: usize,
    end: usize,
    strings: usize,
}

/// Kinds of types (include/uapi/linux/btf.h).
const STRUCT: usize = 4;
const FUNC: usize = 12;

impl Btf {
    /// Reads it.
    ///
    /// # Errors
    /// The kernel has none, or it is malformed.
    pub fn read() -> Result<Self> {
        let blob = std::fs::read("/sys/kernel/btf/vmlinux").context("the kernel's BTF")?;
        let header = |at| word(&blob, at);
        let start = header(4)?;
        let types = start + header(8)?;
        Ok(Self {
            types,
            end: types + header(12)?,
            strings: start + header(16)?,
            blob,
        })
    }

    /// Returns the struct of a name, `None` when the kernel has none.
    ///
    /// # Errors
    /// The data is malformed.
    pub fn find(&self, name: &str) -> Result<Option<Struct>> {
        let Some((id, at)) = self.position(STRUCT, name)? else {
            return Ok(None);
        };
        let info = word(&self.blob, at + 4)?;
        let member = |number: usize| {
            let at = at + 12 + number * 12;
            // With the flag, the upper byte is the width of a bit field.
            let bits = word(&self.blob, at + 8)? & if info >> 31 != 0 { 0xff_ffff } else { !0 };
            Ok((self.name_at(at)?.to_owned(), bits / 8))
        };
        Ok(Some(Struct {
            id,
            size: word(&self.blob, at + 8)?,
            members: (0..info & 0xffff).map(member).collect::<Result<_>>()?,
        }))
    }

    /// Returns the number of the first function of these names that the kernel has.
    ///
    /// # Errors
    /// It has none of them, or the information is malformed.
    pub fn function(&self, names: &[&str]) -> Result<u32> {
        for name in names {
            if let Some((id, _)) = self.position(FUNC, name)? {
                return Ok(id);
            }
        }
        bail!("the kernel has none of {names:?}")
    }

    fn position(&self, wanted: usize, name: &str) -> Result<Option<(u32, usize)>> {
        let (mut at, mut id) = (self.types, 1);
        while at < self.end {
            let info = word(&self.blob, at + 4)?;
            let (kind, count) = (info >> 24 & 31, info & 0xffff);
            if kind == wanted && self.name_at(at)? == name {
                return Ok(Some((id, at)));
            }
            at += 12 + extra(kind, count)?;
            id += 1;
        }
        Ok(None)
    }

    fn name_at(&self, at: usize) -> Result<&str> {
        text(&self.blob, self.strings + word(&self.blob, at)?)
    }
}

/// Bytes that follow the head of a type.
fn extra(kind: usize, count: usize) -> Result<usize> {
    Ok(match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => count * 12,
        6 | 13 => count * 8,
        2 | 7..=12 | 16 | 18 => 0,
        _ => bail!("a type of kind {kind}"),
    })
}

fn word(blob: &[u8], at: usize) -> Result<usize> {
    let bytes = blob.get(at..at + 4).context("BTF ends too early")?;
    Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
}

fn text(blob: &[u8], at: usize) -> Result<&str> {
    let rest = blob.get(at..).context("BTF ends too early")?;
    let end = rest.iter().position(|byte| *byte == 0);
    ensure!(end.is_some(), "a name without an end");
    Ok(std::str::from_utf8(&rest[..end.unwrap_or(0)])?)
}
