//! C types and function declarations: built from BTF, written as the kernel writes them, compared
//! by type alone.

use std::fmt;

use super::format::{Blob, Kind, MAX_DEPTH, Type, TypeId};

/// Types visited for one declaration before the rest is written as `…`: hostile BTF can nest
/// without end.
const MAX_TYPES: u32 = 4096;

/// A C type, without the attributes and tags (`__user`, `__rcu`) that do not change how it is
/// passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CType {
    /// A type with a name: `struct page`, `gfp_t`, `unsigned long`, `void`.
    Named {
        /// `const` in front of it.
        is_const: bool,
        /// `volatile` in front of it.
        is_volatile: bool,
        /// With its keyword; integers in the kernel's spelling.
        name: String,
    },
    /// A pointer.
    Ptr {
        /// `const` behind the star.
        is_const: bool,
        /// The type pointed to.
        to: Box<CType>,
    },
    /// An array, which only occurs behind a pointer: as a parameter it decays.
    Array {
        /// Element type.
        of: Box<CType>,
        /// Elements; 0 when open.
        len: u32,
    },
    /// A function, behind a pointer.
    Func {
        /// Return type.
        ret: Box<CType>,
        /// Parameter types.
        params: Vec<CType>,
        /// Ends with `...`.
        variadic: bool,
    },
}

/// A function declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    /// Function or tracepoint name.
    pub name: String,
    /// Return type.
    pub ret: CType,
    /// Parameter types with their names; the name is empty where none is known.
    pub params: Vec<(CType, String)>,
    /// Ends with `...`.
    pub variadic: bool,
}

impl CType {
    /// Returns a type with a name and no qualifiers.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::Named {
            is_const: false,
            is_volatile: false,
            name: name.into(),
        }
    }

    /// Returns the type without `const` and `volatile` at its top, which are not part of a
    /// function's type.
    #[must_use]
    pub fn unqualified(&self) -> Self {
        match self.clone() {
            Self::Named { name, .. } => Self::Named {
                is_const: false,
                is_volatile: false,
                name,
            },
            Self::Ptr { to, .. } => Self::Ptr {
                is_const: false,
                to,
            },
            other => other,
        }
    }

    pub(in crate::attach) fn add_const(self) -> Self {
        match self {
            Self::Named {
                is_volatile, name, ..
            } => Self::Named {
                is_const: true,
                is_volatile,
                name,
            },
            Self::Ptr { to, .. } => Self::Ptr { is_const: true, to },
            Self::Array { of, len } => Self::Array {
                of: Box::new(of.add_const()),
                len,
            },
            function @ Self::Func { .. } => function,
        }
    }

    pub(in crate::attach) fn add_volatile(self) -> Self {
        match self {
            Self::Named { is_const, name, .. } => Self::Named {
                is_const,
                is_volatile: true,
                name,
            },
            Self::Array { of, len } => Self::Array {
                of: Box::new(of.add_volatile()),
                len,
            },
            // No kernel function takes a volatile pointer; keeping it would double every case
            // above.
            other => other,
        }
    }

    /// Returns the declaration of `what` (a name, or nothing) with this type, written from the
    /// inside out as in C.
    fn declare(&self, what: &str) -> String {
        match self {
            Self::Named {
                is_const,
                is_volatile,
                name,
            } => {
                let mut text = String::new();
                for (is, word) in [(is_const, "const "), (is_volatile, "volatile ")] {
                    if *is {
                        text.push_str(word);
                    }
                }
                let gap = if what.is_empty() { "" } else { " " };
                text + name + gap + what
            }
            Self::Ptr { is_const, to } => {
                let gap = if *is_const && !what.is_empty() {
                    " "
                } else {
                    ""
                };
                let star = format!("*{}{gap}{what}", if *is_const { "const" } else { "" });
                match **to {
                    Self::Array { .. } | Self::Func { .. } => to.declare(&format!("({star})")),
                    _ => to.declare(&star),
                }
            }
            Self::Array { of, len: 0 } => of.declare(&format!("{what}[]")),
            Self::Array { of, len } => of.declare(&format!("{what}[{len}]")),
            Self::Func {
                ret,
                params,
                variadic,
            } => {
                let params = params.iter().map(|param| param.declare(""));
                ret.declare(&format!(
                    "{what}({})",
                    parameter_list(params.collect(), *variadic)
                ))
            }
        }
    }
}

fn parameter_list(mut params: Vec<String>, variadic: bool) -> String {
    if variadic {
        params.push("...".into());
    }
    if params.is_empty() {
        "void".into()
    } else {
        params.join(", ")
    }
}

impl fmt::Display for CType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.declare(""))
    }
}

impl Prototype {
    /// Returns whether both take and return the same types. Names, and `const` on a parameter
    /// itself, are ignored.
    #[must_use]
    pub fn same_types(&self, other: &Self) -> bool {
        let types = |proto: &Self| {
            proto
                .params
                .iter()
                .map(|(ty, _)| ty.unqualified())
                .collect::<Vec<_>>()
        };
        self.ret.unqualified() == other.ret.unqualified()
            && self.variadic == other.variadic
            && types(self) == types(other)
    }
}

impl CType {
    /// Returns whether both are passed the same way: as pointers to the same type, as scalars, or
    /// as the same struct by value.
    fn passed_like(&self, other: &Self) -> bool {
        let is_struct = |name: &str| name.starts_with("struct ") || name.starts_with("union ");
        match (self, other) {
            (Self::Ptr { to, .. }, Self::Ptr { to: other, .. }) => {
                to.unqualified() == other.unqualified()
            }
            (Self::Named { name, .. }, Self::Named { name: other, .. }) => {
                let by_name =
                    is_struct(name) || is_struct(other) || name == "void" || other == "void";
                !by_name || name == other
            }
            _ => self == other,
        }
    }
}

impl Prototype {
    /// Returns whether a program written for one reads the arguments of the other correctly: the
    /// same number of them, each passed the same way. A `const` or a different name of an integer
    /// type does not matter.
    #[must_use]
    pub fn passed_like(&self, other: &Self) -> bool {
        self.variadic == other.variadic
            && self.params.len() == other.params.len()
            && self.ret.passed_like(&other.ret)
            && self
                .params
                .iter()
                .zip(&other.params)
                .all(|((one, _), (other, _))| one.passed_like(other))
    }
}

impl fmt::Display for Prototype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = self
            .params
            .iter()
            .map(|(ty, name)| ty.declare(name))
            .collect();
        f.write_str(&self.ret.declare(&format!(
            "{}({})",
            self.name,
            parameter_list(params, self.variadic)
        )))
    }
}

/// Returns the kernel's spelling of an integer type: DWARF says `long unsigned int`, the kernel
/// `unsigned long`, C allows a dozen.
///
/// A name with any other word in it comes back unchanged.
pub(in crate::attach) fn integer_name(name: &str) -> String {
    let mut longs = 0;
    let (mut is_unsigned, mut is_signed, mut is_char, mut is_short) = (false, false, false, false);
    for word in name.split_whitespace() {
        match word {
            "long" => longs += 1,
            "unsigned" => is_unsigned = true,
            "signed" => is_signed = true,
            "char" => is_char = true,
            "short" => is_short = true,
            "int" => {}
            "_Bool" => return "bool".into(),
            _ => return name.into(),
        }
    }
    let width = match (is_char, is_short, longs) {
        (true, ..) => "char",
        (_, true, _) => "short",
        (_, _, 0) => "int",
        (_, _, 1) => "long",
        _ => "long long",
    };
    match (is_unsigned, is_signed && is_char) {
        (true, _) => format!("unsigned {width}"),
        (_, true) => format!("signed {width}"),
        _ => width.into(),
    }
}

/// Builds a declaration from a `FUNC_PROTO` record, without the first `skip` parameters.
pub(super) fn prototype(blob: &Blob, name: &str, proto: Type<'_>, skip: usize) -> Prototype {
    let mut builder = Builder {
        blob,
        budget: MAX_TYPES,
    };
    let ret = builder.build(proto.size_or_type, MAX_DEPTH);
    let variadic = proto.params().last().is_some_and(|last| last.type_id == 0);
    let named = proto.params().skip(skip).filter(|param| param.type_id != 0);
    let params = named.map(|param| {
        let name = String::from_utf8_lossy(blob.name(param.name)).into_owned();
        (builder.build(param.type_id, MAX_DEPTH), name)
    });
    Prototype {
        name: name.into(),
        params: params.collect(),
        ret,
        variadic,
    }
}

struct Builder<'a> {
    blob: &'a Blob,
    budget: u32,
}

impl Builder<'_> {
    fn build(&mut self, id: TypeId, depth: u32) -> CType {
        let left = self
            .budget
            .checked_sub(1)
            .and_then(|budget| depth.checked_sub(1).map(|depth| (budget, depth)));
        let (Some((budget, depth)), Some(found)) = (left, self.blob.get(id)) else {
            return CType::named("…");
        };
        self.budget = budget;
        let inner = found.size_or_type;
        match found.kind {
            Kind::Const => self.build(inner, depth).add_const(),
            Kind::Volatile => self.build(inner, depth).add_volatile(),
            Kind::Restrict | Kind::TypeTag => self.build(inner, depth),
            Kind::Ptr => CType::Ptr {
                is_const: false,
                to: Box::new(self.build(inner, depth)),
            },
            Kind::Array => {
                let (element, len) = found.array().unwrap_or_default();
                CType::Array {
                    of: Box::new(self.build(element, depth)),
                    len,
                }
            }
            Kind::FuncProto => {
                let variadic = found.params().last().is_some_and(|last| last.type_id == 0);
                let params = found
                    .params()
                    .filter(|param| param.type_id != 0)
                    .take(self.budget as usize);
                CType::Func {
                    params: params
                        .map(|param| self.build(param.type_id, depth))
                        .collect(),
                    ret: Box::new(self.build(inner, depth)),
                    variadic,
                }
            }
            _ => CType::named(&self.name_of(found)),
        }
    }

    fn name_of(&self, found: Type<'_>) -> String {
        let text = String::from_utf8_lossy(self.blob.name(found.name)).into_owned();
        let keyword = match found.kind {
            Kind::Void => return "void".into(),
            Kind::Int => return integer_name(&text),
            Kind::Struct => "struct",
            Kind::Union => "union",
            Kind::Fwd if found.flag => "union",
            Kind::Fwd => "struct",
            Kind::Enum | Kind::Enum64 => "enum",
            _ => return if text == "_Bool" { "bool".into() } else { text },
        };
        if text.is_empty() {
            format!("{keyword} {{…}}")
        } else {
            format!("{keyword} {text}")
        }
    }
}
