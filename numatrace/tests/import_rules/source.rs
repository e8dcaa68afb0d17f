//! Reads one source file: the modules and names that it declares, its `use` items, and the paths in
//! its code.
//!
//! Code under `#[cfg(test)]` is left out: tests of a file may build what they need from anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// The segments of a path as written: `["super", "report", "Report"]`.
pub type Segments = Vec<String>;

/// Declarations and references of one file.
#[derive(Debug, Default)]
pub struct Source {
    /// Modules that it declares in files of their own: `mod report;`.
    pub children: BTreeSet<String>,
    /// Modules for tests alone: `#[cfg(test)] mod tests;`.
    pub test_children: BTreeSet<String>,
    /// Names of the items that it defines itself.
    pub items: BTreeSet<String>,
    /// Names that its `use` items bring in, each with its path.
    pub names: BTreeMap<String, Segments>,
    /// Paths of `use path::*`.
    pub globs: Vec<Segments>,
    /// Paths of `use` items that pass names on to others: `pub use`, `pub(crate) use`.
    pub passed_on: Vec<Segments>,
    /// Paths of private `use` items, and all paths in code.
    pub references: BTreeSet<Segments>,
    /// Whether it has an `unsafe` block, function or trait implementation.
    pub is_unsafe: bool,
}

impl Source {
    /// Reads the text of a file. The name of the crate stands for `crate` (in `main.rs`).
    ///
    /// # Errors
    /// The text is no Rust.
    pub fn read(text: &str, crate_name: &str) -> syn::Result<Self> {
        let mut reader = Reader {
            source: Self::default(),
            crate_name,
            depth: 0,
        };
        reader.visit_file(&syn::parse_file(text)?);
        Ok(reader.source)
    }
}

/// Walks the syntax of a file.
struct Reader<'a> {
    source: Source,
    crate_name: &'a str,
    /// Inline modules around the current place; they belong to the file.
    depth: usize,
}

impl Reader<'_> {
    /// Notes a path as written in an inline module at the current depth.
    fn refer(&mut self, segments: Segments) {
        if let Some(segments) = self.outside_inline_modules(segments) {
            self.source.references.insert(segments);
        }
    }

    /// Returns the path as the file's own module would write it; none when it stays inside an
    /// inline module.
    fn outside_inline_modules(&self, mut segments: Segments) -> Option<Segments> {
        if segments.first().is_some_and(|s| s == self.crate_name) {
            "crate".clone_into(&mut segments[0]);
        }
        let supers = segments.iter().take_while(|s| *s == "super").count();
        if self.depth == 0 || segments[0] == "crate" {
            return Some(segments);
        }
        // `super` in an inline module is the file itself, whose names are its own.
        (supers > self.depth).then(|| segments.split_off(self.depth))
    }

    fn import(&mut self, tree: &UseTree, before: &Segments, is_public: bool) {
        let with = |name: String| {
            let mut path = before.clone();
            if name != "self" || path.is_empty() {
                path.push(name);
            }
            path
        };
        match tree {
            UseTree::Path(part) => {
                self.import(&part.tree, &with(part.ident.to_string()), is_public);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, is_public);
                }
            }
            UseTree::Name(name) => {
                let path = with(name.ident.to_string());
                let alias = path.last().cloned().unwrap_or_default();
                self.import_name(alias, path, is_public);
            }
            UseTree::Rename(name) => {
                self.import_name(
                    name.rename.to_string(),
                    with(name.ident.to_string()),
                    is_public,
                );
            }
            UseTree::Glob(_) => {
                if let Some(path) = self.outside_inline_modules(before.clone()) {
                    self.source.globs.push(path);
                }
            }
        }
    }

    fn import_name(&mut self, alias: String, path: Segments, is_public: bool) {
        let Some(path) = self.outside_inline_modules(path) else {
            return;
        };
        if self.depth == 0 {
            self.source.names.insert(alias, path.clone());
        }
        if is_public {
            self.source.passed_on.push(path);
        } else {
            self.source.references.insert(path);
        }
    }

    /// Notes the paths in the arguments of a macro or an attribute, which syntax does not tell from
    /// other tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                    path.push(name.to_string());
                }
                TokenTree::Ident(name) => {
                    self.path_in_tokens(&mut path);
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => {
                    self.path_in_tokens(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    self.path_in_tokens(&mut path);
                    self.path_in_literal(&literal.to_string());
                }
                TokenTree::Punct(_) => self.path_in_tokens(&mut path),
            }
            colons = 0;
        }
        self.path_in_tokens(&mut path);
    }

    fn path_in_tokens(&mut self, path: &mut Segments) {
        if !path.is_empty() {
            self.refer(std::mem::take(path));
        }
    }

    /// `#[serde(with = "crate::ids::hex")]`.
    fn path_in_literal(&mut self, literal: &str) {
        let text = literal.trim_matches('"');
        let is_path = text.starts_with("crate::") || text.starts_with("super::");
        if is_path
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || "_:".contains(c))
        {
            self.refer(text.split("::").map(str::to_owned).collect());
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = described(item);
        if is_test(attributes) {
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.source.test_children.insert(module.ident.to_string());
            }
            return;
        }
        if self.depth == 0
            && let Some(name) = name
        {
            self.source.items.insert(name);
        }
        match item {
            Item::Mod(module) if module.content.is_none() => {
                self.source.children.insert(module.ident.to_string());
            }
            Item::Mod(_) => {
                self.depth += 1;
                visit::visit_item(self, item);
                self.depth -= 1;
            }
            Item::Use(import) => {
                let is_public = !matches!(import.vis, Visibility::Inherited);
                self.import(&import.tree, &Segments::new(), is_public);
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.source.is_unsafe = true;
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, implementation: &'ast syn::ItemImpl) {
        self.source.is_unsafe |= implementation.unsafety.is_some();
        visit::visit_item_impl(self, implementation);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.source.is_unsafe |= signature.unsafety.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|s| s.ident.to_string());
        self.refer(segments.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

/// Returns an item's attributes and, unless it is a module or a `use`, its name.
fn described(item: &Item) -> (&[Attribute], Option<String>) {
    match item {
        Item::Const(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Enum(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Fn(i) => (&i.attrs, Some(i.sig.ident.to_string())),
        Item::Static(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Struct(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Trait(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Type(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Union(i) => (&i.attrs, Some(i.ident.to_string())),
        Item::Macro(i) => (&i.attrs, i.ident.as_ref().map(ToString::to_string)),
        Item::Mod(i) => {
            let inline = i.content.is_some().then(|| i.ident.to_string());
            (&i.attrs, inline)
        }
        Item::Impl(i) => (&i.attrs, None),
        Item::Use(i) => (&i.attrs, None),
        _ => (&[], None),
    }
}

/// Returns whether something is compiled for tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        is_cfg && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test")
    })
}

/// Reads the texts of all `.rs` files below `src`, by path below it: `model/report.rs`.
pub fn below(src: &Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(src).unwrap();
                texts.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    texts
}
