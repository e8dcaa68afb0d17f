//! Reads C function declarations as kernel sources write them, as far as hooked functions need:
//! qualifiers, struct, union and enum tags, integers, typedef names, pointers, arrays and function
//! pointers. Attributes that do not change types are skipped.

use crate::attach::btf::ctype::{CType, Prototype, integer_name};

/// Words of kernel declarations that do not change how an argument is passed.
const SKIPPED: &[&str] = &[
    "static",
    "extern",
    "inline",
    "asmlinkage",
    "__always_inline",
    "noinline",
    "__ref",
    "__user",
    "__rcu",
    "__percpu",
    "__iomem",
    "__force",
    "restrict",
    "__restrict",
];

/// Deepest nesting of declarators. The lines are our own: the bound only keeps a typing error from
/// becoming a crash.
const MAX_DEPTH: u32 = 16;

/// Reads `struct page *name(gfp_t gfp, int order)`. Parameter names may be missing.
///
/// # Errors
/// The expected token, and the text found instead.
pub(super) fn function(text: &str) -> Result<Prototype, String> {
    let mut parser = Parser::of(text)?;
    let ret = parser.specifiers()?;
    let ret = parser.pointers(ret);
    parser.rest_of_function(ret)
}

/// Reads `name(struct task_struct *p)`, a tracepoint's arguments.
///
/// # Errors
/// The expected token, and the text found instead.
pub(super) fn tracepoint(text: &str) -> Result<Prototype, String> {
    Parser::of(text)?.rest_of_function(CType::named("void"))
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    depth: u32,
}

impl<'a> Parser<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text.trim().trim_end_matches(';').trim_end();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let len = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("...") {
                3
            } else if "*()[],".contains(first) {
                1
            } else {
                return Err(format!("cannot read `{rest}`"));
            };
            let (token, after) = rest.split_at(len);
            if !SKIPPED.contains(&token) {
                tokens.push(token);
            }
            rest = after.trim_start();
        }
        Ok(Self {
            tokens,
            at: 0,
            depth: MAX_DEPTH,
        })
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or_default()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        if found {
            self.at += 1;
        }
        found
    }

    fn need(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            Ok(())
        } else {
            self.expected(&format!("`{token}`"))
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, String> {
        let rest = self.tokens.get(self.at..).unwrap_or_default().join(" ");
        if rest.is_empty() {
            Err(format!("expected {what} at the end"))
        } else {
            Err(format!("expected {what} at `{rest}`"))
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let token = self.peek();
        let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        is_word.then(|| {
            self.at += 1;
            token
        })
    }

    /// Reads everything in front of the declarator: qualifiers and one base type.
    fn specifiers(&mut self) -> Result<CType, String> {
        const INTEGER: [&str; 6] = ["unsigned", "signed", "long", "short", "int", "char"];
        let (mut is_const, mut is_volatile) = (false, false);
        let mut integer = String::new();
        let mut name = None;
        loop {
            let token = self.peek();
            match token {
                "const" => is_const = true,
                "volatile" => is_volatile = true,
                "struct" | "union" | "enum" if name.is_none() && integer.is_empty() => {
                    self.at += 1;
                    let Some(tag) = self.word() else {
                        return self.expected("a name behind the keyword");
                    };
                    name = Some(format!("{token} {tag}"));
                    continue;
                }
                _ if INTEGER.contains(&token) && name.is_none() => {
                    integer = format!("{integer} {token}");
                }
                _ if name.is_none() && integer.is_empty() => match self.word() {
                    Some(word) => {
                        name = Some(integer_name(word));
                        continue;
                    }
                    None => return self.expected("a type"),
                },
                _ => break,
            }
            self.at += 1;
        }
        let base = CType::named(&name.unwrap_or_else(|| integer_name(&integer)));
        let base = if is_const { base.add_const() } else { base };
        Ok(if is_volatile {
            base.add_volatile()
        } else {
            base
        })
    }

    fn pointers(&mut self, mut ty: CType) -> CType {
        loop {
            if self.take("*") {
                ty = CType::Ptr {
                    is_const: false,
                    to: Box::new(ty),
                };
            } else if self.take("const") {
                ty = ty.add_const();
            } else {
                return ty;
            }
        }
    }

    fn rest_of_function(mut self, ret: CType) -> Result<Prototype, String> {
        let Some(name) = self.word() else {
            return self.expected("a function's name");
        };
        self.need("(")?;
        let (params, variadic) = self.params()?;
        if self.at < self.tokens.len() {
            return self.expected("the end");
        }
        Ok(Prototype {
            name: name.into(),
            ret,
            params,
            variadic,
        })
    }

    /// Reads parameters up to and including the closing bracket. Arrays and functions decay to
    /// pointers.
    fn params(&mut self) -> Result<(Vec<(CType, String)>, bool), String> {
        let mut params = Vec::new();
        if self.tokens.get(self.at..self.at + 2) == Some(&["void", ")"]) {
            self.at += 2;
            return Ok((params, false));
        }
        if self.take(")") {
            return Ok((params, false));
        }
        loop {
            if self.take("...") {
                self.need(")")?;
                return Ok((params, true));
            }
            let base = self.specifiers()?;
            let (ty, name) = self.declarator(base)?;
            let ty = match ty {
                CType::Array { of, .. } => CType::Ptr {
                    is_const: false,
                    to: of,
                },
                function @ CType::Func { .. } => CType::Ptr {
                    is_const: false,
                    to: Box::new(function),
                },
                other => other,
            };
            params.push((ty, name));
            if self.take(")") {
                return Ok((params, false));
            }
            self.need(",")?;
        }
    }

    /// Reads a declarator with or without a name, around a base type.
    fn declarator(&mut self, base: CType) -> Result<(CType, String), String> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return self.expected("less nesting");
        };
        let base = self.pointers(base);
        let nested = self.peek() == "(" && matches!(self.tokens.get(self.at + 1), Some(&"*"));
        if !nested {
            let name = self.word().unwrap_or_default();
            return Ok((self.suffixes(base)?, name.into()));
        }
        // The part behind the brackets belongs to the base: read it first, then go back inside.
        let inside = self.at + 1;
        self.skip_brackets()?;
        let base = self.suffixes(base)?;
        let behind = std::mem::replace(&mut self.at, inside);
        self.depth = depth;
        let declared = self.declarator(base)?;
        self.depth = depth + 1;
        self.need(")")?;
        self.at = behind;
        Ok(declared)
    }

    fn skip_brackets(&mut self) -> Result<(), String> {
        let mut open = 0_u32;
        while self.at < self.tokens.len() {
            match self.peek() {
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
        self.expected("`)`")
    }

    fn suffixes(&mut self, base: CType) -> Result<CType, String> {
        if self.take("(") {
            let (params, variadic) = self.params()?;
            let params = params.into_iter().map(|(ty, _)| ty).collect();
            return Ok(CType::Func {
                ret: Box::new(base),
                params,
                variadic,
            });
        }
        if self.take("[") {
            let len = self.peek().parse().ok();
            if len.is_some() {
                self.at += 1;
            }
            self.need("]")?;
            let of = Box::new(self.suffixes(base)?);
            return Ok(CType::Array {
                of,
                len: len.unwrap_or(0),
            });
        }
        Ok(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the declaration as the kernel would write it.
    fn canonical(text: &str) -> String {
        function(text).map_or_else(|error| error, |proto| proto.to_string())
    }

    #[test]
    fn declarations_come_out_as_they_went_in() {
        for text in [
            "void fold_vm_numa_events(void)",
            "struct page *get_page_from_freelist(gfp_t gfp_mask, unsigned int order, \
             int alloc_flags, const struct alloc_context *ac)",
            "int visit(int (*each)(const struct page *, unsigned long), void *arg)",
            "void rows(int (*table)[4], char *const *names, ...)",
            "bool f(enum migrate_mode mode, bool group_dead)",
        ] {
            assert_eq!(canonical(text), text);
        }
    }

    #[test]
    fn spellings_of_one_type_are_the_same() {
        let same = |a: &str, b: &str| function(a).unwrap().same_types(&function(b).unwrap());
        assert!(same(
            "long unsigned int f(unsigned x)",
            "unsigned long f(unsigned int)"
        ));
        assert!(same(
            "int f(struct page const *p)",
            "static int g(const struct page *)"
        ));
        assert!(same(
            "int f(_Bool x, int v[3], int cb(int))",
            "int f(bool, int *, int (*cb)(int))"
        ));
        assert!(same(
            "int f(const int x, void __user *p)",
            "int f(int x, void *p);"
        ));
        assert!(!same("int f(int x)", "int f(unsigned int x)"));
        assert!(!same("int f(const char *x)", "int f(char *x)"));
        assert!(!same("int f(int x)", "int f(int x, int y)"));
        assert!(!same("int f(int x)", "void f(int x)"));
        assert!(!same("int f(int x)", "int f(int x, ...)"));
    }

    #[test]
    fn a_declaration_that_cannot_be_read_says_where() {
        assert_eq!(canonical("int f(int x"), "expected `,` at the end");
        assert_eq!(
            canonical("int f(struct *x)"),
            "expected a name behind the keyword at `* x )`"
        );
        assert_eq!(canonical("int f(int x) {"), "cannot read `{`");
        assert_eq!(canonical("int f(int x) y"), "expected the end at `y`");
        assert_eq!(canonical("int"), "expected a function's name at the end");
        assert_eq!(canonical(""), "expected a type at the end");
        let nested = format!("int f(int {}x{})", "(*".repeat(99), ")".repeat(99));
        assert!(canonical(&nested).starts_with("expected less nesting"));
    }
}
