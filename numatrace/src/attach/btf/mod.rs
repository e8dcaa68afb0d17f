//! Facts from the running kernel's type information: offsets, sizes, constants, existing functions
//! and tracepoints.
//!
//! Struct layouts change inside a stable series and rustc emits no CO-RE relocations, so every
//! offset that a probe uses is looked up here at start-up and passed to it as a frozen global. No
//! code outside this folder reads the BTF format, except `ids_only`, which writes it for aya.

pub(in crate::attach) mod ctype;
mod error;
#[cfg(test)]
pub(in crate::attach) mod fixture;
mod format;
mod names;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use ctype::{CType, Prototype};
pub use error::BtfError;

use format::{Blob, Kind, MAX_DEPTH, Type, TypeId};
use names::NameIndex;

/// The file with the type information of a kernel built with `CONFIG_DEBUG_INFO_BTF=y`.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Members visited in one lookup before it is a contradiction. The kernel's largest struct has
/// about 300.
const MAX_MEMBERS: u32 = 1 << 16;

/// The place of a member in its outermost struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberAt {
    /// Bytes from the start of the outermost struct.
    pub offset_bytes: u32,
    /// Size of the member's type in bytes; 0 for a flexible array.
    pub size_bytes: u32,
}

/// A kernel's type information, indexed by name.
#[derive(Debug)]
pub struct KernelBtf {
    blob: Blob,
    index: NameIndex,
}

impl KernelBtf {
    /// Reads and indexes a BTF file, normally [`VMLINUX`].
    pub fn from_path(path: &Path) -> Result<Self, BtfError> {
        let bytes = std::fs::read(path).map_err(|source| BtfError::Read {
            path: PathBuf::from(path),
            source,
        })?;
        Self::from_bytes(bytes)
    }

    /// Indexes BTF of this machine's byte order, such as a kernel image's `.BTF` section.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let blob = Blob::parse(bytes)?;
        let index = NameIndex::of(&blob);
        Ok(Self { blob, index })
    }

    /// Returns offset and size of a member such as `se.sum_exec_runtime` of `task_struct`.
    ///
    /// Searches unnamed struct and union members, embedded structs and typedefs; never follows
    /// pointers.
    pub fn member(&self, of: &str, path: &str) -> Result<MemberAt, BtfError> {
        let mut at = self.aggregate(of)?;
        let mut offset_bits = 0_u32;
        let mut budget = MAX_MEMBERS;
        let mut walked = 0;
        for part in path.split('.') {
            walked += part.len();
            let missing = || BtfError::NoMember {
                of: of.into(),
                path: path.get(..walked).unwrap_or(path).into(),
            };
            let found = self
                .find_member(at, part.as_bytes(), MAX_DEPTH, &mut budget)
                .ok_or_else(missing)?;
            if found.bit_width > 0 || found.bit_offset % 8 != 0 {
                return Err(BtfError::BitField {
                    of: of.into(),
                    path: path.into(),
                });
            }
            offset_bits = offset_bits
                .checked_add(found.bit_offset)
                .ok_or_else(|| BtfError::Contradiction(of.into()))?;
            at = found.type_id;
            walked += 1;
        }
        let size_bytes = self
            .size_of_id(at, MAX_DEPTH)
            .ok_or_else(|| BtfError::Contradiction(format!("{of}.{path}")))?;
        Ok(MemberAt {
            offset_bytes: offset_bits / 8,
            size_bytes,
        })
    }

    /// Returns the size in bytes of a struct, union or typedef, named without its keyword.
    pub fn size_of(&self, name: &str) -> Result<u32, BtfError> {
        let id = self.aggregate(name)?;
        self.size_of_id(id, MAX_DEPTH)
            .ok_or_else(|| BtfError::Contradiction(name.into()))
    }

    /// Returns the value of an enum constant, in the named enum or, without a name, in the first
    /// enum that has it.
    pub fn enum_value(&self, of: Option<&str>, constant: &str) -> Result<i64, BtfError> {
        let value_in = |id: TypeId| {
            let constants = self.blob.get(id)?.constants();
            constants
                .filter(|(name, _)| self.blob.name(*name) == constant.as_bytes())
                .map(|(_, value)| value)
                .next()
        };
        let value = match of {
            Some(name) => value_in(self.enumeration(name)?),
            None => self.blob.ids().find_map(value_in),
        };
        value.ok_or_else(|| BtfError::NoConstant {
            of: of.map(Into::into),
            constant: constant.into(),
        })
    }

    /// Returns all constants of an enum in the order of its definition, as (name, value).
    pub fn enum_constants(&self, of: &str) -> Result<Vec<(String, i64)>, BtfError> {
        let found = self.blob.get(self.enumeration(of)?);
        let constants = found.into_iter().flat_map(Type::constants);
        Ok(constants
            .map(|(name, value)| (self.text(name), value))
            .collect())
    }

    /// Returns whether the kernel describes a function of this name. Hooking may still fail: the
    /// function may be inlined or `notrace`.
    #[must_use]
    pub fn func_exists(&self, name: &str) -> bool {
        self.find(name, &[Kind::Func]).is_some()
    }

    /// Returns the number of parameters of a function.
    pub fn func_arg_count(&self, name: &str) -> Result<usize, BtfError> {
        let proto = self.func_proto(name)?;
        Ok(proto.params().count())
    }

    /// Returns the number of arguments that a `tp_btf` program of this tracepoint gets: its
    /// prototype's without the leading `void *`.
    pub fn tracepoint_arg_count(&self, tracepoint: &str) -> Result<usize, BtfError> {
        let proto = self.tracepoint_proto(tracepoint)?;
        Ok(proto.params().count().saturating_sub(1))
    }

    /// Returns a function's declaration in C as the kernel writes it, without `static`.
    pub fn c_prototype(&self, func: &str) -> Result<String, BtfError> {
        Ok(self.prototype(func)?.to_string())
    }

    /// Returns a function's declaration as a value that can be compared.
    pub fn prototype(&self, func: &str) -> Result<Prototype, BtfError> {
        let proto = self.func_proto(func)?;
        Ok(ctype::prototype(&self.blob, func, proto, 0))
    }

    /// Returns a tracepoint's arguments as a function that returns `void`. BTF has no parameter
    /// names for them.
    pub fn tracepoint_prototype(&self, tracepoint: &str) -> Result<Prototype, BtfError> {
        let proto = self.tracepoint_proto(tracepoint)?;
        Ok(ctype::prototype(&self.blob, tracepoint, proto, 1))
    }

    /// Returns `NODES_SHIFT` of this kernel: log2 of the number of nodes it was built for; a page's
    /// node is its flags shifted right by 64 minus this.
    ///
    /// Computed from the length of a zonelist, which has one reference for each possible node and
    /// zone and one that ends it. Exact for every value, 0 without NUMA; `nodemask_t` would leave 0
    /// to 6 undecided.
    pub fn nodes_shift(&self) -> Result<u32, BtfError> {
        let zones = self.enum_value(Some("zone_type"), "__MAX_NR_ZONES")?;
        let zones =
            u32::try_from(zones).map_err(|_| BtfError::Contradiction("zone_type".into()))?;
        let references = self
            .size_of("zonelist")?
            .checked_div(self.size_of("zoneref")?);
        let nodes = references
            .and_then(|count| count.checked_sub(1))
            .and_then(|count| {
                let nodes = count.checked_div(zones)?;
                (nodes.is_power_of_two() && nodes * zones == count).then_some(nodes)
            });
        nodes
            .map(u32::ilog2)
            .ok_or_else(|| BtfError::Contradiction("zonelist".into()))
    }

    fn find(&self, name: &str, kinds: &[Kind]) -> Option<TypeId> {
        self.index.find(&self.blob, name.as_bytes(), kinds)
    }

    /// Returns the id of a function, for attaching to it.
    pub(in crate::attach) fn function_id(&self, name: &str) -> Option<u32> {
        self.find(name, &[Kind::Func])
    }

    /// Returns the id of a typedef; `btf_trace_<name>` stands for a tracepoint.
    pub(in crate::attach) fn typedef_id(&self, name: &str) -> Option<u32> {
        self.find(name, &[Kind::Typedef])
    }

    fn text(&self, name: u32) -> String {
        String::from_utf8_lossy(self.blob.name(name)).into_owned()
    }

    fn aggregate(&self, name: &str) -> Result<TypeId, BtfError> {
        self.find(name, &[Kind::Struct, Kind::Union])
            .or_else(|| self.find(name, &[Kind::Typedef]))
            .ok_or_else(|| BtfError::NoType {
                what: "struct",
                name: name.into(),
            })
    }

    fn enumeration(&self, name: &str) -> Result<TypeId, BtfError> {
        self.find(name, &[Kind::Enum, Kind::Enum64])
            .ok_or_else(|| BtfError::NoType {
                what: "enum",
                name: name.into(),
            })
    }

    fn func_proto(&self, name: &str) -> Result<Type<'_>, BtfError> {
        let missing = || BtfError::NoFunction(name.into());
        let func = self
            .find(name, &[Kind::Func])
            .and_then(|id| self.blob.get(id))
            .ok_or_else(missing)?;
        self.blob
            .get(func.size_or_type)
            .filter(|proto| proto.kind == Kind::FuncProto)
            .ok_or_else(missing)
    }

    /// Returns the function type that a tracepoint calls: `btf_trace_<name>` is a typedef of a
    /// pointer to it.
    fn tracepoint_proto(&self, tracepoint: &str) -> Result<Type<'_>, BtfError> {
        let typedef = self.find(&format!("btf_trace_{tracepoint}"), &[Kind::Typedef]);
        typedef
            .and_then(|id| self.resolve(id))
            .filter(|(_, found)| found.kind == Kind::Ptr)
            .and_then(|(_, pointer)| self.resolve(pointer.size_or_type))
            .map(|(_, proto)| proto)
            .filter(|proto| proto.kind == Kind::FuncProto)
            .ok_or_else(|| BtfError::NoTracepoint(tracepoint.into()))
    }

    /// Follows typedefs, qualifiers and tags to the type itself.
    fn resolve(&self, mut id: TypeId) -> Option<(TypeId, Type<'_>)> {
        for _ in 0..MAX_DEPTH {
            let found = self.blob.get(id)?;
            match found.kind {
                Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                    id = found.size_or_type;
                }
                _ => return Some((id, found)),
            }
        }
        None
    }

    /// Finds a member by name, in unnamed members too; its offset counts from the start of `of`.
    fn find_member(
        &self,
        of: TypeId,
        name: &[u8],
        depth: u32,
        budget: &mut u32,
    ) -> Option<format::Member> {
        let depth = depth.checked_sub(1)?;
        let (_, outer) = self.resolve(of)?;
        for member in outer.members() {
            *budget = budget.checked_sub(1)?;
            if member.name != 0 {
                if self.blob.name(member.name) == name {
                    return Some(member);
                }
            } else if let Some(inner) = self.find_member(member.type_id, name, depth, budget) {
                let bit_offset = member.bit_offset.checked_add(inner.bit_offset)?;
                return Some(format::Member {
                    bit_offset,
                    ..inner
                });
            }
        }
        None
    }

    fn size_of_id(&self, id: TypeId, depth: u32) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        let (_, found) = self.resolve(id)?;
        match found.kind {
            Kind::Ptr => u32::try_from(size_of::<usize>()).ok(),
            Kind::Array => {
                let (element, count) = found.array()?;
                self.size_of_id(element, depth)?.checked_mul(count)
            }
            Kind::Int
            | Kind::Float
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Enum64
            | Kind::DataSec => Some(found.size_or_type),
            _ => None,
        }
    }
}
